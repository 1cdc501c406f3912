"""llama.cpp in this process, through `xllamacpp`: no server to run, no network, continuous batching.

Calls block a thread of a small pool while the engine decodes; the loop never blocks. Facts about the binding that this
module deals with: sample i is drawn with seed + i; one call may ask for at most as many samples as there are slots;
`usage` of a streamed choice counts that choice alone; a callback stops its call by returning True, and an exception
in it is swallowed; the engine opens a loopback HTTP port, which gets a random key here because nothing uses it.
"""

import asyncio
import hashlib
import os
import secrets
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import Any

from services.adapters.llm._labels import label_probabilities
from services.core.errors import ModelFailed, ModelUnusable, PromptTooLong
from services.core.ports import CompletionDone, CompletionEvent, CompletionRequest, SampleDone, TextDelta
from services.settings import ModelSettings

CALLS_AT_ONCE = 8
"""Calls in the engine at a time; more wait for a thread."""
LIKELIEST_TOKENS = 20
"""First tokens whose probabilities are read when labels are asked for."""


class EmbeddedModel:
    """A GGUF model in llama.cpp; `revision` is a digest of the file."""

    def __init__(self, path: Path, *, parallel: int, context: int, threads: int) -> None:
        self.name = path.stem
        self.revision = _digest(path)
        self._parallel = parallel
        self._server = _load(path, parallel, context, threads)
        self._pool = ThreadPoolExecutor(CALLS_AT_ONCE, thread_name_prefix="llama")

    async def complete(self, request: CompletionRequest) -> AsyncGenerator[CompletionEvent, None]:
        """Draw the samples, as many at a time as there are slots."""
        prompt_tokens = 0
        for first in range(0, request.samples, self._parallel):
            count = min(self._parallel, request.samples - first)
            async with aclosing(self._call(request, first, count)) as events:
                async for event in events:
                    if isinstance(event, CompletionDone):
                        prompt_tokens = event.prompt_tokens
                    else:
                        yield event
        yield CompletionDone(prompt_tokens)

    async def _call(self, request: CompletionRequest, first: int, count: int) -> AsyncGenerator[CompletionEvent, None]:
        loop = asyncio.get_running_loop()
        events: asyncio.Queue[CompletionEvent] = asyncio.Queue()
        stream = _Stream(request, first, lambda event: loop.call_soon_threadsafe(events.put_nowait, event))
        call = loop.run_in_executor(
            self._pool, self._server.handle_completions, _payload(request, first, count), stream
        )
        try:
            call.add_done_callback(lambda _: events.put_nowait(CompletionDone(stream.prompt_tokens)))
            while not isinstance(event := await events.get(), CompletionDone):
                yield event
            try:
                await call
            except RuntimeError as error:
                raise ModelFailed(f"the engine refused the request: {error}") from error
            stream.check()
            yield event
        finally:
            stream.stopped.set()
            call.cancel()

    async def close(self) -> None:
        """Wait for the calls in flight, then let the engine go."""
        await asyncio.to_thread(self._pool.shutdown)


class _Stream:
    """Takes the engine's chunks in the engine's thread and hands on whole lines, ends and the count of the prompt."""

    def __init__(self, request: CompletionRequest, first: int, hand_on: Callable[[CompletionEvent], object]) -> None:
        self.stopped = threading.Event()
        self.prompt_tokens = 0
        self._request = request
        self._first = first
        self._hand_on = hand_on
        self._text: dict[int, str] = {}
        self._probabilities: dict[int, tuple[float, ...]] = {}
        self._error: dict[str, Any] | None = None

    def __call__(self, chunk: dict[str, Any]) -> bool:
        """Take one chunk; True stops the call."""
        if self.stopped.is_set():
            return True
        if "choices" not in chunk:
            self._error = chunk.get("error", chunk)
            return True
        for choice in chunk["choices"]:
            self._take(choice, chunk.get("usage"))
        return False

    def check(self) -> None:
        """Raise what the engine reported, if it did."""
        if self._error is None:
            return
        message = str(self._error.get("message", self._error))
        if self._error.get("type") == "exceed_context_size_error":
            raise PromptTooLong(message)
        raise ModelFailed(message)

    def _take(self, choice: dict[str, Any], usage: dict[str, int] | None) -> None:
        sample = self._first + choice["index"]
        if sample not in self._probabilities and self._request.labels and choice.get("logprobs"):
            first_token = choice["logprobs"]["content"][0]["top_logprobs"]
            tokens = [(token["token"], token["logprob"]) for token in first_token]
            self._probabilities[sample] = label_probabilities(self._request.labels, tokens)
        text = self._text.get(sample, "") + choice["text"]
        done = choice["finish_reason"]
        if text and (done or "\n" in text):
            self._hand_on(TextDelta(sample, text))
            text = ""
        self._text[sample] = text
        if done and usage:
            self.prompt_tokens = usage["prompt_tokens"]
            probabilities = self._probabilities.get(sample, ())
            self._hand_on(SampleDone(sample, usage["completion_tokens"], done == "length", probabilities))


def _payload(request: CompletionRequest, first: int, count: int) -> dict[str, Any]:
    sampling = request.sampling
    payload = {
        "prompt": request.prompt,
        "n": count,
        "seed": (request.seed + first) % 2**31,
        "temperature": sampling.temperature,
        "top_k": sampling.top_k,
        "top_p": sampling.top_p,
        "min_p": 0.0,
        "max_tokens": sampling.max_tokens,
        "stop": list(request.stop),
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    return payload | ({"logprobs": LIKELIEST_TOKENS} if request.labels else {})


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "blake2b").hexdigest()[:16]
    except OSError as error:
        raise ModelUnusable(
            f"no model can be read at {path} ({error.strerror}); set KOT_MODEL_PATH to a GGUF file, "
            "or leave it out to use the weights that come with the package"
        ) from error


def _load(path: Path, parallel: int, context: int, threads: int) -> Any:  # noqa: ANN401 - the binding has no types
    # OpenMP's threads spin while they wait, unless told not to before the engine is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_parallel = parallel
    params.n_ctx = parallel * context
    params.kv_unified = True
    params.warmup = False
    params.fit_params = False
    params.use_jinja = False
    params.enable_chat_template = False
    params.cache_ram_mib = 0
    params.verbosity = -1
    params.api_keys = [secrets.token_hex(16)]
    count = threads or max(1, (os.cpu_count() or 2) - 1)
    params.cpuparams.n_threads = count
    params.cpuparams_batch.n_threads = count
    try:
        return xllamacpp.Server(params)
    except RuntimeError as error:
        raise ModelUnusable(f"{path} cannot be loaded; is it a GGUF file? ({error})") from error


def create(settings: ModelSettings) -> EmbeddedModel:
    """Load the weights; `ModelUnusable` says which path is wrong and what to do."""
    return EmbeddedModel(
        settings.model_path,
        parallel=settings.model_parallel,
        context=settings.model_context,
        threads=settings.model_threads,
    )
