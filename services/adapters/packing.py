"""Several requests in one prompt: what they share is sent, and paid, once.

This is batch prompting (Cheng et al. 2023, arXiv 2301.08721) for requests that happen to come together. Each answer
comes under a heading with its number. What is missing or malformed is asked for again by a request of its own, so a
model that does not keep to the form costs more, but what belongs to one request never reaches another.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise

from services.core.errors import ModelFailed, ModelUnusable, PromptTooLong
from services.core.ports import CompletionDone, CompletionEvent, CompletionRequest, LanguageModel, SampleDone, TextDelta
from services.core.seeds import derive_seed
from services.rpc import deadline, release

HEADING_TOKENS = 8
"""At most what a heading and the blank lines around it cost."""

_HEADING = re.compile(r"^### (\d{1,4})[ \t]*$\n?", re.MULTILINE)
_INSTRUCTION = """\
### Task
The text above is how {count} texts begin, and below is how each of them goes on, under a heading with its number.
Continue every one of them as if it stood alone. Answer with the same headings in the same order, each on a line of its
own and followed by the continuation of its text. Write nothing else.
"""


# --- the form -------------------------------------------------------------------------------------------------------


def packed(requests: Sequence[CompletionRequest]) -> CompletionRequest:
    """Return one request for all, which differ in prompts and seeds alone: first the lines that their prompts share."""
    first = requests[0]
    lines = [request.prompt.splitlines(keepends=True) for request in requests]
    most = min(map(len, lines)) - 1
    shared = next((row for row, same in enumerate(zip(*lines, strict=False)) if len(set(same)) > 1), most)
    shared = min(shared, most)
    parts = ["".join(lines[0][:shared]), "\n", _INSTRUCTION.format(count=len(requests))]
    for number, rest in enumerate(lines, start=1):
        parts.append(f"\n### {number}\n{''.join(rest[shared:]).rstrip()}\n")
    return replace(
        first,
        prompt="".join(parts),
        sampling=replace(first.sampling, max_tokens=len(requests) * (first.sampling.max_tokens + HEADING_TOKENS)),
        seed=derive_seed(*(request.seed for request in requests)),
        stop=(),  # theirs would end the answers of all
    )


def unpacked(text: str, count: int, stop: Sequence[str], *, truncated: bool) -> dict[int, str]:
    """Return the answers of one sample that are well-formed, by their requests from 0 on, cut at the stop texts.

    Headings that repeat, go back or count on make all of it malformed; the last answer of a `truncated` text is.
    """
    headings = list(_HEADING.finditer(text))
    numbers = [int(heading[1]) for heading in headings]
    if any(later <= earlier for earlier, later in pairwise([0, *numbers, count + 1])):
        return {}
    answers = {}
    for place, (number, heading) in enumerate(zip(numbers, headings, strict=True), start=1):
        end = headings[place].start() if place < len(headings) else len(text)
        answer = text[heading.end() : end].strip("\n")
        for mark in stop:
            answer = answer.partition(mark)[0]
        if answer.strip() and not (truncated and place == len(headings)):
            answers[number - 1] = answer
    return answers


def shares(total: int, weights: Sequence[int]) -> list[int]:
    """Split a number by weights; the parts add up to it."""
    sums = [0, *accumulate(weights)]
    return [later - earlier for earlier, later in pairwise(total * part // sums[-1] for part in sums)]


# --- the model ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Share:
    """What one request has of a packed one: well-formed texts by sample, and its part of the tokens."""

    prompt_tokens: int = 0
    completion_tokens: Mapping[int, int] = field(default_factory=dict)
    texts: Mapping[int, str] = field(default_factory=dict)


_ALONE = _Share()
"""Of a request that is to go alone."""


@dataclass(eq=False, slots=True)
class _Member:
    request: CompletionRequest
    share: asyncio.Future[_Share]


@dataclass(eq=False, slots=True)
class _Pack:
    """Requests that travel together."""

    members: list[_Member] = field(default_factory=list)
    full: asyncio.Event = field(default_factory=asyncio.Event)

    def waiting(self) -> list[_Member]:
        """Return those that have not left."""
        return [member for member in self.members if not member.share.done()]


class PackedModel:
    """A `LanguageModel` that sends up to `most` requests to `model` as one.

    Only requests of one release whose prompts have the first line in common, and that are alike but for prompt and
    seed, go together; the first of them waits `linger` seconds for others. What one is answered depends on those that
    it went with. Requests for label probabilities go alone. One that is left does not disturb the others; when all are,
    the call is.
    """

    def __init__(self, model: LanguageModel, *, most: int, linger: float) -> None:
        self.name = model.name
        # What is packed is answered otherwise, so caches keep it apart.
        self.revision = f"{model.revision} packed" if model.revision else ""
        self._model = model
        self._most = most
        self._linger = linger
        self._open: dict[object, _Pack] = {}
        """Packs that have room, by what their members have in common."""
        self._running: dict[_Pack, asyncio.Task[None]] = {}

    async def complete(self, request: CompletionRequest) -> AsyncGenerator[CompletionEvent, None]:
        """Draw the samples; those that a packed request did not bring, alone."""
        share = _ALONE if request.labels else await self._travel(request)
        if share is _ALONE:
            async with aclosing(self._model.complete(request)) as events:
                async for event in events:
                    yield event
            return
        for sample, text in share.texts.items():
            yield TextDelta(sample, text)
            yield SampleDone(sample, share.completion_tokens[sample])
        prompt_tokens = share.prompt_tokens
        for first, samples in _missing(request, share):
            repair = replace(request, samples=samples, seed=request.seed + first)
            async with aclosing(self._model.complete(repair)) as events:
                async for event in events:
                    match event:
                        case TextDelta(sample, text):
                            yield TextDelta(first + sample, text)
                        case SampleDone(sample, tokens):
                            both = tokens + share.completion_tokens.get(first + sample, 0)
                            yield replace(event, sample=first + sample, completion_tokens=both)
                        case CompletionDone(tokens):
                            prompt_tokens += tokens
        yield CompletionDone(prompt_tokens)

    async def close(self) -> None:
        """End what is under way and close the model."""
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        await self._model.close()

    async def _travel(self, request: CompletionRequest) -> _Share:
        """Go with others, and return what that brings."""
        alike = (replace(request, prompt=request.prompt.partition("\n")[0], seed=0), release.metadata())
        pack = self._open.get(alike) or self._begin(alike)
        member = _Member(request, asyncio.get_running_loop().create_future())
        pack.members.append(member)
        if len(pack.members) == self._most:
            del self._open[alike]
            pack.full.set()
        try:
            return await member.share
        finally:
            if pack in self._running and not pack.waiting():
                self._running[pack].cancel()

    def _begin(self, alike: object) -> _Pack:
        pack = self._open[alike] = _Pack()
        self._running[pack] = asyncio.create_task(self._run(alike, pack))
        self._running[pack].add_done_callback(lambda task: self._end(pack, task))
        return pack

    async def _run(self, alike: object, pack: _Pack) -> None:
        """Send what has come when it is enough, or time."""
        # The first member's deadline is not that of the others; each leaves at its own.
        deadline.lift()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._linger):
                    await pack.full.wait()
        finally:
            if self._open.get(alike) is pack:
                del self._open[alike]
        members = pack.waiting()
        try:
            brought = await self._ask([member.request for member in members]) if len(members) > 1 else [_ALONE]
        except (ModelFailed, PromptTooLong):
            # That may be for the company of the others.
            brought = [_ALONE] * len(members)
        for member, share in zip(members, brought, strict=True):
            # Who has left meanwhile leaves its part uncounted, as everyone who leaves does.
            if not member.share.done():
                member.share.set_result(share)

    def _end(self, pack: _Pack, task: asyncio.Task[None]) -> None:
        """Tell those who still wait why nothing comes."""
        del self._running[pack]
        failure = ModelUnusable("the model is closed") if task.cancelled() else task.exception()
        for member in pack.waiting():
            if failure:
                member.share.set_exception(failure)

    async def _ask(self, requests: Sequence[CompletionRequest]) -> list[_Share]:
        """Send several as one, and return what each of them has of it."""
        texts: dict[int, str] = {}
        ends: dict[int, SampleDone] = {}
        prompt_tokens = 0
        async with aclosing(self._model.complete(packed(requests))) as events:
            async for event in events:
                match event:
                    case TextDelta(sample, text):
                        texts[sample] = texts.get(sample, "") + text
                    case SampleDone(sample):
                        ends[sample] = event
                    case CompletionDone(tokens):
                        prompt_tokens = tokens
        answers = {
            sample: unpacked(texts.get(sample, ""), len(requests), requests[0].stop, truncated=end.truncated)
            for sample, end in ends.items()
        }
        numbers = range(len(requests))
        tokens_of = {
            sample: shares(end.completion_tokens, [1 + len(answers[sample].get(number, "")) for number in numbers])
            for sample, end in ends.items()
        }
        prompts = shares(prompt_tokens, [len(request.prompt) for request in requests])
        return [
            _Share(
                prompts[number],
                {sample: parts[number] for sample, parts in tokens_of.items()},
                {sample: found[number] for sample, found in answers.items() if number in found},
            )
            for number in numbers
        ]


def _missing(request: CompletionRequest, share: _Share) -> list[tuple[int, int]]:
    """Return what is still to be drawn: first samples, and how many from there on."""
    if not share.texts:
        return [(0, request.samples)]
    return [(sample, 1) for sample in range(request.samples) if sample not in share.texts]
