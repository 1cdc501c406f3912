"""The orchestrator's service: solves begun, followed, resumed and ended, and what is known of them."""

import asyncio
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from types import ModuleType
from typing import Any

from services.adapters.stages import RemoteEvaluator, RemoteProposer, RemoteValidator
from services.adapters.tree import catch_up
from services.core.errors import HistoryRefused, InvalidInput, StoreUnusable
from services.core.history import Awaited, Ended, Record
from services.core.search import describe_settings
from services.core.stores import Step
from services.orchestrator import auto
from services.orchestrator.messages import Messages, describe, describe_task, origin_to_proto, thought_to_proto
from services.orchestrator.origin import Origin, Prompts
from services.orchestrator.plan import plan_again, propose_style_in
from services.orchestrator.recording import Recorder
from services.orchestrator.solve import Stages
from services.orchestrator.solves import Keeping, Solves
from services.plugins import STRATEGIES, TASKS, find_strategy, find_task
from services.rpc.convert import setting_to_proto, style_to_proto
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.rpc.gen.kubeofthoughts.v1.orchestrator_service_pb2_grpc import OrchestratorServiceServicer
from services.rpc.history import FAILED
from services.rpc.status import make_error
from services.settings import OrchestratorSettings

SILENT_WAKE_SECONDS = 0.5
"""A stage that takes longer than this to wake up is announced to the client."""
FAREWELL_SECONDS = 0.25
"""Before the client's deadline, the search ends, so that its result still arrives."""
DEFAULT_PAGE = 50
"""Solves on a page, where the request does not say."""


class OrchestratorServicer(OrchestratorServiceServicer):
    """`OrchestratorService` over the three stages and the stores."""

    def __init__(
        self,
        proposer: RemoteProposer,
        evaluator: RemoteEvaluator,
        validator: RemoteValidator,
        settings: OrchestratorSettings,
        keeping: Keeping,
        *,
        cold_start_timeout: float,
    ) -> None:
        self._stages = (proposer, evaluator, validator)
        self._settings = settings
        self._keeping = keeping
        self._cold_start_timeout = cold_start_timeout
        self._solves = Solves(Stages(*self._stages), settings, keeping, self._wake)

    async def close(self) -> None:
        """Park what runs."""
        await self._solves.close()

    # --- solves -----------------------------------------------------------------------------------------------------

    async def Solve(  # noqa: N802 - the wire's name
        self,
        request: wire.SolveRequest,
        context: Any,  # noqa: ANN401
    ) -> AsyncGenerator[wire.SolveResponse, None]:
        """Begin a solve, unless it was begun before, and follow it."""
        solve_id = request.request_id or uuid.uuid4().hex
        remaining = context.time_remaining()
        within = None if remaining is None else remaining - FAREWELL_SECONDS
        with self._solves.followed(solve_id):
            await self._solves.begin(solve_id, request, within, _traceparent(context))
            async with aclosing(self._follow(solve_id, request.event_detail)) as messages:
                async for message in messages:
                    yield message

    async def WatchSolve(  # noqa: N802 - the wire's name
        self,
        request: wire.WatchSolveRequest,
        context: Any,  # noqa: ANN401, ARG002
    ) -> AsyncGenerator[wire.SolveResponse, None]:
        """Follow a solve."""
        with self._solves.followed(request.solve_id):
            async with aclosing(self._follow(request.solve_id, request.event_detail)) as messages:
                async for message in messages:
                    yield message

    async def ResumeSolve(  # noqa: N802 - the wire's name
        self,
        request: wire.ResumeSolveRequest,
        context: Any,  # noqa: ANN401, ARG002
    ) -> AsyncGenerator[wire.SolveResponse, None]:
        """Go on with a solve, and follow it."""
        limits = {field.name: value for field, value in request.budget.ListFields()}
        with self._solves.followed(request.solve_id):
            await self._solves.take_up(request.solve_id, limits=limits)
            async with aclosing(self._follow(request.solve_id, request.event_detail)) as messages:
                async for message in messages:
                    yield message

    async def _follow(self, solve_id: str, detail: wire.EventDetail) -> AsyncGenerator[wire.SolveResponse, None]:
        """Yield a solve's messages, to its result. Raises the error that it failed with."""
        messages = Messages(solve_id, detail)
        last: Record | None = None
        async with aclosing(self._solves.follow(solve_id)) as pages:
            async for records in pages:
                for record in records:
                    for message in messages.of(record):
                        yield message
                last = records[-1]
        if isinstance(last, Ended):
            if last.status == FAILED and last.reason:
                raise make_error(last.reason, last.message)
            yield messages.result(last)

    async def _wake(self, recorder: Recorder) -> None:
        """Wait until every stage serves; all wake up at the same time."""

        async def wake(stage: RemoteProposer | RemoteEvaluator | RemoteValidator) -> None:
            waking = asyncio.create_task(stage.wake(self._cold_start_timeout))
            try:
                await asyncio.wait({waking}, timeout=SILENT_WAKE_SECONDS)
                if not waking.done():
                    await recorder.keep(Awaited(stage=stage.name))
                await waking
            finally:
                waking.cancel()

        try:
            async with asyncio.TaskGroup() as group:
                for stage in self._stages:
                    group.create_task(wake(stage))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from failures

    async def CancelSolve(  # noqa: N802 - the wire's name
        self,
        request: wire.CancelSolveRequest,
        context: Any,  # noqa: ANN401, ARG002
    ) -> wire.CancelSolveResponse:
        """End a solve, wherever it runs."""
        await self._solves.end(request.solve_id)
        return wire.CancelSolveResponse()

    async def GetSolve(  # noqa: N802 - the wire's name
        self,
        request: wire.GetSolveRequest,
        context: Any,  # noqa: ANN401, ARG002
    ) -> wire.GetSolveResponse:
        """Describe one solve."""
        head = await self._solves.head(request.solve_id)
        return wire.GetSolveResponse(
            solve=describe(head),
            request=wire.SolveRequest.FromString(head.first.request),
            prompt_style=style_to_proto(propose_style_in(head.first.versions)),
        )

    async def ListSolves(  # noqa: N802 - the wire's name
        self,
        request: wire.ListSolvesRequest,
        context: Any,  # noqa: ANN401, ARG002
    ) -> wire.ListSolvesResponse:
        """List solves; a page's token is the id of the last solve of the one before."""
        size = request.page_size or DEFAULT_PAGE
        heads = await self._keeping.log.heads(size + 1, before=request.page_token)
        page = heads[:size]
        return wire.ListSolvesResponse(
            solves=map(describe, page), next_page_token=page[-1].solve_id if len(heads) > size else ""
        )

    async def GetTree(  # noqa: N802 - the wire's name
        self,
        request: wire.GetTreeRequest,
        context: Any,  # noqa: ANN401, ARG002
    ) -> AsyncGenerator[wire.GetTreeResponse, None]:
        """Stream a tree from its store, after what the store does not have yet is written there."""
        await self._solves.head(request.solve_id)
        log, trees = self._keeping.log, self._keeping.trees
        if trees is None:
            raise StoreUnusable("this server keeps no trees: KOT_TREE is none")
        await catch_up(log, trees, request.solve_id)
        async with aclosing(trees.thoughts(request.solve_id)) as batches:
            async for thoughts, steps in batches:
                ways: dict[str, list[Step]] = {}
                for step in steps:
                    ways.setdefault(step.thought_id, []).append(step)
                yield wire.GetTreeResponse(
                    thoughts=[thought_to_proto(thought, ways.get(thought.id, [])) for thought in thoughts]
                )

    async def GetThought(  # noqa: N802 - the wire's name
        self,
        request: wire.GetThoughtRequest,
        context: Any,  # noqa: ANN401, ARG002
    ) -> wire.GetThoughtResponse:
        """Tell where a thought came from, as the solve's log has it."""
        begun = (await self._solves.head(request.solve_id)).first
        origin = Origin(request.solve_id, begun, request.thought_id)
        async with aclosing(self._solves.history(request.solve_id, after=1)) as pages:
            async for records in pages:
                origin.take(records)
        if (thought := origin.thought) is None:
            raise InvalidInput(f"the solve has no thought {request.thought_id!r}", field="thought_id")
        try:
            prompts, left_out = origin.prompts(plan_again(begun, self._settings)), ""
        except (HistoryRefused, InvalidInput) as error:
            # What this version would ask is not what was asked.
            prompts, left_out = Prompts(), str(error)
        return origin_to_proto(thought, origin, prompts, left_out)

    # --- what there is ----------------------------------------------------------------------------------------------

    async def ListTasks(  # noqa: N802 - the wire's name
        self,
        request: wire.ListTasksRequest,  # noqa: ARG002
        context: Any,  # noqa: ANN401, ARG002
    ) -> wire.ListTasksResponse:
        """List the tasks."""
        tasks = map(find_task, TASKS.names())
        return wire.ListTasksResponse(tasks=[describe_task(task, self._settings.prompt_style) for task in tasks])

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


def _traceparent(context: Any) -> str:  # noqa: ANN401 - gRPC's context
    """Return the W3C traceparent that the client has sent; empty if it has sent none."""
    metadata = dict(context.invocation_metadata() or ())
    return str(metadata.get("traceparent", ""))


def _summary(module: ModuleType) -> str:
    return (module.__doc__ or "").partition("\n")[0]
