"""Traces, sent over OTLP. Where none are wanted, nothing is imported, and a span costs as much as asking for it.

What belongs where in a trace is said by W3C traceparents that requests carry: a batch serves many branches at a time,
so neither a call's metadata nor a task's context could say it.

A span that is under way is a light object of this module's, which one task alone writes to; `exporting` makes one of
OpenTelemetry's of it when it ends.
"""

import asyncio
import random
import re
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self

from services.telemetry import names
from services.telemetry.resource import resource_of

LONGEST_TEXT = 16_000
"""Characters of an attribute; what goes beyond is left out."""

Value = str | bool | int | float | Sequence[str]
Attributes = Mapping[str, Value]

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
"""Version, trace, span, flags, as W3C Trace Context writes them."""
_SAMPLED = 1
"""The flag that says so."""


class TraceSettings(Protocol):
    """Where traces go, and how much is in them."""

    @property
    def traces_endpoint(self) -> str:
        """An OTLP receiver, over gRPC; empty for no traces."""
        ...

    @property
    def trace_share(self) -> float:
        """Of the solves that begin here, the share that is traced."""
        ...

    @property
    def trace_spans(self) -> int:
        """Thoughts of one solve that have spans of their own."""
        ...

    @property
    def trace_content(self) -> bool:
        """Whether problems, prompts and completions are in the traces."""
        ...


class Tracing:
    """What begins spans, and has them sent when they end."""

    def __init__(self, settings: TraceSettings, *, service: str, pod: str, revision: str) -> None:
        from services.telemetry.exporting import BATCH, BATCH_WITH_CONTENT, Exporting

        self.most_spans = settings.trace_spans
        self.with_content = settings.trace_content
        self.exporting = Exporting(
            settings.traces_endpoint,
            share=settings.trace_share,
            batch=BATCH_WITH_CONTENT if settings.trace_content else BATCH,
            resource=resource_of(service=service, pod=pod, revision=revision),
        )
        self._random = random.Random()

    def start(
        self, name: str, parent: str, attributes: Attributes | None = None, *, links: Sequence[str] = ()
    ) -> "Span":
        """Begin a span below the one that the traceparent `parent` names; without one, a trace.

        Whether a trace is sampled is decided where it begins: of one that is not, nothing is recorded.
        """
        if above := _TRACEPARENT.fullmatch(parent):
            trace_id, parent_id, flags = above.groups()
            sampled = bool(int(flags, 16) & _SAMPLED)
        else:
            number = self._random.getrandbits(128)
            trace_id, parent_id = f"{number:032x}", ""
            sampled = self.exporting.samples(number, name)
        if not sampled:
            return NOTHING
        span = Span(self, name, trace_id, parent_id, f"{self._random.getrandbits(64):016x}")
        if attributes:
            span.attributes.update(attributes)
        for link in links:
            span.link(link)
        return span

    def close(self) -> None:
        """Send what is left, as far as that is possible in a short time. Blocks."""
        self.exporting.close()


class Span:
    """What is recorded of something that takes its time; or nothing, if `trace` is empty.

    As a context, it ends with it; errors are its status, and what is cancelled is no error.
    """

    __slots__ = ("_by", "attributes", "error", "id", "links", "name", "parent_id", "start_ns", "trace", "trace_id")

    def __init__(self, by: Tracing | None, name: str, trace_id: str, parent_id: str, span_id: str) -> None:
        self._by = by
        self.name = name
        self.trace_id = trace_id
        """32 hexadecimal digits."""
        self.parent_id = parent_id
        """16 hexadecimal digits; empty where a trace begins."""
        self.id = span_id
        """16 hexadecimal digits."""
        self.trace = f"00-{trace_id}-{span_id}-01" if by else ""
        """Its traceparent, which names it to what belongs below it."""
        self.start_ns = time.time_ns()
        """Nanoseconds since 1970."""
        self.attributes: dict[str, Value] = {}
        self.links: list[tuple[str, str]] = []
        """The traces and ids of spans elsewhere."""
        self.error: str | None = None
        """What went wrong, if anything did."""

    def note(self, attributes: Attributes) -> None:
        """Add attributes."""
        if self._by:
            self.attributes.update(attributes)

    @property
    def with_content(self) -> bool:
        """Whether what was said is to be noted, too."""
        return self._by is not None and self._by.with_content

    def link(self, trace: str) -> None:
        """Link to the span that a traceparent names; to nothing if it is none."""
        if self._by and (named := _TRACEPARENT.fullmatch(trace)):
            self.links.append((named[1], named[2]))

    def fail(self, kind: str, message: str) -> None:
        """Say that it failed."""
        if self._by:
            self.attributes[names.ERROR] = kind
            self.error = message

    def end(self, end_ns: int | None = None) -> None:
        """Have it sent: as it is now, and as having ended at `end_ns`, now if left out. Once."""
        if self._by:
            self._by.exporting.take(self, time.time_ns() if end_ns is None else end_ns)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _where: TracebackType | None
    ) -> None:
        if kind and issubclass(kind, asyncio.CancelledError | GeneratorExit):
            # Nobody needs it any more: an answer came from elsewhere, or who had asked has gone.
            self.note({names.LEFT: True})
        elif kind:
            self.fail(kind.__name__, str(error))
        self.end()


NOTHING = Span(None, "", "", "", "")
"""Where nothing is recorded."""

_tracing: Tracing | None = None


def configure(settings: TraceSettings, *, service: str, pod: str, revision: str) -> None:
    """Trace from now on, if the settings want it; a process does this once."""
    global _tracing
    if settings.traces_endpoint:
        _tracing = Tracing(settings, service=service, pod=pod, revision=revision)


async def close() -> None:
    """Send what is left, for a few seconds at most, and trace no more."""
    global _tracing
    if _tracing:
        closing, _tracing = _tracing, None
        await asyncio.to_thread(closing.close)


def current() -> Tracing | None:
    """Return what traces; None if nothing does."""
    return _tracing


def span(name: str, parent: str, attributes: Attributes | None = None) -> Span:
    """Begin a span below `parent`, to be used as a context; `NOTHING`, if that is not traced."""
    if _tracing is None or not parent:
        return NOTHING
    return _tracing.start(name, parent, attributes)
