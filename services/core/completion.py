"""One completion of a language model, read to its end: what it says and what it costs."""

from contextlib import aclosing

from services.core.ports import (
    CompletionDone,
    CompletionEvent,
    CompletionRequest,
    LanguageModel,
    SampleDone,
    TextDelta,
)
from services.core.thought import Usage


class Completion:
    """What one completion says and costs; if it breaks off, what it said and cost by then."""

    def __init__(self) -> None:
        self.texts: dict[int, str] = {}
        self.probabilities: tuple[float, ...] = ()
        """Those of the first sample that has any."""
        self.usage = Usage()

    async def read(self, model: LanguageModel, request: CompletionRequest) -> None:
        """Ask the model and read to the end. Raises what `LanguageModel.complete` raises."""
        async with aclosing(model.complete(request)) as events:
            self.usage = Usage(model_calls=1)
            async for event in events:
                self._take(event)

    def _take(self, event: CompletionEvent) -> None:
        match event:
            case TextDelta(sample, text):
                self.texts[sample] = self.texts.get(sample, "") + text
            case SampleDone(sample, tokens, _, probabilities):
                self.texts.setdefault(sample, "")
                self.probabilities = self.probabilities or probabilities
                self.usage += Usage(completion_tokens=tokens)
            case CompletionDone(tokens, cached):
                self.usage += Usage(prompt_tokens=tokens, cache_hits=int(cached))
