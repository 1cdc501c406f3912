"""Whole completions to bytes and back, for caches."""

from collections.abc import Sequence
from hashlib import blake2b
from io import BytesIO

from google.protobuf.message import DecodeError
from google.protobuf.proto import parse_length_prefixed, serialize_length_prefixed

from services.core.ports import CallBegun, CompletionEvent, TextDelta
from services.rpc.convert import completion_event_from_proto, completion_event_to_proto
from services.rpc.gen.kubeofthoughts.v1.language_model_service_pb2 import CompleteResponse

DIGEST_BYTES = 8


def encode(events: Sequence[CompletionEvent], paid_by: str = "") -> bytes:
    """Return the bytes of a completion: a digest, then its events, the text of each sample in one piece.

    `paid_by` names the call in its trace, if it is traced: those who get the answer later are told.
    """
    texts: dict[int, str] = {}
    for event in events:
        if isinstance(event, TextDelta):
            texts[event.sample] = texts.get(event.sample, "") + event.text
    stream = BytesIO()
    pieces: list[CompletionEvent] = [CallBegun(cached=True, paid_by=paid_by)] if paid_by else []
    pieces += [TextDelta(sample, text) for sample, text in sorted(texts.items())]
    for event in (*pieces, *(event for event in events if not isinstance(event, CallBegun | TextDelta))):
        serialize_length_prefixed(completion_event_to_proto(event), stream)
    return _digest(stream.getvalue()) + stream.getvalue()


def decode(stored: bytes) -> list[CompletionEvent]:
    """Return the events of these bytes, `CallBegun` first. Raises `ValueError` if they are damaged."""
    digest, body = stored[:DIGEST_BYTES], stored[DIGEST_BYTES:]
    if digest != _digest(body):
        raise ValueError("the digest is that of other bytes")
    stream = BytesIO(body)
    events: list[CompletionEvent] = []
    try:
        while stream.tell() < len(body):
            events.append(completion_event_from_proto(parse_length_prefixed(CompleteResponse, stream)))
    except DecodeError as error:
        raise ValueError(str(error)) from error
    if not (events and isinstance(events[0], CallBegun)):
        events.insert(0, CallBegun(cached=True))
    return events


def _digest(body: bytes) -> bytes:
    return blake2b(body, digest_size=DIGEST_BYTES).digest()
