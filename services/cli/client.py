"""The client side of `OrchestratorService`: where it runs, and its errors as those of the domain."""

from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeVar

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.core.errors import InvalidInput, KotError, WorkerUnavailable
from services.rpc.channel import dial
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.rpc.gen.kubeofthoughts.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub
from services.rpc.status import from_rpc_error
from services.settings import ModelSettings, StageSettings, read_settings

Response = TypeVar("Response")


class Client:
    """One orchestrator, wherever it runs."""

    def __init__(self, channel: grpc.aio.Channel, peer: str) -> None:
        self.stub = OrchestratorServiceStub(channel)
        self._peer = peer

    async def solve(self, request: wire.SolveRequest) -> AsyncGenerator[wire.SolveResponse, None]:
        """Yield the messages of a solve; leaving the iterator cancels it. Raises `KotError`."""
        call = self.stub.Solve(request)
        try:
            async for message in call:
                yield message
        except grpc.aio.AioRpcError as error:
            raise self._translated(error) from error
        finally:
            call.cancel()

    async def solve_to_end(self, request: wire.SolveRequest) -> wire.SolveResult:
        """Return the result of a solve alone."""
        result = wire.SolveResult()
        async with aclosing(self.solve(request)) as messages:
            async for message in messages:
                if message.HasField("result"):
                    result = message.result
        return result

    async def ask(self, call: Awaitable[Response]) -> Response:
        """Return the response of a unary call. Raises `KotError`."""
        try:
            return await call
        except grpc.aio.AioRpcError as error:
            raise self._translated(error) from error

    def _translated(self, error: grpc.aio.AioRpcError) -> KotError:
        """Return the domain error; wrong input concerns who typed it, not who read it."""
        known = from_rpc_error(error, self._peer)
        if isinstance(known, InvalidInput):
            return InvalidInput(error.details() or str(known), field=known.field, reason=known.reason)
        return known


@asynccontextmanager
async def connect(target: str | None, *, with_model: bool = True) -> AsyncGenerator[Client, None]:
    """Give a client of the server at `target`; if there is none, of one in this process.

    Without a model the embedded server can only say what it knows. Raises `ModelUnusable`, `WorkerUnavailable`.
    """
    if target is not None:
        async with dial(target) as channel:
            await reach(channel, target)
            yield Client(channel, target)
        return
    # The engine is only imported where it is used.
    from services.cli.all_in_one import all_in_one, orchestrator_alone

    serving = all_in_one(read_settings(ModelSettings)) if with_model else orchestrator_alone()
    async with serving as address, dial(address) as channel:
        yield Client(channel, "the embedded server")


async def reach(channel: grpc.aio.Channel, target: str) -> None:
    """Return if the server says that it serves, within `KOT_COLD_START_TIMEOUT`; else `WorkerUnavailable`."""
    timeout = read_settings(StageSettings).cold_start_timeout
    health: Any = health_pb2_grpc.HealthStub(channel)
    try:
        answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=timeout)
    except grpc.aio.AioRpcError as error:
        reason = error.details() or error.code().name.lower()
        raise WorkerUnavailable(f"cannot reach {target}: {reason}; is `kot serve` running there?") from error
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        raise WorkerUnavailable(f"{target} is not serving: it is starting or shutting down")
