"""The page's server in the test's own process, over real HTTP, in front of a whole fleet; and a client for it."""

import asyncio
import json
from contextlib import asynccontextmanager

import aiohttp
import grpc
from fleet import PATIENCE_SECONDS, fleet
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from services.adapters.llm.scripted import ScriptedModel
from services.settings import TelemetrySettings
from services.tasks.game24 import script
from services.telemetry import tracing
from services.web.serving import serving_page

ENDLESS = {"completion_tokens": 10**9, "model_calls": 10**7, "wall_seconds": 100}


class Slow(ScriptedModel):
    """Thinks for a while before each call, so that there is something to watch."""

    def __init__(self, answer=script.answer, seconds=0.03):
        super().__init__(answer)
        self.seconds = seconds

    async def complete(self, request):
        await asyncio.sleep(self.seconds)
        async for event in super().complete(request):
            yield event


@asynccontextmanager
async def page(model=None, *, trace_url="", **options):
    """Serve everything, and give the page's address."""
    async with fleet(model, **options) as target, serving_page(target, "127.0.0.1", 0, trace_url=trace_url) as address:
        yield address


class _Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Takes spans, and keeps none."""

    async def Export(self, request, context):  # noqa: N802 - the wire's name
        return trace_service_pb2.ExportTraceServiceResponse()


@asynccontextmanager
async def traced():
    """Trace what happens in this process meanwhile."""
    server = grpc.aio.server()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(_Collector(), server)
    endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    tracing.configure(TelemetrySettings(traces_endpoint=endpoint), service="test", pod="test", revision="test")
    try:
        yield
    finally:
        await tracing.close()
        await server.stop(0)


@asynccontextmanager
async def browser(address):
    """Give an HTTP session that speaks to the page's server."""
    timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
    async with aiohttp.ClientSession(address, timeout=timeout) as session:
        yield session


async def events(response):
    """Yield the events of a stream, each as (id, type, data), as a browser reads them."""
    assert response.status == 200, await response.text()
    assert response.content_type == "text/event-stream"
    event = {}
    async for line in response.content:
        text = line.decode().removesuffix("\n")
        name, _, value = text.partition(": ")
        if text:
            event[name] = value
        elif "data" in event:
            yield event.get("id"), event.get("event", "message"), json.loads(event["data"])
            event = {}
        else:
            event = {}


async def read(call):
    """Return a response once all of it was read."""
    response = await call
    await response.read()
    return response


async def all_events(response):
    return [event async for event in events(response)]
