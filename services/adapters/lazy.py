"""A model that is made when it is first asked: for processes that may never need theirs."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from services.core.ports import CompletionEvent, CompletionRequest, LanguageModel


class WhenNeeded:
    """A `LanguageModel` that `make` makes when it is first asked; what `make` raises, the first calls raise."""

    name = "not made yet"
    revision = ""

    def __init__(self, make: Callable[[], LanguageModel]) -> None:
        self._make = make
        self._model: LanguageModel | None = None

    async def complete(self, request: CompletionRequest) -> AsyncGenerator[CompletionEvent, None]:
        """Draw the samples, from a model that is there from the first call on."""
        if self._model is None:
            self._model = self._make()
            self.name, self.revision = self._model.name, self._model.revision
        async with aclosing(self._model.complete(request)) as events:
            async for event in events:
                yield event

    async def close(self) -> None:
        """Close the model, if there is one."""
        if self._model is not None:
            await self._model.close()
