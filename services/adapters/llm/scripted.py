"""The shipped fake: a model that follows a script, at once and free of charge, for tests and benchmarks."""

from collections.abc import AsyncGenerator, Callable
from hashlib import blake2b
from pathlib import Path

from services.core.ports import CompletionDone, CompletionEvent, CompletionRequest, SampleDone, TextDelta
from services.settings import ModelSettings
from services.tasks.game24 import script

Script = Callable[[str, int], str]
"""Continues a prompt; the second argument is the sample's own seed."""


class ScriptedModel:
    """A `LanguageModel` whose text a script writes; a token is a word, and the end of a sample is one."""

    name = "scripted"

    def __init__(self, script: Script, revision: str = "1") -> None:
        self.revision = revision
        self._script = script

    async def complete(self, request: CompletionRequest) -> AsyncGenerator[CompletionEvent, None]:
        """Draw the samples."""
        limit = request.sampling.max_tokens
        for sample in range(request.samples):
            text = self._script(request.prompt, request.seed + sample)
            for stop in request.stop:
                text = text.partition(stop)[0]
            words = text.split(" ")
            truncated = len(words) + 1 > limit
            probabilities = tuple(float(label == text.strip()) for label in request.labels)
            yield TextDelta(sample, " ".join(words[:limit]))
            yield SampleDone(sample, min(len(words) + 1, limit), truncated, probabilities)
        yield CompletionDone(prompt_tokens=len(request.prompt.split()))

    async def close(self) -> None:
        """Hold nothing, release nothing."""


def create(settings: ModelSettings) -> ScriptedModel:  # noqa: ARG001 - every backend is made from settings
    """Return the scripted player of the Game of 24."""
    return ScriptedModel(script.answer, blake2b(Path(script.__file__).read_bytes(), digest_size=8).hexdigest())
