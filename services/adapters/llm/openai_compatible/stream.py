"""Reads a streamed answer: lines of server-sent events to events of a completion."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from dataclasses import dataclass, replace
from typing import Any

from services.adapters.llm._labels import label_probabilities
from services.adapters.llm.openai_compatible.endpoint import Endpoint
from services.adapters.llm.openai_compatible.limits import estimated_tokens
from services.adapters.llm.openai_compatible.refusals import failure
from services.core.errors import ModelFailed, ModelUnusable, WorkerUnavailable
from services.core.ports import CompletionRequest, SampleDone, TextDelta

LONGEST_LINE = 1 << 20
"""Bytes of one event; a server that sends more has lost its mind."""
CHARACTERS_PER_TOKEN = 32
"""A sample with more characters for each token that it may have is cut: its server does not obey `max_tokens`."""
END = b"[DONE]"
"""The last event."""


async def data_lines(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Yield the data of every event. In this protocol it is one line, so no general parser is needed for each token."""
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > LONGEST_LINE:
            raise ModelFailed(f"the server sent an event of more than {LONGEST_LINE} bytes")
        for line in lines:
            if line.startswith(b"data:"):
                yield line[5:].strip()
    if rest.startswith(b"data:"):
        yield rest[5:].strip()


@dataclass(slots=True)
class Habits:
    """What is learned of a server from its answers."""

    end_tokens: int = 1
    """Tokens that it counts for the end of a sample: 0 once it counted fewer than we did."""


@dataclass(slots=True)
class _Sample:
    """What is known of one sample."""

    unread: str = ""
    characters: int = 0
    chunks: int = 0
    begun: bool = False
    done: bool = False
    probabilities: tuple[float, ...] = ()


class Answer:
    """Takes the data of an answer's events and returns whole lines and ends of samples.

    Servers count the tokens of all samples together, after the last of them, and lines are wanted before. So a sample
    is counted by its chunks, most servers send one for each token, and one for its end, if the server counts those.
    The last sample to end gets the rest of the server's count, so that the sum is the server's. Where a server counts
    each sample at its end, as llama.cpp does, its counts are taken; where it does not count at all, ours are all there
    is.
    """

    def __init__(self, endpoint: Endpoint, request: CompletionRequest, habits: Habits) -> None:
        self.prompt_tokens = estimated_tokens(request.prompt)
        """Estimated until the server says."""
        self.completion_tokens = 0
        """Of all samples; known at the end."""
        self._endpoint = endpoint
        self._request = request
        self._habits = habits
        self._samples = [_Sample() for _ in range(request.samples)]
        self._open = request.samples
        self._longest = CHARACTERS_PER_TOKEN * request.sampling.max_tokens
        self._told = 0
        """Tokens of the samples whose end was told."""
        self._counted = 0
        """Tokens that the server counted for all samples together."""
        self._last: SampleDone | None = None
        self._cut = False
        self._ended = False

    @property
    def complete(self) -> bool:
        """Whether nothing more is worth waiting for."""
        # A server that does not stop a sample would never come to its count.
        return self._ended or (self._cut and self._open == 0)

    def take(self, data: bytes) -> list[TextDelta | SampleDone]:
        """Return what the event brings."""
        if data == END:
            self._ended = True
            return []
        try:
            chunk = json.loads(data)
            if chunk.get("error"):
                raise failure(self._endpoint, self._request.prompt, chunk["error"])
            return self._take(chunk)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise ModelFailed(f"{self._endpoint.base_url} sent what is no chunk of a completion") from error

    def finish(self) -> list[SampleDone]:
        """Return the end that was kept back for the server's count; an error if samples are missing."""
        if self._last is not None:
            rest = self._counted - self._told if self._counted else self._last.completion_tokens
            if rest < self._last.completion_tokens:
                self._habits.end_tokens = 0
            last = replace(self._last, completion_tokens=max(1, rest))
            self.completion_tokens = self._told + last.completion_tokens
            return [last]
        begun = sum(sample.begun for sample in self._samples)
        if begun == self._request.samples or not self._ended:
            raise WorkerUnavailable(f"{self._endpoint.base_url} broke off its answer")
        if begun == 0:
            raise ModelFailed(f"{self._endpoint.base_url} answered without choices")
        raise ModelUnusable(
            f"{self._endpoint.base_url} sent {begun} of {self._request.samples} samples; "
            f"set KOT_OPENAI_SAMPLES_PER_REQUEST={begun}"
        )

    def _take(self, chunk: dict[str, Any]) -> list[TextDelta | SampleDone]:
        choices, usage = chunk.get("choices") or [], chunk.get("usage") or {}
        if usage:
            self.prompt_tokens = int(usage.get("prompt_tokens") or self.prompt_tokens)
        if usage and not choices:
            # llama.cpp's chat counts each sample so, others all of them at once.
            self._counted += int(usage["completion_tokens"])
        own = int(usage["completion_tokens"]) if len(choices) == 1 and usage else 0
        return [event for choice in choices for event in self._take_choice(choice, own)]

    def _take_choice(self, choice: dict[str, Any], own: int) -> Iterable[TextDelta | SampleDone]:
        index = choice.get("index", 0)
        if not 0 <= index < len(self._samples):
            raise ModelFailed(f"{self._endpoint.base_url} sent a sample that was not asked for")
        sample = self._samples[index]
        if sample.done:
            return
        sample.begun = True
        if self._request.labels and not sample.probabilities and choice.get("logprobs"):
            sample.probabilities = label_probabilities(self._request.labels, _first_token(choice["logprobs"]))
        text = (choice.get("delta") or {}).get("content") or "" if self._endpoint.is_chat else choice.get("text") or ""
        end = choice.get("finish_reason")
        if text:
            sample.chunks += 1
            text = text[: self._longest - sample.characters]
            sample.characters += len(text)
            sample.unread += text
            if not end and sample.characters >= self._longest:
                self._cut, end = True, "length"
        if sample.unread and (end or "\n" in text):
            # Half of a pair of surrogates is legal in JSON and nowhere else.
            yield TextDelta(index, sample.unread.encode(errors="replace").decode())
            sample.unread = ""
        if end:
            yield from self._end(index, sample, truncated=end == "length", own=own)

    def _end(self, index: int, sample: _Sample, *, truncated: bool, own: int) -> Iterable[SampleDone]:
        sample.done = True
        self._open -= 1
        tokens = own or max(1, sample.chunks + (0 if truncated else self._habits.end_tokens))
        done = SampleDone(index, tokens, truncated, sample.probabilities)
        if self._open == 0:
            self._last = done
        else:
            self._told += tokens
            yield done


def _first_token(logprobs: dict[str, Any]) -> list[tuple[str, float]]:
    """Return the likeliest first tokens: of chat and of llama.cpp, or in the older shape of plain completions."""
    if content := logprobs.get("content"):
        return [(token["token"], float(token["logprob"])) for token in content[0].get("top_logprobs") or []]
    if tokens := logprobs.get("top_logprobs"):
        return [(text, float(logarithm)) for text, logarithm in (tokens[0] or {}).items()]
    return []
