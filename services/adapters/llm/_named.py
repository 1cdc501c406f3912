"""Several models as one, each asked for by its name."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from services.core.errors import ModelUnusable
from services.core.ports import CompletionEvent, CompletionRequest, LanguageModel


class NamedModels:
    """A `LanguageModel` that hands each request to the model that it names; no name means the default model."""

    def __init__(self, default: LanguageModel, others: Mapping[str, LanguageModel]) -> None:
        self.name = default.name
        self.revision = default.revision
        self._models = {**others, "": default}

    async def complete(self, request: CompletionRequest) -> AsyncGenerator[CompletionEvent, None]:
        """Draw the samples. Raises `ModelUnusable` if there is no model of this name, besides what the models raise."""
        model = self._models.get(request.model)
        if model is None:
            known = ", ".join(sorted(filter(None, self._models))) or "none"
            raise ModelUnusable(f"there is no model {request.model!r} here; KOT_MODELS has: {known}")
        async with aclosing(model.complete(request)) as events:
            async for event in events:
                yield event

    async def close(self) -> None:
        """Close every model."""
        for model in self._models.values():
            await model.close()
