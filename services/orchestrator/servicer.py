"""The orchestrator's service: one driver for each `Solve`, and its events as a stream."""

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import aclosing
from types import ModuleType
from typing import Any

import structlog

from services.adapters.stages import RemoteEvaluator, RemoteProposer, RemoteValidator
from services.core.errors import DuplicateSolve, Overloaded, UnknownSolve
from services.core.search import describe_settings
from services.core.thought import Usage
from services.core.tree import Event
from services.orchestrator import auto
from services.orchestrator.driver import Driver
from services.orchestrator.plan import make_plan
from services.orchestrator.solve import Outcome, Stages
from services.plugins import STRATEGIES, TASKS, find_strategy, find_task
from services.rpc.convert import event_to_proto, setting_to_proto, usage_to_proto
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.rpc.gen.kubeofthoughts.v1.orchestrator_service_pb2_grpc import OrchestratorServiceServicer
from services.rpc.streams import produced
from services.settings import OrchestratorSettings

_log = structlog.get_logger()

SILENT_WAKE_SECONDS = 0.5
"""A stage that takes longer than this to wake up is announced to the client."""
FAREWELL_SECONDS = 0.25
"""Before the client's deadline, the search ends, so that its result still arrives."""
MAX_UNREAD = 64
"""Messages that wait for a slow client; then its search waits."""

Send = Callable[[wire.SolveResponse], Awaitable[None]]


class OrchestratorServicer(OrchestratorServiceServicer):
    """`OrchestratorService` over the three stages."""

    def __init__(
        self,
        proposer: RemoteProposer,
        evaluator: RemoteEvaluator,
        validator: RemoteValidator,
        settings: OrchestratorSettings,
        *,
        cold_start_timeout: float,
    ) -> None:
        self._stages = (proposer, evaluator, validator)
        self._settings = settings
        self._cold_start_timeout = cold_start_timeout
        self._running: dict[str, Driver] = {}

    async def Solve(  # noqa: N802 - the wire's name
        self,
        request: wire.SolveRequest,
        context: Any,  # noqa: ANN401
    ) -> AsyncGenerator[wire.SolveResponse, None]:
        """Solve one problem. Cancelling the call cancels the search and every call that it has in flight."""
        plan = make_plan(request, self._settings)
        solve_id = request.request_id or uuid.uuid4().hex
        if solve_id in self._running:
            raise DuplicateSolve(f"a solve {solve_id} is running already")
        if len(self._running) >= self._settings.max_solves:
            raise Overloaded(f"{self._settings.max_solves} solves are running already")
        driver = Driver(plan.make_policy, plan.options, plan.task, Stages(*self._stages))
        self._running[solve_id] = driver

        async def solve(send: Send) -> None:
            root = driver.tree.root
            accepted = wire.SolveAccepted(solve_id=solve_id, problem=root.text, root_id=root.id, strategy=plan.strategy)
            await send(wire.SolveResponse(accepted=accepted))
            await self._solve(solve_id, driver, request.event_detail, context.time_remaining, send)

        try:
            async with aclosing(produced(solve, max_unread=MAX_UNREAD)) as ready:
                async for messages in ready:
                    for message in messages:
                        yield message
        finally:
            del self._running[solve_id]

    async def _solve(
        self,
        solve_id: str,
        driver: Driver,
        detail: wire.EventDetail,
        time_remaining: Callable[[], float | None],
        send: Send,
    ) -> None:
        """Run a solve from acceptance to result."""
        begun = time.monotonic()
        await _unless(driver.cancelled, self._wake(send))
        remaining = time_remaining()

        async def emit(events: Sequence[Event]) -> None:
            for message in _messages(driver, events, detail):
                await send(message)

        outcome = await driver.run(emit, within=None if remaining is None else remaining - FAREWELL_SECONDS)
        elapsed = time.monotonic() - begun
        _log.info("solved", solve_id=solve_id, status=outcome.status, seconds=round(elapsed, 3))
        await send(wire.SolveResponse(result=_result(solve_id, driver, outcome, elapsed)))

    async def _wake(self, send: Send) -> None:
        """Wait until every stage serves; all wake up at the same time."""

        async def wake(stage: RemoteProposer | RemoteEvaluator | RemoteValidator) -> None:
            waking = asyncio.create_task(stage.wake(self._cold_start_timeout))
            try:
                await asyncio.wait({waking}, timeout=SILENT_WAKE_SECONDS)
                if not waking.done():
                    await send(wire.SolveResponse(awaited=wire.StageAwaited(stage=stage.name)))
                await waking
            finally:
                waking.cancel()

        async with asyncio.TaskGroup() as group:
            for stage in self._stages:
                group.create_task(wake(stage))

    async def CancelSolve(  # noqa: N802 - the wire's name
        self,
        request: wire.CancelSolveRequest,
        context: Any,  # noqa: ANN401, ARG002
    ) -> wire.CancelSolveResponse:
        """End a running solve."""
        driver = self._running.get(request.solve_id)
        if driver is None:
            raise UnknownSolve(f"no solve {request.solve_id} is running here")
        driver.cancel()
        return wire.CancelSolveResponse()

    async def ListTasks(  # noqa: N802 - the wire's name
        self,
        request: wire.ListTasksRequest,  # noqa: ARG002
        context: Any,  # noqa: ANN401, ARG002
    ) -> wire.ListTasksResponse:
        """List the tasks."""
        tasks = map(find_task, TASKS.names())
        return wire.ListTasksResponse(
            tasks=[
                wire.TaskDescription(name=task.name, summary=task.summary, example=task.example, depth=task.depth)
                for task in tasks
            ]
        )

    async def ListStrategies(  # noqa: N802 - the wire's name
        self,
        request: wire.ListStrategiesRequest,  # noqa: ARG002
        context: Any,  # noqa: ANN401, ARG002
    ) -> wire.ListStrategiesResponse:
        """List the strategies; a module's first line is its summary."""
        modules = {name: find_strategy(name) for name in STRATEGIES.names()}
        strategies = [
            wire.StrategyDescription(
                name=name,
                summary=_summary(module),
                settings=map(setting_to_proto, describe_settings(module.Settings)),
            )
            for name, module in modules.items()
        ]
        picked = wire.StrategyDescription(name=auto.NAME, summary=_summary(auto))
        return wire.ListStrategiesResponse(strategies=[picked, *strategies])


def _summary(module: ModuleType) -> str:
    return (module.__doc__ or "").partition("\n")[0]


async def _unless(event: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Do the work, or leave it when the event comes first."""
    working, waiting = asyncio.create_task(work), asyncio.create_task(event.wait())
    try:
        await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            await working
    finally:
        waiting.cancel()
        working.cancel()


def _messages(driver: Driver, events: Sequence[Event], detail: wire.EventDetail) -> Iterator[wire.SolveResponse]:
    """Yield what one expansion brought, in the detail that the client asked for."""
    if detail == wire.EVENT_DETAIL_RESULT:
        return
    if detail == wire.EVENT_DETAIL_ALL:
        yield wire.SolveResponse(thoughts=wire.ThoughtEvents(events=map(event_to_proto, events)))
    yield wire.SolveResponse(progress=_progress(driver, driver.budget.usage))


def _progress(driver: Driver, usage: Usage) -> wire.Progress:
    tree = driver.tree
    return wire.Progress(
        nodes=len(tree),
        merged=tree.merged,
        depth=tree.depth,
        best=tree[driver.policy.best()].thought.text,
        usage=usage_to_proto(usage),
    )


def _result(solve_id: str, driver: Driver, outcome: Outcome, elapsed: float) -> wire.SolveResult:
    return wire.SolveResult(
        solve_id=solve_id,
        status=f"SOLVE_STATUS_{outcome.status.value}",
        answer=outcome.answer,
        steps=outcome.steps,
        usage=usage_to_proto(outcome.usage),
        elapsed_seconds=elapsed,
        progress=_progress(driver, outcome.usage),
    )
