"""Traces, sent over OTLP. Where none are wanted, nothing is imported, and a span costs as much as asking for it.

What belongs where in a trace is said by W3C traceparents that requests carry: a batch serves many branches at a time,
so neither a call's metadata nor a task's context could say it.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from services.telemetry.resource import resource_of

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, SpanContext, Tracer

QUEUE = 65_536
"""Spans that wait to be sent, at most; many end when a solve does."""
BATCH = 2048
"""Spans that are sent at a time."""
SEND_SECONDS = 5.0
"""How long sending may take, and how long a process waits for it in the end."""

Attributes = Mapping[str, str | bool | int | float | Sequence[str]]


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
    """What makes spans and sends them."""

    def __init__(self, settings: TraceSettings, *, service: str, pod: str, revision: str) -> None:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import SpanLimits, TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

        self.most_spans = settings.trace_spans
        self.with_content = settings.trace_content
        self._provider: TracerProvider = TracerProvider(
            resource=resource_of(service=service, pod=pod, revision=revision),
            sampler=ParentBased(TraceIdRatioBased(settings.trace_share)),
            span_limits=SpanLimits(max_attribute_length=4000),
            shutdown_on_exit=False,
        )
        exporter = OTLPSpanExporter(
            endpoint=settings.traces_endpoint,
            insecure=not settings.traces_endpoint.startswith("https://"),
            timeout=SEND_SECONDS,
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(exporter, max_queue_size=QUEUE, max_export_batch_size=BATCH, schedule_delay_millis=500)
        )
        self._tracer: Tracer = self._provider.get_tracer("kube-of-thoughts")

    def start(
        self,
        name: str,
        parent: str,
        attributes: Attributes | None = None,
        *,
        links: Sequence[str] = (),
        start_ns: int | None = None,
    ) -> "Span":
        """Begin a span below the one that the traceparent `parent` names; without one, a trace."""
        from opentelemetry.trace import Link

        linked = [Link(context) for context in map(_context, links) if context]
        return self._tracer.start_span(
            name, _below(parent), attributes=dict(attributes or {}), links=linked, start_time=start_ns
        )

    def close(self) -> None:
        """Send what is left, as far as that is possible in a short time. Blocks."""
        self._provider.force_flush(round(SEND_SECONDS * 1000))
        self._provider.shutdown()


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


class Recorded:
    """A span, or nothing."""

    def __init__(self, span: "Span | None" = None) -> None:
        self._span = span
        self.trace = traceparent(span) if span else ""
        """Names it to what belongs below it; empty if it is not traced."""

    def note(self, attributes: Attributes) -> None:
        """Add attributes."""
        if self._span:
            self._span.set_attributes(dict(attributes))

    def content(self, attributes: Attributes) -> None:
        """Add what was said, if the settings want that in traces."""
        if self._span and _tracing and _tracing.with_content:
            self._span.set_attributes(dict(attributes))

    def fail(self, kind: str, message: str) -> None:
        """Say that it failed."""
        if self._span:
            set_failed(self._span, kind, message)


_NOTHING = Recorded()


@contextmanager
def span(name: str, parent: str, attributes: Attributes | None = None) -> Iterator[Recorded]:
    """Record what happens meanwhile below `parent`; nothing, if that is not traced. Errors are its status."""
    if _tracing is None or not parent:
        yield _NOTHING
        return
    recorded = _tracing.start(name, parent, attributes)
    try:
        yield Recorded(recorded)
    except BaseException as error:
        set_failed(recorded, type(error).__name__, str(error))
        raise
    finally:
        recorded.end()


def set_failed(recorded: "Span", kind: str, message: str) -> None:
    """Give a span the status of an error."""
    from opentelemetry.trace import Status, StatusCode

    recorded.set_attribute("error.type", kind)
    recorded.set_status(Status(StatusCode.ERROR, message))


def traceparent(recorded: "Span") -> str:
    """Return what names a span to others; empty if nobody records it."""
    context = recorded.get_span_context()
    if not context.trace_flags.sampled:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def _context(parent: str) -> "SpanContext | None":
    """Return the context of a span of which its traceparent is all that is known; None if it is none."""
    from opentelemetry.trace import SpanContext, TraceFlags

    try:
        version, trace_id, span_id, flags = parent.split("-")
        found = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))
    except ValueError:
        return None
    return found if found.is_valid and version != "ff" else None


def _below(parent: str) -> "Context":
    from opentelemetry.context import Context
    from opentelemetry.trace import NonRecordingSpan, set_span_in_context

    above = _context(parent)
    return set_span_in_context(NonRecordingSpan(above), Context()) if above else Context()
