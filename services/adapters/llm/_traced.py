"""A model whose calls are spans."""

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

from services.core.ports import (
    CallBegun,
    CompletionDone,
    CompletionEvent,
    CompletionRequest,
    LanguageModel,
    SampleDone,
    TextDelta,
)
from services.telemetry import names, tracing
from services.telemetry.tracing import LONGEST_TEXT, Attributes, Span


class TracedModel:
    """A `LanguageModel` that records each call of `model`, which `provider` runs, whose request belongs to a trace."""

    def __init__(self, model: LanguageModel, provider: str) -> None:
        self._provider = provider
        self.name = model.name
        self.revision = model.revision
        self._model = model

    async def complete(self, request: CompletionRequest) -> AsyncGenerator[CompletionEvent, None]:
        """Draw the samples."""
        if not request.trace:
            async with aclosing(self._model.complete(request)) as events:
                async for event in events:
                    yield event
            return
        with tracing.span(f"{names.COMPLETE} {self.name}", request.trace, self._asked(request)) as span:
            if span.with_content:
                span.note({names.PROMPT: _messages("user", [request.prompt])})
            below = replace(request, trace=span.trace)
            answer = _Answer(span)
            async with aclosing(self._model.complete(below)) as events:
                async for event in events:
                    answer.take(event)
                    yield event

    async def close(self) -> None:
        """Close the model."""
        await self._model.close()

    def _asked(self, request: CompletionRequest) -> Attributes:
        sampling = request.sampling
        return {
            names.OPERATION: names.COMPLETE,
            names.PROVIDER: self._provider,
            names.MODEL: request.model or self.name,
            names.REVISION: self.revision,
            names.SAMPLES: request.samples,
            names.TEMPERATURE: sampling.temperature,
            names.MAX_TOKENS: sampling.max_tokens,
        }


class _Answer:
    """What a call's span says of its answer."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self._tokens = 0
        self._texts: dict[int, str] = {}

    def take(self, event: CompletionEvent) -> None:
        match event:
            case CallBegun(cached, paid_by):
                self._span.note({names.CACHED: cached})
                self._span.link(paid_by)
            case TextDelta(sample, text) if self._span.with_content:
                self._texts[sample] = self._texts.get(sample, "") + text
            case SampleDone(_, tokens):
                self._tokens += tokens
            case CompletionDone(prompt_tokens):
                self._span.note({names.PROMPT_TOKENS: prompt_tokens, names.COMPLETION_TOKENS: self._tokens})
                if self._span.with_content:
                    self._span.note({names.COMPLETIONS: _messages("assistant", list(self._texts.values()))})


def _messages(role: str, texts: Sequence[str]) -> str:
    """Return texts as the conventions have them, JSON; long ones are cut, so that it is whole with them."""
    # Escapes take their place, too.
    longest = LONGEST_TEXT // (4 * max(len(texts), 1))
    parts = [[{"type": "text", "content": text[:longest]}] for text in texts]
    return json.dumps([{"role": role, "parts": each} for each in parts], ensure_ascii=False)
