"""How spans leave the process: OpenTelemetry's SDK samples, queues and sends them, from a thread of its own.

Only writing them as OTLP is done here. All of ours are alike, so that it takes a fraction of what it takes the SDK.
"""

from collections.abc import Sequence
from threading import Thread
from typing import TYPE_CHECKING

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1 import trace_pb2 as otlp
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, TraceFlags

from services.telemetry.tracing import LONGEST_TEXT

if TYPE_CHECKING:
    from services.telemetry.tracing import Span, Value

QUEUE = 65_536
"""Spans that wait to be sent, at most; many end when a solve does."""
BATCH = 2048
"""Spans that are sent at a time."""
BATCH_WITH_CONTENT = 64
"""The same where texts are among them: receivers refuse messages of more than four megabytes."""
EVERY_SECONDS = 0.5
"""Spans are sent so often, and whenever there is a batch of them."""
SEND_SECONDS = 5.0
"""How long sending may take, and how long a process waits for it in the end."""

_SAMPLED = SpanContext(1, 1, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
"""A span's context that says nothing else."""


class Exporting:
    """Takes spans that have ended, and sends at most `batch` of them at a time.

    `share` is that of the traces that are sampled; `resource` names this process.
    """

    def __init__(self, endpoint: str, *, share: float, batch: int, resource: Resource) -> None:
        self._sampler = TraceIdRatioBased(share)
        exporter = _Exporter(resource, endpoint=endpoint, timeout=SEND_SECONDS)
        self._queue: SpanProcessor = BatchSpanProcessor(
            exporter, max_queue_size=QUEUE, max_export_batch_size=batch, schedule_delay_millis=EVERY_SECONDS * 1000
        )

    def samples(self, trace_id: int, name: str) -> bool:
        """Tell whether a trace that begins with a span of this name is sampled."""
        return self._sampler.should_sample(None, trace_id, name).decision is Decision.RECORD_AND_SAMPLE

    def take(self, span: "Span", end_ns: int) -> None:
        """Queue a span; the oldest one is dropped if the queue is full."""
        self._queue.on_end(_Ended(span, end_ns))

    def close(self) -> None:
        """Send what is left, as far as that is possible in a short time. Blocks."""
        # The SDK knows a limit for each batch, and none for all of them.
        ending = Thread(target=self._queue.shutdown, daemon=True)
        ending.start()
        ending.join(SEND_SECONDS)


class _Ended(ReadableSpan):
    """A span in the queue of the SDK, which looks at nothing but whether it is sampled."""

    def __init__(self, span: "Span", end_ns: int) -> None:
        self.span = span
        self.end_ns = end_ns

    @property
    def context(self) -> SpanContext:
        return _SAMPLED


class _Exporter(OTLPSpanExporter):
    """The SDK's exporter, but for the encoding."""

    def __init__(self, resource: Resource, *, endpoint: str, timeout: float) -> None:
        super().__init__(endpoint, insecure=not endpoint.startswith("https://"), timeout=timeout)
        scope = InstrumentationScope("kube-of-thoughts")
        self._frame = encode_spans([ReadableSpan("", _SAMPLED, resource=resource, instrumentation_scope=scope)])
        self._frame.resource_spans[0].scope_spans[0].ClearField("spans")

    def _translate_data(self, data: Sequence[ReadableSpan]) -> ExportTraceServiceRequest:
        request = ExportTraceServiceRequest()
        request.CopyFrom(self._frame)
        spans = request.resource_spans[0].scope_spans[0].spans
        for ended in data:
            if isinstance(ended, _Ended):
                _write(ended.span, ended.end_ns, spans.add())
        return request


def _write(span: "Span", end_ns: int, into: otlp.Span) -> None:
    into.trace_id = bytes.fromhex(span.trace_id)
    into.span_id = bytes.fromhex(span.id)
    into.parent_span_id = bytes.fromhex(span.parent_id)
    into.name = span.name
    into.kind = otlp.Span.SPAN_KIND_INTERNAL
    into.start_time_unix_nano = span.start_ns
    into.end_time_unix_nano = end_ns
    for key, value in span.attributes.items():
        _write_value(value, into.attributes.add(key=key).value)
    for trace_id, span_id in span.links:
        into.links.add(trace_id=bytes.fromhex(trace_id), span_id=bytes.fromhex(span_id))
    if span.error is not None:
        into.status.code = otlp.Status.STATUS_CODE_ERROR
        into.status.message = span.error


def _write_value(value: "Value", into: AnyValue) -> None:
    match value:
        case str():
            into.string_value = value[:LONGEST_TEXT]
        case bool():
            into.bool_value = value
        case int():
            into.int_value = value
        case float():
            into.double_value = value
        case _:
            for each in value:
                into.array_value.values.add(string_value=each[:LONGEST_TEXT])
