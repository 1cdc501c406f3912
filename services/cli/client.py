"""The client side of `OrchestratorService`: where it runs, and its errors as those of the domain."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeVar

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_delay, wait_random_exponential

from services.core.errors import InvalidInput, KotError, LeaseHeld, WorkerUnavailable
from services.rpc.channel import dial
from services.rpc.convert import limits_from_proto
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.rpc.gen.kubeofthoughts.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub
from services.rpc.status import DETAILS_KEY, from_rpc_error
from services.settings import ModelSettings, StageSettings, StateSettings, read_settings

Response = TypeVar("Response")
Followable = wire.SolveRequest | wire.WatchSolveRequest | wire.ResumeSolveRequest

FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 2.0
LEASE_MARGIN_SECONDS = 2.0

BREAKS = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
    }
)
"""How gRPC, and proxies, call a connection that broke. Our servers give a reason with each status."""


class StreamBroken(WorkerUnavailable):
    """The connection broke, or the server's process ended: nobody has said a word against the call itself."""


class Client:
    """One orchestrator, wherever it runs."""

    def __init__(self, channel: grpc.aio.Channel, peer: str) -> None:
        self.stub = OrchestratorServiceStub(channel)
        self._peer = peer

    async def follow(
        self, request: Followable, on_break: Callable[[], None] = lambda: None
    ) -> AsyncGenerator[wire.SolveResponse, None]:
        """Yield the messages of a solve; leaving the iterator leaves the solve. Raises `KotError`.

        When the connection breaks, the same is asked for again, for as long as the solve's budget and a cold start may
        take; the messages then come from the first again. A solve that another process runs is waited for as long as
        that one's lease may last.
        """
        lease = read_settings(StateSettings).lease_seconds + LEASE_MARGIN_SECONDS
        patience = await self._wall_seconds(request) + read_settings(StageSettings).cold_start_timeout
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(StreamBroken) | _held_for(lease),
            stop=stop_after_delay(max(patience, lease)),
            wait=wait_random_exponential(multiplier=FIRST_WAIT_SECONDS, max=LONGEST_WAIT_SECONDS),
            before_sleep=lambda _state: on_break(),
            reraise=True,
        )
        async for attempt in retrying:
            with attempt:
                async with aclosing(self._stream(request)) as messages:
                    async for message in messages:
                        if isinstance(request, wire.ResumeSolveRequest):
                            # It goes on now: that is not to be asked for twice.
                            request = wire.WatchSolveRequest(
                                solve_id=request.solve_id, event_detail=request.event_detail
                            )
                        yield message

    async def solve_to_end(self, request: wire.SolveRequest) -> wire.SolveResult:
        """Return the result of a solve alone."""
        result = wire.SolveResult()
        async with aclosing(self.follow(request)) as messages:
            async for message in messages:
                if message.HasField("result"):
                    result = message.result
        return result

    async def thoughts(self, solve_id: str) -> AsyncGenerator[wire.TreeThought, None]:
        """Yield the thoughts of a solve, in the order of discovery, parents before children. Raises `KotError`."""
        call = self.stub.GetTree(wire.GetTreeRequest(solve_id=solve_id))
        try:
            async for message in call:
                for thought in message.thoughts:
                    yield thought
        except grpc.aio.AioRpcError as error:
            raise self._translated(error) from error
        finally:
            call.cancel()

    async def _stream(self, request: Followable) -> AsyncGenerator[wire.SolveResponse, None]:
        method = {
            wire.SolveRequest: self.stub.Solve,
            wire.WatchSolveRequest: self.stub.WatchSolve,
            wire.ResumeSolveRequest: self.stub.ResumeSolve,
        }[type(request)]
        call = method(request)
        try:
            async for message in call:
                yield message
        except grpc.aio.AioRpcError as error:
            raise self._translated(error) from error
        finally:
            call.cancel()

    async def _wall_seconds(self, request: Followable) -> float:
        """Return how long a solve may run."""
        if isinstance(request, wire.SolveRequest):
            budgets = [request.budget]
        else:
            known: wire.GetSolveResponse = await self.ask(
                self.stub.GetSolve(wire.GetSolveRequest(solve_id=request.solve_id))
            )
            budgets = [known.request.budget]
            if isinstance(request, wire.ResumeSolveRequest):
                budgets.append(request.budget)
        return max(limits_from_proto(budget).wall_seconds for budget in budgets)

    async def ask(self, call: Awaitable[Response]) -> Response:
        """Return the response of a unary call. Raises `KotError`."""
        try:
            return await call
        except grpc.aio.AioRpcError as error:
            raise self._translated(error) from error

    def _translated(self, error: grpc.aio.AioRpcError) -> KotError:
        """Return the domain error; wrong input concerns who typed it, not who read it."""
        known = from_rpc_error(error, self._peer)
        if error.code() in BREAKS and all(key != DETAILS_KEY for key, _ in error.trailing_metadata() or ()):
            return StreamBroken(str(known))
        if isinstance(known, InvalidInput):
            return InvalidInput(error.details() or str(known), field=known.field, reason=known.reason)
        return known


def _held_for(seconds: float) -> Callable[[RetryCallState], bool]:
    """Return what tells whether another process runs the solve, and may still be one that died."""

    def held(state: RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        return isinstance(error, LeaseHeld) and (state.seconds_since_start or 0.0) < seconds

    return held


@asynccontextmanager
async def connect(target: str | None, *, with_model: bool = True, keeps: bool = True) -> AsyncGenerator[Client, None]:
    """Give a client of the server at `target`; if there is none, of one in this process.

    Without a model the embedded server can only say what it knows; unless it `keeps` solves, they go with it. Raises
    `ModelUnusable`, `WorkerUnavailable`.
    """
    if target is not None:
        async with dial(target) as channel:
            await reach(channel, target)
            yield Client(channel, target)
        return
    # The engine is only imported where it is used.
    from services.cli.all_in_one import all_in_one, orchestrator_alone

    serving = all_in_one(read_settings(ModelSettings), keeps=keeps) if with_model else orchestrator_alone()
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
