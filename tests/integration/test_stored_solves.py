"""Solves outlive their clients, their budgets and their pods: over real gRPC, with a log in a file that pods share."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import grpc
import pytest
from fleet import PATIENCE_SECONDS, SOLVABLE, UNSOLVABLE, Run, details, fleet, solve, solve_request, until

from services.adapters.log import create_log
from services.adapters.log.sqlite import SqliteLog
from services.core.errors import Reason, StoreUnavailable
from services.orchestrator.solves import POLL_SECONDS
from services.rpc.channel import dial
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.rpc.gen.kubeofthoughts.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub
from services.settings import RedisSettings, StateSettings
from services.testing.faulty_model import Fault, FaultyModel

SMALL = {"completion_tokens": 3000}


@asynccontextmanager
async def orchestrator(state, model=None, **fields):
    async with fleet(model, state=state, **fields) as target, dial(target) as channel:
        yield OrchestratorServiceStub(channel)


@pytest.fixture
def state(tmp_path):
    return StateSettings(state_path=tmp_path / "kot.db", detach_grace=0, lease_seconds=1)


async def read(messages, *first):
    run = Run(list(first))
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for message in messages:
            run.messages.append(message)
    return run


async def watch(stub, solve_id):
    return await read(stub.WatchSolve(wire.WatchSolveRequest(solve_id=solve_id, event_detail="EVENT_DETAIL_ALL")))


async def resume(stub, solve_id, **budget):
    request = wire.ResumeSolveRequest(solve_id=solve_id, budget=budget, event_detail="EVENT_DETAIL_ALL")
    return await read(stub.ResumeSolve(request))


async def described(stub, solve_id):
    return (await stub.GetSolve(wire.GetSolveRequest(solve_id=solve_id))).solve


async def state_is(stub, solve_id, state):
    async with asyncio.timeout(10):
        while wire.SolveState.Name((await described(stub, solve_id)).state) != f"SOLVE_STATE_{state}":  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def tree(stub, solve_id):
    return [
        thought async for batch in stub.GetTree(wire.GetTreeRequest(solve_id=solve_id)) for thought in batch.thoughts
    ]


async def left_in_the_middle(stub, model, solve_id="left"):
    """Begin a solve, and go away when its model has been asked a few things."""
    call = stub.Solve(solve_request(UNSOLVABLE, request_id=solve_id, budget=SMALL))
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for _ in call:
            if model.finished > 20:
                break
    call.cancel()
    await until(lambda: model.in_flight == 0)
    await state_is(stub, solve_id, "PARKED")


async def test_a_solve_that_its_client_leaves_is_parked_and_goes_on_for_the_next_as_if_nothing_had_been(state):
    async with fleet() as target:
        undisturbed = await solve(target, UNSOLVABLE, budget=SMALL)
    model = FaultyModel(delay=0.001)
    async with orchestrator(state, model) as stub:
        await left_in_the_middle(stub, model)
        asked = model.finished
        run = await watch(stub, "left")
        assert run.log == undisturbed.log
        assert [message.taken_up.pod for message in run.messages if message.HasField("taken_up")] == ["local"]
        assert (run.status, run.result.steps) == (undisturbed.status, undisturbed.result.steps)
        assert asked > 20
        # Once more, from the log alone.
        finished = model.finished
        assert (await watch(stub, "left")).messages == run.messages
        assert model.finished == finished


async def test_another_pod_takes_up_what_one_has_left_and_the_same_request_finds_it(state):
    model = FaultyModel(delay=0.001)
    async with orchestrator(state, model) as stub:
        await left_in_the_middle(stub, model)
    async with orchestrator(state) as stub:
        run = await read(stub.Solve(solve_request(UNSOLVABLE, request_id="left", budget=SMALL)))
        assert run.status == "COMPLETION_TOKENS_SPENT"
        assert [message.WhichOneof("event") for message in run.messages].count("accepted") == 1


async def test_a_pod_that_ends_parks_what_runs_and_another_goes_on_with_it(state):
    # Too slow to end while the pod drains.
    model = FaultyModel(delay=0.05)
    async with orchestrator(state, model) as stub:
        call = stub.Solve(solve_request(UNSOLVABLE, request_id="moved", budget=SMALL))
        await call.read()
        await until(lambda: model.finished > 20)
    async with orchestrator(state) as stub:
        solved = await described(stub, "moved")
        assert solved.state == wire.SOLVE_STATE_PARKED
        assert solved.usage.completion_tokens > 0
        run = await watch(stub, "moved")
        assert run.status == "COMPLETION_TOKENS_SPENT"
        assert run.result.usage.completion_tokens >= solved.usage.completion_tokens


async def test_any_number_of_watchers_see_one_solve_on_two_pods(state):
    model = FaultyModel(delay=0.002)
    async with orchestrator(state, model) as one, orchestrator(state) as other:
        messages = aiter(one.Solve(solve_request(UNSOLVABLE, request_id="seen", budget=SMALL)))
        first = await anext(messages)
        watchers = [asyncio.create_task(watch(stub, "seen")) for stub in (one, other, one, other)]
        run = await read(messages, first)
        for watcher in watchers:
            assert (await watcher).log == run.log
            assert (await watcher).result == run.result


async def test_the_deadline_of_the_watcher_that_took_a_solve_up_is_no_matter_of_the_solve(state):
    model = FaultyModel(delay=0.001)
    async with orchestrator(state, model) as stub:
        await left_in_the_middle(stub, model)
    async with orchestrator(state, FaultyModel(delay=0.3)) as stub:
        hurried = aiter(stub.WatchSolve(wire.WatchSolveRequest(solve_id="left"), timeout=1))
        while not (await anext(hurried)).HasField("taken_up"):
            pass
        patient = asyncio.create_task(watch(stub, "left"))
        with pytest.raises(grpc.aio.AioRpcError):
            await read(hurried)
        run = await patient
        assert (run.status, run.failures()) == ("COMPLETION_TOKENS_SPENT", [])


async def test_a_watcher_that_does_not_read_slows_nobody(state):
    async with orchestrator(state, FaultyModel(delay=0.001)) as stub:
        request = solve_request(UNSOLVABLE, request_id="slow", budget={"completion_tokens": 20_000})
        messages = aiter(stub.Solve(request))
        first = await anext(messages)
        idle = stub.WatchSolve(wire.WatchSolveRequest(solve_id="slow", event_detail="EVENT_DETAIL_ALL"))
        idle = aiter(idle)
        begun = await anext(idle)
        run = await read(messages, first)
        assert run.result.status == wire.SOLVE_STATUS_COMPLETION_TOKENS_SPENT
        # And then it reads all of it.
        assert (await read(idle, begun)).log == run.log


async def test_a_larger_budget_goes_on_where_a_smaller_one_ended(state):
    async with orchestrator(state) as stub:
        first = await read(stub.Solve(solve_request("3 3 8 8", request_id="more", budget={"completion_tokens": 300})))
        assert first.status == "COMPLETION_TOKENS_SPENT"
        same = await resume(stub, "more")
        assert same.status == "COMPLETION_TOKENS_SPENT"
        run = await resume(stub, "more", completion_tokens=200_000)
        assert run.status == "SOLVED"
        assert run.log[: len(first.log)] == first.log
        assert run.result.usage.completion_tokens > first.result.usage.completion_tokens
        assert (await resume(stub, "more", completion_tokens=300_000)).result == run.result
        assert (await watch(stub, "more")).messages == run.messages


async def test_a_solve_that_has_just_ended_is_resumed_once_its_lease_is_free(state, monkeypatch):
    release = SqliteLog.release

    async def release_late(log, lease):
        await asyncio.sleep(0.2)
        await release(log, lease)

    monkeypatch.setattr(SqliteLog, "release", release_late)
    async with orchestrator(state) as stub:
        await read(stub.Solve(solve_request("3 3 8 8", request_id="soon", budget={"completion_tokens": 300})))
        assert (await resume(stub, "soon")).status == "COMPLETION_TOKENS_SPENT"


async def test_a_process_does_not_take_a_solve_from_itself_when_its_lease_runs_out(state, monkeypatch):
    async def unheard(_log, _lease):
        raise StoreUnavailable("the log is away")

    monkeypatch.setattr(SqliteLog, "renew", unheard)
    async with orchestrator(state, FaultyModel(lambda _request: Fault.HANGS)) as stub:
        call = stub.Solve(solve_request(request_id="busy"))
        await call.read()
        await state_is(stub, "busy", "PARKED")
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            async with asyncio.timeout(5):
                await resume(stub, "busy", completion_tokens=10**6)
        assert details(raised.value)[1].reason == "LEASE_HELD"


async def test_a_solve_that_runs_is_not_resumed(state):
    model = FaultyModel(lambda _request: Fault.HANGS)
    async with orchestrator(state, model) as stub, orchestrator(state) as other:
        call = stub.Solve(solve_request(request_id="busy"))
        await call.read()
        for each in (stub, other):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await resume(each, "busy", completion_tokens=10**6)
            assert details(raised.value)[1].reason == "LEASE_HELD"


async def test_a_solve_is_ended_wherever_it_runs_and_where_it_is_parked(state):
    model = FaultyModel(delay=0.01)
    async with orchestrator(state, model) as stub, orchestrator(state) as other:
        messages = aiter(stub.Solve(solve_request(UNSOLVABLE, request_id="far")))
        first = await anext(messages)
        await other.CancelSolve(wire.CancelSolveRequest(solve_id="far"))
        assert (await read(messages, first)).status == "CANCELLED"
        await left_in_the_middle(stub, model, "rests")
        await other.CancelSolve(wire.CancelSolveRequest(solve_id="rests"))
        assert (await watch(stub, "rests")).status == "CANCELLED"
        for solve_id in ("far", "rests", "none"):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await other.CancelSolve(wire.CancelSolveRequest(solve_id=solve_id))
            assert details(raised.value)[1].reason == "UNKNOWN_SOLVE"


async def test_a_follower_is_not_told_why_a_solve_was_parked_that_another_process_has_just_claimed(state):
    model = FaultyModel(delay=0.001)
    async with orchestrator(state, model) as stub:
        await left_in_the_middle(stub, model)
    log = create_log(state.model_copy(update={"lease_seconds": 60}), RedisSettings())
    lease, head = await log.claim("left"), await log.head("left")
    away = replace(head.last, why="the generator is away", reason=Reason.WORKER_UNAVAILABLE)
    await log.append(lease, head.length, [away])
    async with orchestrator(state) as stub:
        watcher = asyncio.create_task(watch(stub, "left"))
        await asyncio.wait([watcher], timeout=1.5 * POLL_SECONDS)
        await log.release(lease)
        assert (await watcher).status == "COMPLETION_TOKENS_SPENT"
    await log.close()


async def test_a_solve_that_is_parked_while_it_is_told_to_end_ends_all_the_same(state):
    async with orchestrator(state, FaultyModel(delay=0.01)) as stub, orchestrator(state) as other:
        for solve_id, asked in (("here", stub), ("far", other)):
            call = stub.Solve(solve_request(UNSOLVABLE, request_id=solve_id))
            await anext(aiter(call))
            ending = asked.CancelSolve(wire.CancelSolveRequest(solve_id=solve_id))
            call.cancel()
            await ending
            assert (await described(stub, solve_id)).status == wire.SOLVE_STATUS_CANCELLED


async def test_a_solve_that_failed_says_so_again_and_may_be_tried_again(state):
    broken = FaultyModel(lambda _request: Fault.RAISES)
    async with orchestrator(state, broken) as stub:
        calls = [
            (stub.Solve, solve_request(request_id="fails")),
            (stub.WatchSolve, wire.WatchSolveRequest(solve_id="fails")),
        ]
        for call, request in calls:
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await read(call(request))
            assert details(raised.value)[1].reason == "MODEL_FAILED"
        assert broken.started == 1
        failed = await described(stub, "fails")
        assert (failed.state, bool(failed.message)) == (wire.SOLVE_STATE_FAILED, True)
    async with orchestrator(state) as stub:
        assert (await resume(stub, "fails")).status == "SOLVED"


async def test_solves_are_listed_and_described_and_their_trees_are_shown(state):
    async with orchestrator(state) as stub:
        runs = {}
        for number in range(5):
            runs[f"s{number}"] = await read(stub.Solve(solve_request(SOLVABLE, request_id=f"s{number}", seed=number)))
        page = await stub.ListSolves(wire.ListSolvesRequest(page_size=3))
        rest = await stub.ListSolves(wire.ListSolvesRequest(page_size=3, page_token=page.next_page_token))
        assert [s.solve_id for s in (*page.solves, *rest.solves)] == ["s4", "s3", "s2", "s1", "s0"]
        assert rest.next_page_token == ""
        got = await stub.GetSolve(wire.GetSolveRequest(solve_id="s2"))
        assert got.solve == page.solves[2]
        assert got.request == solve_request(SOLVABLE, request_id="s2", seed=2)
        assert (got.solve.answer, got.solve.usage) == (runs["s2"].result.answer, runs["s2"].result.usage)
        thoughts = await tree(stub, "s2")
        known = {node.thought.id: node for node in runs["s2"].tree}
        assert {thought.thought_id for thought in thoughts} == set(known)
        for thought in thoughts:
            node = known[thought.thought_id]
            assert (thought.parent_id or None, thought.text) == (node.thought.parent_id, node.thought.text)
            assert wire.ThoughtStatus.Name(thought.status) == f"THOUGHT_STATUS_{node.status.name}"
            assert thought.score == node.score
            assert 1 + len(thought.merged) == max(len(node.parents), 1)
        path = [line for thought in thoughts if thought.on_answer_path for line in thought.text.split("\n")]
        assert path == [runs["s2"].accepted.problem, *runs["s2"].result.steps]


@pytest.mark.parametrize("call", ["WatchSolve", "ResumeSolve", "GetSolve", "GetTree"])
async def test_what_is_not_known_is_not_found(state, call):
    async with orchestrator(state) as stub:
        asked = getattr(stub, call)(getattr(wire, f"{call}Request")(solve_id="none"))
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await (asked if call == "GetSolve" else read(asked))
    assert details(raised.value)[1].reason == "UNKNOWN_SOLVE"


async def test_a_log_in_memory_keeps_what_its_process_needs(tmp_path):
    state = StateSettings(log="memory", tree="none", detach_grace=10)
    model = FaultyModel(delay=0.001)
    async with orchestrator(state, model) as stub:
        # Nobody else could take it up, so it is not run on for nobody.
        await left_in_the_middle(stub, model)
        assert (await watch(stub, "left")).status == "COMPLETION_TOKENS_SPENT"


async def test_within_its_grace_a_solve_runs_on_without_a_client(tmp_path):
    state = StateSettings(state_path=tmp_path / "kot.db", detach_grace=30)
    async with orchestrator(state, FaultyModel(delay=0.001)) as stub:
        call = stub.Solve(solve_request(UNSOLVABLE, request_id="alone", budget=SMALL))
        await anext(aiter(call))
        call.cancel()
        await state_is(stub, "alone", "ENDED")
        assert not any(message.HasField("taken_up") for message in (await watch(stub, "alone")).messages)
