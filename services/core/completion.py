"""One completion of a language model, read to its end: what it says and what it costs."""

from contextlib import aclosing

from services.core.ports import (
    CallBegun,
    CompletionDone,
    CompletionEvent,
    CompletionRequest,
    LanguageModel,
    SampleDone,
    TextDelta,
)
from services.core.thought import Usage


class Bill:
    """What one call of a model costs, event by event: an answer from a cache costs nothing."""

    def __init__(self) -> None:
        self._cached: bool | None = None
        """None until it is known."""

    def charge(self, event: CompletionEvent) -> Usage:
        """Return what is to be paid once this event is there."""
        if isinstance(event, CallBegun):
            self._cached = event.cached
            return Usage(cache_hits=1) if event.cached else Usage(model_calls=1)
        usage = self.close()
        match event:
            case SampleDone(_, tokens) if not self._cached:
                usage += Usage(completion_tokens=tokens)
            case CompletionDone(tokens) if not self._cached:
                usage += Usage(prompt_tokens=tokens)
        return usage

    def close(self) -> Usage:
        """Return what is to be paid if the call ends here: the call itself, if nothing was said of it so far."""
        if self._cached is not None:
            return Usage()
        self._cached = False
        return Usage(model_calls=1)


class Completion:
    """What one completion says and costs; if it breaks off, what it said and cost by then."""

    def __init__(self) -> None:
        self.texts: dict[int, str] = {}
        self.probabilities: tuple[float, ...] = ()
        """Those of the first sample that has any."""
        self.usage = Usage()

    async def read(self, model: LanguageModel, request: CompletionRequest) -> None:
        """Ask the model and read to the end. Raises what `LanguageModel.complete` raises."""
        bill = Bill()
        try:
            async with aclosing(model.complete(request)) as events:
                async for event in events:
                    self.usage += bill.charge(event)
                    self._take(event)
        finally:
            self.usage += bill.close()

    def _take(self, event: CompletionEvent) -> None:
        match event:
            case TextDelta(sample, text):
                self.texts[sample] = self.texts.get(sample, "") + text
            case SampleDone(sample, _, _, probabilities):
                self.texts.setdefault(sample, "")
                self.probabilities = self.probabilities or probabilities
