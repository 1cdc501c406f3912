"""vLLM in this process: its asynchronous engine, on a GPU or, for tests, on a CPU.

The engine runs in a child process of its own and batches continuously; a request joins with all its samples. Facts
about vLLM that this module deals with: sample i is drawn with seed + i; several samples at temperature 0 are refused;
closing the generator of a request aborts it in the engine; an engine that died stays dead, so the process has to end;
on a CPU, a seeded request whose prompt is read in chunks kills the engine.
"""

import asyncio
import hashlib
import logging
import os
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from itertools import count
from pathlib import Path
from typing import Any

from services.adapters.llm._labels import label_probabilities
from services.adapters.mortal import ModelDied
from services.core.errors import ModelFailed, ModelUnusable, PromptTooLong, WorkerUnavailable
from services.core.ports import CompletionDone, CompletionEvent, CompletionRequest, SampleDone, TextDelta
from services.settings import ModelSettings

LIKELIEST_TOKENS = 20
"""First tokens whose probabilities are read when labels are asked for: the most that the engine gives by default."""
SEEDS = 2**31
"""Seeds lie below this, as with every backend."""
PROBES, PROBE_BYTES = 64, 2**15
"""How many pieces of each file of weights go into the revision, evenly spread: to read all of it takes minutes."""

_Engine = Any
"""A `vllm.v1.engine.async_llm.AsyncLLM`, which this project does not need to be installed."""

DEATH_SECONDS = 1.0
"""How long an engine may take to notice its death."""


class VllmModel:
    """A model in vLLM."""

    def __init__(self, engine: _Engine, settings: ModelSettings) -> None:
        self.name = Path(settings.vllm_model).name
        self.revision = _revision(settings.vllm_model, engine)
        self._engine = engine
        self._tokenizer = engine.get_tokenizer()
        self._longest: int = engine.model_config.max_model_len
        self._ids = map(str, count())

    async def complete(self, request: CompletionRequest) -> AsyncGenerator[CompletionEvent, None]:
        """Draw the samples together, in one request to the engine."""
        from vllm.exceptions import VLLMClientError
        from vllm.inputs import tokens_input
        from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError

        if self._engine is None:
            raise ModelUnusable("the model is closed")
        tokens = self._tokenize(request.prompt)
        reader = _Reader(request)
        try:
            # The shortest first, if priorities count at all: that is the least mean wait (Smith 1956).
            call = self._engine.generate(
                tokens_input(tokens),
                _sampling_params(request),
                next(self._ids),
                priority=request.sampling.max_tokens,
            )
            async with aclosing(call) as outputs:
                async for output in outputs:
                    for piece in output.outputs:
                        for event in reader.take(piece):
                            yield event
        except EngineDeadError as error:
            raise ModelDied("vLLM's engine died; its log says why") from error
        except (VLLMClientError, EngineGenerateError) as error:
            # What an engine is asked while it dies fails a moment before the engine is said to be dead.
            await asyncio.sleep(DEATH_SECONDS if isinstance(error, EngineGenerateError) else 0)
            if self._engine.errored:
                raise ModelDied("vLLM's engine died; its log says why") from error
            raise ModelFailed(f"vLLM refused the request: {error}") from error
        yield CompletionDone(len(tokens))

    async def close(self) -> None:
        """End the engine; calls in flight fail."""
        if self._engine is None:
            return
        # It takes its own end for an accident, and says so with a trace.
        logging.getLogger("vllm.v1.engine.async_llm").setLevel(logging.CRITICAL)
        await asyncio.to_thread(self._engine.shutdown)
        self._engine = None

    def _tokenize(self, prompt: str) -> list[int]:
        tokens: list[int] = self._tokenizer.encode(prompt)
        if len(tokens) >= self._longest:
            raise PromptTooLong(
                f"the prompt has {len(tokens)} tokens; {self.name} takes {self._longest}, with one for the answer"
            )
        return tokens


class _Reader:
    """Turns what the engine says of each sample into whole lines, and ends with their counts."""

    def __init__(self, request: CompletionRequest) -> None:
        self._labels = request.labels
        self._text: dict[int, str] = {}
        self._tokens: dict[int, int] = {}
        self._probabilities: dict[int, tuple[float, ...]] = {}

    def take(self, piece: Any) -> Iterator[TextDelta | SampleDone]:  # noqa: ANN401 - a vllm.CompletionOutput
        """Take what is new of one sample."""
        sample: int = piece.index
        if self._labels and sample not in self._probabilities and piece.logprobs:
            likeliest = [(token.decoded_token or "", token.logprob) for token in piece.logprobs[0].values()]
            self._probabilities[sample] = label_probabilities(self._labels, likeliest)
        self._tokens[sample] = self._tokens.get(sample, 0) + len(piece.token_ids)
        text = self._text.get(sample, "") + piece.text
        done = piece.finish_reason
        if text and (done or "\n" in text):
            yield TextDelta(sample, text)
            text = ""
        self._text[sample] = text
        if done not in {None, "stop", "length"}:
            raise WorkerUnavailable(f"vLLM gave a sample up: {done}")
        if done:
            yield SampleDone(sample, self._tokens[sample], done == "length", self._probabilities.get(sample, ()))


def _sampling_params(request: CompletionRequest) -> Any:  # noqa: ANN401 - a vllm.SamplingParams
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    sampling = request.sampling
    # Drawing among the one likeliest token is what temperature 0 means, and may be asked for several times at once.
    greedy = sampling.temperature == 0
    return SamplingParams(
        n=request.samples,
        seed=request.seed % SEEDS,
        temperature=1.0 if greedy else sampling.temperature,
        top_k=1 if greedy else sampling.top_k,
        top_p=sampling.top_p,
        max_tokens=sampling.max_tokens,
        stop=list(request.stop),
        logprobs=LIKELIEST_TOKENS if request.labels else None,
        output_kind=RequestOutputKind.DELTA,
    )


def start_engine(settings: ModelSettings) -> _Engine:
    """Start vLLM's engine in a child process; raises whatever vLLM raises."""
    # Read when vLLM is imported. gRPC's threads do not survive a fork; nobody is told about this engine's use; and a
    # process that logs for programs has no room for pages of progress.
    os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
    from vllm import AsyncEngineArgs
    from vllm.platforms import current_platform
    from vllm.v1.engine.async_llm import AsyncLLM

    arguments: dict[str, Any] = {
        "model": settings.vllm_model,
        "max_model_len": settings.vllm_context or None,
        "gpu_memory_utilization": settings.vllm_memory,
        "dtype": settings.vllm_dtype,
        "max_num_seqs": settings.vllm_parallel,
        "scheduling_policy": "priority" if settings.vllm_short_first else "fcfs",
        "enable_prefix_caching": True,
    }
    if current_platform.is_cpu():
        # Without chunks, the platform makes room in a batch for the longest prompt.
        arguments |= {"enforce_eager": True, "enable_chunked_prefill": False}
    if settings.vllm_metrics_port:
        from prometheus_client import start_http_server

        start_http_server(settings.vllm_metrics_port)
    return AsyncLLM.from_engine_args(AsyncEngineArgs(**arguments))


def _revision(name: str, engine: _Engine) -> str:
    """Return the commit of a model from a hub, or a digest of a folder's configuration and of pieces of its weights."""
    folder = Path(name)
    if not folder.is_dir():
        return str(getattr(engine.model_config.hf_config, "_commit_hash", None) or name)
    digest = hashlib.blake2b()
    for path in sorted([*folder.glob("config.json"), *folder.glob("*.safetensors"), *folder.glob("*.bin")]):
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            digest.update(f"{path.name} {size}\n".encode())
            # The first piece is the file's beginning, the last one its end.
            for piece in range(PROBES):
                file.seek(max(0, size - PROBE_BYTES) * piece // (PROBES - 1))
                digest.update(file.read(PROBE_BYTES))
    return digest.hexdigest()[:16]


def create(settings: ModelSettings) -> VllmModel:
    """Start the engine; `ModelUnusable` says what is missing or wrong."""
    if not settings.vllm_model:
        raise ModelUnusable("set KOT_VLLM_MODEL to a folder with weights in Hugging Face's format, or to a hub's name")
    try:
        # No variable holds the engine: vLLM keeps frames, and an engine that lives on complains when the process ends.
        return VllmModel(start_engine(settings), settings)
    except ImportError as error:
        raise ModelUnusable("KOT_MODEL=vllm needs more packages: pip install 'kube-of-thoughts[vllm]'") from error
    except (OSError, RuntimeError, ValueError) as error:
        raise ModelUnusable(
            f"vLLM cannot serve {settings.vllm_model} (KOT_VLLM_MODEL); if memory is short, "
            f"lower KOT_VLLM_CONTEXT or KOT_VLLM_MEMORY: {error}"
        ) from error
