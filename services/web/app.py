"""The page's server: files, and the orchestrator's calls as JSON and server-sent events."""

import asyncio
import re
from collections.abc import AsyncGenerator, Collection, Iterable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from services.core.errors import InvalidInput, KotError
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.rpc.status import CODES
from services.web.counting import Counting
from services.web.events import EventStream, describe, to_json, write_events
from services.web.fields import describe_fields
from services.web.guard import Guard
from services.web.orchestrator import Orchestrator
from services.web.requests import BodyTooLarge, read_request

STATIC = Path(__file__).parent / "static"

TOO_LARGE = 413
MOST_DIGITS = 18
"""Of an event's number."""
_TRACEPARENT = re.compile("[0-9a-f]{2}-(?P<id>[0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")

_HTTP_STATUS = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.FAILED_PRECONDITION: 409,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}


def create_app(
    channel: grpc.aio.Channel, closing: asyncio.Event, hosts: Collection[str] = (), trace_url: str = ""
) -> Starlette:
    """Return the application; its streams end once `closing` is set.

    For `hosts` see `Guard`, for `trace_url` see `trace_link`.
    """
    handlers = _Handlers(Orchestrator(channel), closing, trace_url)
    one = "/api/solves/{solve_id}"
    return Starlette(
        routes=[
            Route("/", _page),
            Route("/healthz", _healthy),
            Route("/api/catalog", handlers.catalog),
            Route("/api/solves", handlers.solves, methods=["GET"]),
            Route("/api/solves", handlers.solve, methods=["POST"]),
            Route(one, handlers.one),
            Route(f"{one}/events", handlers.watch),
            Route(f"{one}/tree", handlers.tree),
            Route(f"{one}/thoughts/{{thought_id}}", handlers.thought),
            Route(f"{one}/cancel", handlers.cancel, methods=["POST"]),
            Route(f"{one}/resume", handlers.resume, methods=["POST"]),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[Middleware(Counting), Middleware(Guard, hosts=hosts)],
        exception_handlers={KotError: _refuse},
    )


async def _page(_request: Request) -> Response:
    return FileResponse(STATIC / "index.html")


async def _healthy(_request: Request) -> Response:
    return PlainTextResponse("serving\n")


async def _refuse(_request: Request, error: Exception) -> Response:
    """Say what was wrong. Only errors of the domain come here."""
    if not isinstance(error, KotError):
        raise error
    status = TOO_LARGE if isinstance(error, BodyTooLarge) else _HTTP_STATUS.get(CODES[error.reason], 500)
    return JSONResponse(describe(error), status_code=status)


class _Handlers:
    """The calls of the orchestrator, one each."""

    def __init__(self, orchestrator: Orchestrator, closing: asyncio.Event, trace_url: str) -> None:
        self._orchestrator = orchestrator
        self._stub = orchestrator.stub
        self._closing = closing
        self._trace_url = trace_url

    async def catalog(self, _request: Request) -> Response:
        """Say what can be solved, how, and what can be set."""
        ask = self._orchestrator.ask
        tasks: wire.ListTasksResponse = await ask(self._stub.ListTasks(wire.ListTasksRequest()))
        strategies: wire.ListStrategiesResponse = await ask(self._stub.ListStrategies(wire.ListStrategiesRequest()))
        said = {"tasks": _dicts(tasks.tasks), "strategies": _dicts(strategies.strategies)}
        return JSONResponse(said | {"fields": list(describe_fields())})

    async def solves(self, request: Request) -> Response:
        """List solves, the newest first."""
        given = request.query_params
        try:
            asked = wire.ListSolvesRequest(
                page_size=int(given.get("page_size", 0)), page_token=given.get("page_token", "")
            )
        except ValueError as error:
            raise InvalidInput("page_size has to be a whole number", field="page_size") from error
        return _json(await self._orchestrator.ask(self._stub.ListSolves(asked)))

    async def one(self, request: Request) -> Response:
        """Describe one solve."""
        asked = wire.GetSolveRequest(solve_id=request.path_params["solve_id"])
        return _json(await self._orchestrator.ask(self._stub.GetSolve(asked)))

    async def solve(self, request: Request) -> Response:
        """Begin a solve, and follow it."""
        asked = await read_request(request, wire.SolveRequest)
        asked.event_detail = wire.EVENT_DETAIL_ALL
        return await self._events(request, self._stub.Solve(asked))

    async def watch(self, request: Request) -> Response:
        """Follow a solve."""
        asked = wire.WatchSolveRequest(solve_id=request.path_params["solve_id"], event_detail=wire.EVENT_DETAIL_ALL)
        return await self._events(request, self._stub.WatchSolve(asked))

    async def resume(self, request: Request) -> Response:
        """Go on with a solve, and follow it."""
        asked = await read_request(request, wire.ResumeSolveRequest)
        asked.solve_id = request.path_params["solve_id"]
        asked.event_detail = wire.EVENT_DETAIL_ALL
        return await self._events(request, self._stub.ResumeSolve(asked))

    async def cancel(self, request: Request) -> Response:
        """End a solve."""
        asked = wire.CancelSolveRequest(solve_id=request.path_params["solve_id"])
        return _json(await self._orchestrator.ask(self._stub.CancelSolve(asked)))

    async def tree(self, request: Request) -> Response:
        """Return the thoughts of a solve, some on each line, as far as its tree is kept."""
        asked = wire.GetTreeRequest(solve_id=request.path_params["solve_id"])
        batches = await self._orchestrator.begun(self._stub.GetTree(asked))
        return StreamingResponse(_lines(batches), media_type="application/x-ndjson")

    async def thought(self, request: Request) -> Response:
        """Tell where a thought came from, with a link to its trace if there is one."""
        asked = wire.GetThoughtRequest(**request.path_params)
        told: wire.GetThoughtResponse = await self._orchestrator.ask(self._stub.GetThought(asked))
        (said,) = _dicts([told])
        return JSONResponse(said | {"trace_url": trace_link(self._trace_url, told.trace)})

    async def _events(self, request: Request, call: Any) -> Response:  # noqa: ANN401 - gRPC's call
        after = request.headers.get("last-event-id", "0")
        if not (after.isdecimal() and len(after) <= MOST_DIGITS):
            call.cancel()
            raise InvalidInput("Last-Event-ID has to be the number of an event", field="last-event-id")
        messages = await self._orchestrator.begun(call)
        return EventStream(write_events(messages, after=int(after), closing=self._closing))


def trace_link(template: str, traceparent: str) -> str:
    """Return where a trace shows: `template` with its id for `{trace}`; empty if there is no trace, or no place."""
    found = _TRACEPARENT.fullmatch(traceparent)
    return template.replace("{trace}", found["id"]) if found else ""


def _json(message: Any) -> Response:  # noqa: ANN401 - any message of the wire
    return Response(to_json(message), media_type="application/json")


def _dicts(messages: Iterable[Any]) -> list[dict[str, Any]]:
    return [MessageToDict(message, preserving_proto_field_name=True) for message in messages]


async def _lines(messages: AsyncGenerator[Any, None]) -> AsyncGenerator[str, None]:
    async with aclosing(messages):
        async for message in messages:
            yield to_json(message) + "\n"
