"""Models, workers and clients that fail: a branch is marked or the call says why, and nothing ever hangs."""

import asyncio
from contextlib import aclosing

import grpc
import pytest
from fleet import SOLVABLE, UNSOLVABLE, details, fleet, refusal, scripted, socket, solve, solve_request, until

from services.adapters.stages import RemoteProposer
from services.core.errors import KotError, Reason, WorkerUnavailable
from services.core.ports import ProposeRequest, Sampling, TaskSelection
from services.core.thought import State
from services.evaluator import wiring as evaluator
from services.evaluator.logic import ModelEvaluator
from services.generator import wiring as generator
from services.generator.logic import Generator
from services.orchestrator.driver import Driver
from services.orchestrator.plan import make_plan
from services.orchestrator.solve import Stages
from services.plugins import task_of
from services.rpc.channel import dial
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.rpc.gen.kubeofthoughts.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub
from services.rpc.server import serving
from services.settings import OrchestratorSettings
from services.testing.faulty_model import Fault, FaultyModel
from services.validator.logic import AnswerValidator

ENDLESS_BUDGET = {"completion_tokens": 10**8, "model_calls": 10**6, "nodes": 10**6}
EVERYTHING = {"settings": {"evaluation_threshold": 0}, "budget": ENDLESS_BUDGET}
"""With an unsolvable puzzle: a solve that goes on until something ends it."""


def only_the_second(end, fault):
    """The fault is with one prompt: the second that has this end."""
    prompts = []

    def choose(request):
        if request.prompt.endswith(end) and request.prompt not in prompts:
            prompts.append(request.prompt)
        return fault if prompts[1:2] == [request.prompt] else Fault.NONE

    return choose


# --- the model ------------------------------------------------------------------------------------------------------

SPEAKING = [Fault.SILENT, Fault.NOTHING, Fault.GARBAGE, Fault.REPEATS, Fault.ENDLESS]
LASTING = [Fault.RAISES, Fault.BREAKS]
FAILING = [*LASTING, Fault.OVERLOADED]
CONCURRENCY = ["SEQUENTIAL", "LEVEL", "ASYNC"]


@pytest.mark.parametrize("concurrency", CONCURRENCY)
@pytest.mark.parametrize("fault", SPEAKING)
async def test_whatever_a_model_says_a_solve_ends_with_a_status(fault, concurrency):
    async with fleet(FaultyModel(lambda _request: fault)) as target:
        run = await solve(
            target,
            UNSOLVABLE,
            concurrency=f"CONCURRENCY_MODEL_{concurrency}",
            budget={"completion_tokens": 10_000, "model_calls": 100},
        )
    assert run.status in ("EXHAUSTED", "COMPLETION_TOKENS_SPENT", "MODEL_CALLS_SPENT")
    assert run.result.answer == ""


@pytest.mark.parametrize("fault", FAILING)
async def test_a_root_that_cannot_be_expanded_ends_the_call_and_says_why(fault):
    async with fleet(FaultyModel(lambda _request: fault)) as target:
        code, info, _ = details(await refusal(target))
    expected = {Fault.RAISES: Reason.MODEL_FAILED, Fault.OVERLOADED: Reason.OVERLOADED, Fault.BREAKS: Reason.INTERNAL}
    assert info.reason == expected[fault]
    assert info.domain == "kubeofthoughts"
    assert code is (grpc.StatusCode.RESOURCE_EXHAUSTED if fault is Fault.OVERLOADED else grpc.StatusCode.INTERNAL)


@pytest.mark.parametrize("concurrency", CONCURRENCY)
@pytest.mark.parametrize("fault", LASTING)
async def test_a_branch_that_fails_is_marked_and_the_search_goes_on(fault, concurrency):
    """What is expanded first after the root cannot be expanded; another way to the answer is found."""
    model = FaultyModel(only_the_second("Next:\n", fault))
    async with fleet(model) as target:
        run = await solve(
            target, concurrency=f"CONCURRENCY_MODEL_{concurrency}", settings={"evaluation_threshold": 0},
            budget={"completion_tokens": 100_000}, request_batch_size=1,
        )  # fmt: skip
    assert run.status == "SOLVED"
    assert run.failures()
    assert all(failure.message for failure in run.failures())


@pytest.mark.parametrize("fault", LASTING)
async def test_a_thought_that_cannot_be_judged_is_marked_and_the_search_goes_on(fault):
    judge = FaultyModel(only_the_second("Value:", fault))
    async with fleet(scripted(), judge=judge) as target:
        run = await solve(target, request_batch_size=1, budget={"completion_tokens": 100_000})
    assert run.status == "SOLVED"
    assert run.failures()


@pytest.mark.parametrize("end", ["Next:\n", "Value:"])
async def test_what_a_busy_model_refuses_is_not_given_up(end):
    async with fleet(FaultyModel(only_the_second(end, Fault.OVERLOADED))) as target:
        run = await solve(target, request_batch_size=1, budget={"completion_tokens": 100_000})
    assert run.status == "SOLVED"
    assert run.failures() == []


@pytest.mark.parametrize("strategy", ["bfs", "dfs", "best_first", "mcts", "sample_until_valid"])
async def test_a_later_draw_that_fails_costs_nothing_of_what_was_found(strategy):
    """Every search asks the root again some time; that this fails once is no reason to end."""
    seen = []

    def choose(request):
        if "Input: 1 1 1 5\n" not in request.prompt or request.prompt.endswith("Value:"):
            return Fault.NONE
        seen.append(request)
        return Fault.RAISES if len(seen) == 2 else Fault.NONE

    async with fleet(FaultyModel(choose)) as target:
        run = await solve(target, UNSOLVABLE, strategy=strategy, budget={"completion_tokens": 6000})
    assert run.status == "COMPLETION_TOKENS_SPENT"
    assert len(seen) > 2


async def test_a_call_that_fails_is_counted():
    model = FaultyModel(only_the_second("Value:", Fault.RAISES))
    async with fleet(model) as target:
        run = await solve(target, budget={"completion_tokens": 100_000}, concurrency="CONCURRENCY_MODEL_SEQUENTIAL")
    assert run.result.usage.model_calls == model.started


async def test_an_evaluator_that_always_fails_ends_in_a_status():
    async with fleet(scripted(), judge=FaultyModel(lambda _request: Fault.RAISES)) as target:
        run = await solve(target, budget={"completion_tokens": 20_000})
    assert run.status in ("EXHAUSTED", "COMPLETION_TOKENS_SPENT")
    assert {failure.message for failure in run.failures()} == {"a planted failure"}


async def test_a_model_that_hangs_is_left_when_the_stages_time_is_up():
    model = FaultyModel(only_the_second("Next:\n", Fault.HANGS))
    async with fleet(model, timeout=0.5) as target:
        run = await solve(target, request_batch_size=1, budget={"completion_tokens": 100_000})
        assert run.status == "SOLVED"
        await until(lambda: model.in_flight == 0)


async def test_a_model_that_hangs_at_the_root_ends_in_deadline_exceeded():
    model = FaultyModel(lambda _request: Fault.HANGS)
    async with fleet(model, timeout=0.3) as target:
        code, info, _ = details(await refusal(target))
        assert (code, info.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
        await until(lambda: model.in_flight == 0)


# --- the client -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("concurrency", CONCURRENCY)
async def test_a_client_that_cancels_stops_the_model_calls(concurrency):
    model = FaultyModel(lambda request: Fault.HANGS if len(request.prompt) < 20 else Fault.NONE, delay=0.01)
    request = solve_request(UNSOLVABLE, concurrency=f"CONCURRENCY_MODEL_{concurrency}", **EVERYTHING)
    async with fleet(model) as target, dial(target) as channel:
        call = OrchestratorServiceStub(channel).Solve(request)
        await until(lambda: model.in_flight > 0)
        call.cancel()
        await until(lambda: model.in_flight == 0)
        started = model.started
        await asyncio.sleep(0.3)
        assert model.started == started, "nothing new begins"


async def test_a_client_that_does_not_read_and_then_goes_stops_the_search():
    model = FaultyModel()
    async with fleet(model) as target:
        async with dial(target) as channel:
            call = OrchestratorServiceStub(channel).Solve(solve_request(UNSOLVABLE, **EVERYTHING))
            await call.read()
            await until(lambda: model.started > 100)
            del call
        started = -1
        async with asyncio.timeout(5):
            while started != model.started:
                started = model.started
                await asyncio.sleep(0.3)
        assert (await solve(target)).status == "SOLVED"


async def test_a_solve_ends_in_time_for_its_clients_deadline():
    async with fleet(FaultyModel(delay=0.02)) as target:
        run = await solve(target, UNSOLVABLE, timeout=2, **EVERYTHING)
    assert run.status == "WALL_TIME_SPENT"


async def test_cancel_solve_ends_the_stream_with_the_best_so_far():
    model = FaultyModel(lambda request: Fault.HANGS if "Steps:" in request.prompt else Fault.NONE)
    async with fleet(model) as target, dial(target) as channel:
        stub = OrchestratorServiceStub(channel)
        solving = asyncio.create_task(solve(target, request_id="to-cancel", settings={"rollouts": 0}))
        await until(lambda: model.started > 10 and model.in_flight > 0)
        await stub.CancelSolve(wire.CancelSolveRequest(solve_id="to-cancel"))
        run = await solving
        assert run.status == "CANCELLED"
        assert run.result.steps
        await until(lambda: model.in_flight == 0)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.CancelSolve(wire.CancelSolveRequest(solve_id="to-cancel"))
        code, info, _ = details(raised.value)
        assert (code, info.reason) == (grpc.StatusCode.NOT_FOUND, "UNKNOWN_SOLVE")


async def test_cancel_solve_ends_a_solve_that_still_waits_for_a_stage():
    async with socket() as nobody, fleet(generator=nobody, cold_start=20) as target, dial(target) as channel:
        stub = OrchestratorServiceStub(channel)
        messages = aiter(stub.Solve(solve_request(request_id="waits")))
        assert (await anext(messages)).WhichOneof("event") == "accepted"
        await stub.CancelSolve(wire.CancelSolveRequest(solve_id="waits"))
        async with asyncio.timeout(5):
            rest = [message async for message in messages]
        assert rest[-1].result.status == wire.SOLVE_STATUS_CANCELLED


async def test_the_same_request_sent_again_is_the_same_solve_and_another_one_of_its_id_is_refused():
    model = FaultyModel(lambda _request: Fault.HANGS)
    async with fleet(model) as target, dial(target) as channel:
        first = asyncio.create_task(solve(target, UNSOLVABLE, request_id="a", strategy="dfs"))
        await until(lambda: model.in_flight == 1)
        again = asyncio.create_task(solve(target, UNSOLVABLE, request_id="a", strategy="dfs"))
        code, info, _ = details(await refusal(target, request_id="a"))
        assert (code, info.reason) == (grpc.StatusCode.ALREADY_EXISTS, "DUPLICATE_SOLVE")
        await OrchestratorServiceStub(channel).CancelSolve(wire.CancelSolveRequest(solve_id="a"))
        assert (await first).messages == (await again).messages
        assert model.started == 1


async def test_more_solves_than_are_taken_at_a_time_are_refused():
    async with fleet(FaultyModel(lambda _request: Fault.HANGS), max_solves=2) as target, dial(target) as channel:
        calls = [OrchestratorServiceStub(channel).Solve(solve_request()) for _ in range(2)]
        for call in calls:
            await call.read()
        code, info, _ = details(await refusal(target))
        assert (code, info.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
        for call in calls:
            call.cancel()


async def test_a_solve_that_ends_at_any_moment_leaves_nothing_behind():
    """Its parts run without servers between them here, so that a moment is short."""
    model = FaultyModel()
    stages = Stages(Generator(model, task_of), ModelEvaluator(model, task_of), AnswerValidator(model, task_of))
    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))

    async def emit(_events):
        pass

    for moment in range(60):
        concurrency = 1 + moment % 3
        plan = make_plan(solve_request(UNSOLVABLE, concurrency=concurrency, **EVERYTHING), OrchestratorSettings())
        outcome = await Driver(plan.make_policy, plan.options, plan.task, stages).run(emit, within=moment * 0.0007)
        assert outcome.status == "WALL_TIME_SPENT"
    await asyncio.sleep(0.05)
    assert complaints == []
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert model.in_flight == 0


# --- the workers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stages", [("generator",), ("evaluator",), ("validator",), ("generator", "evaluator")])
async def test_a_worker_that_is_down_is_named_after_a_bounded_wait(stages):
    async with socket() as nobody, fleet(cold_start=1.0, **dict.fromkeys(stages, nobody)) as target:
        error = await refusal(target)
        code, info, _ = details(error)
        assert (code, info.reason) == (grpc.StatusCode.UNAVAILABLE, "WORKER_UNAVAILABLE")
        assert any(f"the {stage} at {nobody}" in error.details() for stage in stages)


async def test_a_client_hears_which_stage_is_awaited_and_then_is_served():
    async with socket() as address, fleet(evaluator=address, cold_start=20) as target, dial(target) as channel:
        messages = aiter(OrchestratorServiceStub(channel).Solve(solve_request()))
        assert (await anext(messages)).WhichOneof("event") == "accepted"
        assert (await anext(messages)).awaited.stage == "evaluator"
        async with serving(evaluator.mounts(scripted()), address, drain_seconds=1), asyncio.timeout(20):
            rest = [message async for message in messages]
        assert rest[-1].result.status == wire.SOLVE_STATUS_SOLVED


async def test_a_worker_that_goes_away_in_the_middle_and_comes_back_is_tried_again():
    held = FaultyModel(lambda _request: Fault.HANGS)
    async with socket() as address, fleet(generator=address, attempts=20) as target:
        async with serving(generator.mounts(held), address, drain_seconds=0.01):
            solving = asyncio.create_task(solve(target))
            await until(lambda: held.in_flight > 0)
        async with serving(generator.mounts(scripted()), address, drain_seconds=1):
            assert (await solving).status == "SOLVED"


async def test_a_worker_that_goes_away_in_the_middle_for_good_ends_the_solve():
    held = FaultyModel(lambda _request: Fault.HANGS)
    async with socket() as address, fleet(generator=address, attempts=2) as target:
        async with serving(generator.mounts(held), address, drain_seconds=0.01):
            solving = asyncio.create_task(refusal(target))
            await until(lambda: held.in_flight > 0)
        code, info, _ = details(await solving)
        assert (code, info.reason) == (grpc.StatusCode.UNAVAILABLE, "WORKER_UNAVAILABLE")


# --- one stage, as the orchestrator sees it -------------------------------------------------------------------------


def ask(samples=4):
    return ProposeRequest(
        id="a",
        task=TaskSelection(name="game24"),
        state=State(SOLVABLE),
        samples=samples,
        max_thoughts=8,
        sampling=Sampling(),
    )


async def test_closing_a_stages_iterator_early_cancels_its_call():
    model = FaultyModel(lambda request: Fault.HANGS if request.samples == 5 else Fault.NONE)
    async with socket() as address, serving(generator.mounts(model), address, drain_seconds=1):
        proposer = RemoteProposer(address, timeout=20, attempts=3, calls=8)
        batch = [ask(), ProposeRequest(**{name: getattr(ask(5), name) for name in ask().__slots__} | {"id": "b"})]
        async with aclosing(proposer.propose(batch)) as updates:
            assert await anext(updates)
        await until(lambda: model.in_flight == 0)
        assert model.started == 2, "nothing was tried again"
        await proposer.close()


async def test_cancelling_the_reader_of_a_stage_cancels_its_call():
    model = FaultyModel(lambda _request: Fault.HANGS)
    async with socket() as address, serving(generator.mounts(model), address, drain_seconds=1):
        proposer = RemoteProposer(address, timeout=20, attempts=3, calls=8)

        async def read():
            async for _ in proposer.propose([ask()]):
                pass

        reading = asyncio.create_task(read())
        await until(lambda: model.in_flight == 1)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await until(lambda: model.in_flight == 0)
        assert model.started == 1, "nothing was tried again"
        await proposer.close()


async def test_a_stage_that_is_not_there_is_tried_a_bounded_number_of_times():
    async with socket() as address:
        proposer = RemoteProposer(address, timeout=20, attempts=3, calls=8)
        with pytest.raises(WorkerUnavailable, match="the generator at unix:"):
            _ = [update async for update in proposer.propose([ask()])]
        await proposer.close()


async def test_an_error_of_the_reader_is_its_own():
    """What goes wrong where the updates are read is not taken for a failure of the stage."""
    model = FaultyModel()
    async with socket() as address, serving(generator.mounts(model), address, drain_seconds=1):
        proposer = RemoteProposer(address, timeout=20, attempts=3, calls=8)

        async def fail():
            async with aclosing(proposer.propose([ask()])) as updates:
                async for _ in updates:
                    raise WorkerUnavailable("mine")

        with pytest.raises(WorkerUnavailable, match="mine"):
            await fail()
        assert model.started == 1
        await proposer.close()


async def test_a_request_that_the_stage_refuses_is_not_tried_again():
    model = FaultyModel()
    async with socket() as address, serving(generator.mounts(model), address, drain_seconds=1):
        proposer = RemoteProposer(address, timeout=20, attempts=3, calls=8)
        with pytest.raises(KotError) as raised:
            _ = [update async for update in proposer.propose([ask(samples=1000)])]
        assert raised.value.reason is Reason.INVALID_REQUEST
        assert model.started == 0
        await proposer.close()
