"""A model whose calls are counted."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from services.core.ports import CallBegun, CompletionEvent, CompletionRequest, LanguageModel
from services.telemetry import instruments, metrics


class MeasuredModel:
    """A `LanguageModel` that counts and times the calls of `model`."""

    def __init__(self, model: LanguageModel) -> None:
        self.name = model.name
        self.revision = model.revision
        self._model = model

    async def complete(self, request: CompletionRequest) -> AsyncGenerator[CompletionEvent, None]:
        """Draw the samples."""
        with metrics.timed(instruments.MODEL_DURATION, instruments.MODEL_RUNNING, model=self.name) as timing:
            timing[instruments.CACHED] = "no"
            async with aclosing(self._model.complete(request)) as events:
                async for event in events:
                    if isinstance(event, CallBegun) and event.cached:
                        timing[instruments.CACHED] = "yes"
                    yield event

    async def close(self) -> None:
        """Close the model."""
        await self._model.close()
