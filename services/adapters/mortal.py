"""Models whose engine may die for good: what they raise, and how the process that serves them ends with them."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from services.core.errors import WorkerUnavailable
from services.core.ports import CompletionEvent, CompletionRequest, LanguageModel


class ModelDied(WorkerUnavailable):
    """The model's engine is gone, and only another process has another one."""


class UntilDeath:
    """A `LanguageModel` that sets `died` when `model` has died, and does not end its last calls.

    An error would be told inside a batch, as the failure of one request. The process ends now; that breaks the whole
    call, and whoever made it sends the batch again, elsewhere.
    """

    def __init__(self, model: LanguageModel, died: asyncio.Event) -> None:
        self.name = model.name
        self.revision = model.revision
        self._model = model
        self._died = died

    async def complete(self, request: CompletionRequest) -> AsyncGenerator[CompletionEvent, None]:
        """Draw the samples; after the model's death, wait to be cancelled."""
        try:
            async with aclosing(self._model.complete(request)) as events:
                async for event in events:
                    yield event
        except ModelDied:
            self._died.set()
            await asyncio.Event().wait()

    async def close(self) -> None:
        """Close the model."""
        await self._model.close()
