"""What Jaeger shows of OTLP: as its query service answers `/api/traces`, by OpenTelemetry's rules for Jaeger.

The rules (the specification's page "OpenTelemetry to Jaeger Transformation"): a parent is a reference CHILD_OF, a link
one FOLLOWS_FROM; what names the process is its tags, but for `service.name`, which names the service; times are in
microseconds; a status that is set is the tag `otel.status_code`, and an error the tag `error` besides.
`jaeger-traces.schema.json` has the shape of the answer.
"""

import json
from collections import defaultdict
from pathlib import Path

SCHEMA = json.loads((Path(__file__).parent / "jaeger-traces.schema.json").read_text())
_TYPES = {"string_value": "string", "bool_value": "bool", "int_value": "int64", "double_value": "float64"}


def to_jaeger(requests):
    """Return the answer that has all spans of these export requests."""
    spans, processes = defaultdict(list), defaultdict(dict)
    for group in (group for request in requests for group in request.resource_spans):
        tags = {tag["key"]: tag for tag in map(_tag, group.resource.attributes)}
        process = {"serviceName": tags.pop("service.name")["value"], "tags": list(tags.values())}
        named = f"{process['serviceName']} {tags['service.instance.id']['value']}"
        for span in (span for scope in group.scope_spans for span in scope.spans):
            processes[span.trace_id.hex()][named] = process
            spans[span.trace_id.hex()].append(_span(span, named))
    return {"data": [{"traceID": trace, "spans": spans[trace], "processes": processes[trace]} for trace in spans]}


def _span(span, named):
    references = [_reference("FOLLOWS_FROM", link.trace_id, link.span_id) for link in span.links]
    if span.parent_span_id:
        references.insert(0, _reference("CHILD_OF", span.trace_id, span.parent_span_id))
    tags = list(map(_tag, span.attributes))
    if span.status.code:
        tags.append({"key": "otel.status_code", "type": "string", "value": {1: "OK", 2: "ERROR"}[span.status.code]})
    if span.status.code == span.status.STATUS_CODE_ERROR:
        tags.append({"key": "error", "type": "bool", "value": True})
        tags.append({"key": "otel.status_description", "type": "string", "value": span.status.message})
    return {
        "traceID": span.trace_id.hex(),
        "spanID": span.span_id.hex(),
        "flags": 1,
        "operationName": span.name,
        "references": references,
        "startTime": span.start_time_unix_nano // 1000,
        "duration": (span.end_time_unix_nano - span.start_time_unix_nano) // 1000,
        "tags": tags,
        "logs": [],
        "processID": named,
    }


def _reference(kind, trace_id, span_id):
    return {"refType": kind, "traceID": trace_id.hex(), "spanID": span_id.hex()}


def _tag(attribute):
    kind = attribute.value.WhichOneof("value")
    if kind == "array_value":
        texts = [each.string_value for each in attribute.value.array_value.values]
        return {"key": attribute.key, "type": "string", "value": json.dumps(texts)}
    return {"key": attribute.key, "type": _TYPES[kind], "value": getattr(attribute.value, kind)}
