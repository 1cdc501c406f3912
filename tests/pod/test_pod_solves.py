"""Solves through Knative's proxies: refused, timed out, killed, from zero. Nothing is lost, and nothing paid twice."""

import asyncio
import sys
from contextlib import asynccontextmanager

import hooks
import pytest
from chaos_fleet import BUDGET, Calls, without_usage
from fleet import Run, details, fleet, refusal, solve, solve_request, until
from pods import COUNTED, WORKERS, cluster, logs, route
from redis_server import redis_server
from test_queue_proxy import REQUEST

from services.adapters import stages
from services.rpc.channel import dial
from services.rpc.gen.kubeofthoughts.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub

BOUND_SECONDS = 60
PROBLEMS = ("3 3 8 8", "1 3 4 6", "1 4 5 6", "2 3 7 11", "4 4 10 10")
FIELDS = {"problem": "3 3 8 8", "seed": 5, "budget": BUDGET}
"""A solve of some length, whose log does not depend on who is faster."""
OURS_SECONDS = 60
"""No call to a worker may take longer; Knative's limit is 300 unless it is set."""
UNITS = {"H": 3600, "M": 60, "S": 1, "m": 1e-3, "u": 1e-6, "n": 1e-9}
JUDGES_REMOTELY = {"evaluator": {"KOT_MODEL": "remote"}}


@pytest.fixture
async def undisturbed():
    async with fleet() as target:
        return await solve(target, **FIELDS)


@asynccontextmanager
async def counted_cluster(folder, monkeypatch, **settings):
    """A cluster whose models are slow and write down their calls, and which keeps answers in a Redis."""
    monkeypatch.setenv(hooks.FOLDER, str(folder))
    with redis_server() as redis:
        shared = {"KOT_CACHE": "redis", "KOT_CACHE_CLAIM_SECONDS": "1"} | redis.environment
        async with cluster(folder, command=COUNTED, **shared | settings) as running:
            yield running


def assert_as_if_nothing_had_been(run, undisturbed):
    assert run.status == undisturbed.status
    assert without_usage(run.log) == without_usage(undisturbed.log)
    assert run.result.answer == undisturbed.result.answer


async def midway(messages, run, count=6):
    """Read some messages."""
    async with asyncio.timeout(BOUND_SECONDS):
        while len(run.messages) < count:
            run.messages.append(await anext(messages))


# --- full -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bursts", [True, False])
async def test_with_one_call_at_a_time_in_each_worker_fifty_solves_at_once_finish(tmp_path, monkeypatch, bursts):
    """The evaluator asks the generator's model: it never waits for a call that waits for it."""
    monkeypatch.setattr("fleet.PATIENCE_SECONDS", 2 * BOUND_SECONDS)
    async with cluster(tmp_path, concurrency=1, bursts=bursts, own=JUDGES_REMOTELY) as running:
        solves = [
            solve(running.target, PROBLEMS[number % 5], seed=number, concurrency="CONCURRENCY_MODEL_ASYNC")
            for number in range(50)
        ]
        runs = await asyncio.gather(*solves)
        # With some seeds the scripted model takes the way to the answer for a dead end.
        assert {run.status for run in runs} <= {"SOLVED", "COMPLETION_TOKENS_SPENT"}
        assert [failure for run in runs for failure in run.failures()] == []
        assert sum(run.status == "SOLVED" for run in runs) >= 40
        for name in WORKERS:
            assert [pod.most_running for pod in running[name].revision.pods] == [1]
            assert bursts is (running[name].refusals[503] == 0) or name == "validator"
    assert [line for line in logs(running["orchestrator"].revision) if line["event"] == "parked"] == []


async def test_refused_calls_are_made_again_and_paid_once(tmp_path, monkeypatch, undisturbed):
    settings = {"concurrency": 1, "bursts": False, "own": JUDGES_REMOTELY}
    async with counted_cluster(tmp_path, monkeypatch, **settings) as running:
        fields = [FIELDS | {"seed": seed} for seed in range(5, 9)]
        runs = await asyncio.gather(*(solve(running.target, **each) for each in fields))
        assert sum(running[name].refusals[503] for name in WORKERS) > 0
    assert_as_if_nothing_had_been(runs[0], undisturbed)
    calls = Calls.read(tmp_path)
    assert calls.made > 0
    assert calls.paid_twice == []
    assert calls.cut.total() == 0


# --- too late, or gone ----------------------------------------------------------------------------------------------


def seconds(header):
    return int(header[:-1]) * UNITS[header[-1]]


async def test_every_call_of_ours_ends_before_knative_ends_it(tmp_path):
    async with cluster(tmp_path, own=JUDGES_REMOTELY) as running:
        assert (await solve(running.target)).status == "SOLVED"
        calls = [headers for name in WORKERS for headers in running[name].revision.heard]
    paths = {headers[":path"].rpartition("/")[2] for headers in calls}
    assert paths == {"Check", "Generate", "Complete", "Evaluate", "Validate"}
    for headers in calls:
        # A call that wakes a worker has no deadline of its own: it is left when the time for waking is over.
        assert headers[":path"].endswith("/Check") or seconds(headers["grpc-timeout"]) <= OURS_SECONDS


async def test_a_call_that_the_proxy_ends_is_made_again(tmp_path, monkeypatch, undisturbed):
    async with counted_cluster(tmp_path, monkeypatch) as running, dial(running.target) as channel:
        run = Run()
        messages = aiter(OrchestratorServiceStub(channel).Solve(solve_request(**FIELDS)))
        await midway(messages, run)
        for name in WORKERS:
            running[name].timeout = 0.01
        await until(lambda: sum(running["generator"].refusals.values()) > 0, BOUND_SECONDS)
        hooks.write_line("kill", "504")
        for name in WORKERS:
            running[name].timeout = 300
        run.messages += [message async for message in messages]
    assert_as_if_nothing_had_been(run, undisturbed)
    assert Calls.read(tmp_path).paid_twice == []


async def test_a_stage_whose_every_call_is_ended_is_named_in_the_error_and_the_solve_rests(
    tmp_path, monkeypatch, undisturbed
):
    settings = {"KOT_COLD_START_TIMEOUT": "1", "KOT_DETACH_GRACE": "0"}
    async with counted_cluster(tmp_path, monkeypatch, **settings) as running:
        running["evaluator"].timeout = 0.01
        error = await refusal(running.target, request_id="s", **FIELDS)
        code, info, _ = details(error)
        assert (code.name, info.reason) == ("UNAVAILABLE", "WORKER_UNAVAILABLE")
        assert error.details().startswith("the evaluator at ")
        running["evaluator"].timeout = 300
        assert_as_if_nothing_had_been(await solve(running.target, request_id="s", **FIELDS), undisturbed)


@pytest.mark.parametrize("name", WORKERS)
async def test_a_pod_that_is_killed_costs_what_was_in_flight(tmp_path, monkeypatch, undisturbed, name):
    settings = {"KOT_STAGE_ATTEMPTS": "10"}
    async with counted_cluster(tmp_path, monkeypatch, **settings) as running, dial(running.target) as channel:
        run = Run()
        messages = aiter(OrchestratorServiceStub(channel).Solve(solve_request(**FIELDS)))
        for count in (6, 9):
            await midway(messages, run, count)
            [pod] = running[name].revision.pods
            hooks.write_line("kill", name)
            pod.process.kill()
            await until(lambda pod=pod: running[name].revision.pods not in ([], [pod]), BOUND_SECONDS)
        run.messages += [message async for message in messages]
    assert_as_if_nothing_had_been(run, undisturbed)
    assert Calls.read(tmp_path).paid_twice == []


# --- from zero ------------------------------------------------------------------------------------------------------


def slow_to_start(seconds):
    """Run a service after a pause."""
    program = f"import runpy, sys, time; time.sleep({seconds}); runpy.run_module(sys.argv[1], run_name='__main__')"
    return (sys.executable, "-c", program)


def awaited(run):
    return {message.awaited.stage for message in run.messages if message.HasField("awaited")}


async def test_a_solve_wakes_all_stages_at_once_and_says_what_it_waits_for(tmp_path):
    async with cluster(tmp_path, pods=0, command=slow_to_start(1), KOT_COLD_START_TIMEOUT="60") as running:
        run = await solve(running.target)
        assert run.status == "SOLVED"
        assert awaited(run) == set(WORKERS)
        stages = [running[name].revision for name in WORKERS]
        assert [len(stage.started) for stage in stages] == [1, 1, 1]
        assert max(stage.started[0] for stage in stages) < min(stage.served[0] for stage in stages)
        assert not any(running[name].refusals for name in WORKERS)


async def test_a_generator_that_takes_long_to_serve_is_waited_for_and_that_is_no_retry(tmp_path):
    environment = {"KOT_COLD_START_TIMEOUT": "60", "KOT_STAGE_ATTEMPTS": "1", "KOT_STAGE_TIMEOUT": "4"}
    async with cluster(tmp_path, **environment) as running:
        stage = running["generator"].revision
        stage.command = slow_to_start(8)
        assert await stage.scale(0) == [0]
        run = await solve(running.target)
        assert run.status == "SOLVED"
        assert awaited(run) == {"generator"}
        assert len(stage.started) == 2


async def test_a_generator_that_never_serves_is_a_clear_error_in_time(tmp_path):
    async with cluster(tmp_path, KOT_COLD_START_TIMEOUT="2") as running:
        stage = running["generator"].revision
        stage.command = slow_to_start(1000)
        assert await stage.scale(0) == [0]
        error = await refusal(running.target)
    assert details(error)[1].reason == "WORKER_UNAVAILABLE"
    assert "the generator at" in error.details()
    assert "did not serve within 2 s" in error.details()


@pytest.mark.parametrize("name", WORKERS)
async def test_a_stage_that_falls_asleep_during_a_solve_is_woken_again(tmp_path, monkeypatch, undisturbed, name):
    async with counted_cluster(tmp_path, monkeypatch) as running, dial(running.target) as channel:
        run = Run()
        messages = aiter(OrchestratorServiceStub(channel).Solve(solve_request(**FIELDS)))
        await midway(messages, run)
        assert await running[name].revision.scale(0) == [0]
        run.messages += [message async for message in messages]
    assert_as_if_nothing_had_been(run, undisturbed)
    assert not running[name].refusals
    assert Calls.read(tmp_path).paid_twice == []


async def test_the_start_of_a_stage_that_fell_asleep_is_no_part_of_its_call(tmp_path, monkeypatch):
    monkeypatch.setattr(stages, "ASLEEP_SECONDS", 0.2)
    async with route("validator", tmp_path, pods=0) as serving:
        stage = stages.RemoteValidator(serving.target, timeout=3, attempts=1, calls=1, absence=BOUND_SECONDS)
        assert [update.id async for updates in stage.validate([REQUEST]) for update in updates] == ["a"]
        assert await serving.revision.scale(0) == [0]
        serving.revision.command = slow_to_start(4)
        await asyncio.sleep(0.3)
        assert [update.id async for updates in stage.validate([REQUEST]) for update in updates] == ["a"]
        paths = [headers[":path"].rpartition("/")[2] for headers in serving.revision.heard]
        assert paths == ["Check", "Validate", "Check", "Validate"]
        assert not serving.refusals
        await stage.close()
