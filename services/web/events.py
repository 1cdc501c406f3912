"""A solve's messages as server-sent events (WHATWG HTML, section 9.2).

Each message but the result has a number, which is the same in every stream of the solve: who was cut off names the
last that arrived (`Last-Event-ID`) and is sent what came after it.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from google.protobuf.json_format import MessageToJson
from starlette.responses import StreamingResponse
from starlette.types import Send

from services.core.errors import KotError, TemporaryError
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.telemetry import instruments, metrics

KEEP_ALIVE_SECONDS = 15.0
"""After so long without a message a comment is sent, so that no proxy takes the stream for dead."""


class EventStream(StreamingResponse):
    """The response; when the browser leaves, so does the call to the orchestrator."""

    def __init__(self, chunks: AsyncGenerator[str, None]) -> None:
        super().__init__(chunks, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
        self._chunks = chunks

    async def stream_response(self, send: Send) -> None:
        """Send the chunks, and close what makes them, whichever way this ends."""
        async with aclosing(self._chunks):
            await super().stream_response(send)


async def write_events(
    messages: AsyncGenerator[wire.SolveResponse, None], *, after: int, closing: asyncio.Event
) -> AsyncGenerator[str, None]:
    """Yield the events after the number `after`, until the stream or the server ends."""
    number = 0
    async with aclosing(messages):
        upcoming = asyncio.ensure_future(anext(messages, None))
        told = asyncio.ensure_future(closing.wait())
        try:
            while not closing.is_set():
                await asyncio.wait({upcoming, told}, timeout=KEEP_ALIVE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                if not upcoming.done():
                    yield ": still here\n\n"
                    continue
                message = upcoming.result()
                if message is None:
                    return
                upcoming = asyncio.ensure_future(anext(messages, None))
                if message.HasField("result"):
                    # A solve that is gone on with has other messages here.
                    yield f"data: {to_json(message)}\n\n"
                    continue
                number += 1
                if number > after:
                    yield f"id: {number}\ndata: {to_json(message)}\n\n"
        except KotError as error:
            metrics.add(instruments.WEB_STREAMS_FAILED, reason=error.reason.value)
            yield f"event: failed\ndata: {json.dumps(describe(error))}\n\n"
        finally:
            for task in (upcoming, told):
                task.cancel()
            await asyncio.wait({upcoming, told})


def to_json(message: Any) -> str:  # noqa: ANN401 - any message of the wire
    """Return a message as one line of JSON, with the names of the proto."""
    return MessageToJson(message, preserving_proto_field_name=True, indent=None, ensure_ascii=False)


def describe(error: KotError) -> Mapping[str, object]:
    """Return an error as the page shows it; `field` names what was wrong in a request, or is empty."""
    return {
        "reason": error.reason.value,
        "field": getattr(error, "field", ""),
        "message": str(error),
        "temporary": isinstance(error, TemporaryError),
    }
