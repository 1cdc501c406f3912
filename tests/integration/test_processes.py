"""The services as processes: how they begin, how they end, and what they log."""

import asyncio
import signal
import socket as sockets
import time

import grpc
import pytest
from fleet import UNSOLVABLE, fleet, solve, solve_request
from processes import four_processes, service

from services.rpc.channel import dial
from services.rpc.gen.kubeofthoughts.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub

ENDLESS = {
    "settings": {"evaluation_threshold": 0},
    "budget": {"completion_tokens": 10**8, "model_calls": 10**6, "nodes": 10**6},
}


def events(log):
    return [line["event"] for line in log]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_every_service_ends_when_it_is_told_to_and_logs_json(tmp_path, number):
    with four_processes(tmp_path, HOSTNAME="pod-7", K_REVISION="r-3") as services:
        assert [started.end(number) for started in services] == [0, 0, 0, 0]
        for started in services:
            assert events(started.log) == ["serving", "draining", "stopped"]
            assert {(line["pod"], line["revision"]) for line in started.log} == {("pod-7", "r-3")}
            assert {line["service"] for line in started.log} == {started.name}


async def test_a_solve_in_flight_ends_before_its_servers_do(tmp_path):
    with four_processes(tmp_path) as services:
        async with dial(services[0].target) as channel:
            stub = OrchestratorServiceStub(channel)
            messages = aiter(stub.Solve(solve_request(UNSOLVABLE, **ENDLESS | {"budget": {"wall_seconds": 2}})))
            for _ in range(5):
                await anext(messages)
            services[0].process.terminate()
            rest = [message async for message in messages]
        assert rest[-1].WhichOneof("event") == "result"
        assert [await services[0].ended(), *[started.end() for started in services[1:]]] == [0, 0, 0, 0]
        assert events(services[0].log)[-2:] == ["solved", "stopped"]


@pytest.mark.parametrize("drain", ["20", "0.3"])
async def test_all_services_told_to_end_during_a_solve_drain_without_a_trace(tmp_path, drain):
    """Workers that are gone, and a solve that outlasts its server: the client hears UNAVAILABLE or CANCELLED."""
    with four_processes(tmp_path, KOT_DRAIN_SECONDS=drain, KOT_COLD_START_TIMEOUT="1") as services:
        async with dial(services[0].target) as channel, asyncio.timeout(20):
            messages = aiter(OrchestratorServiceStub(channel).Solve(solve_request(UNSOLVABLE, **ENDLESS)))
            for _ in range(20):
                await anext(messages)
            for started in services:
                started.process.terminate()
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                _ = [message async for message in messages]
            assert raised.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
        assert [await started.ended() for started in services] == [0, 0, 0, 0]
        for started in services:
            assert "draining" in events(started.log), "every line is JSON"
            assert not [line for line in started.log if line["level"] == "error"]


async def test_clients_that_go_away_leave_no_trace_in_the_logs(tmp_path):
    with four_processes(tmp_path) as services:
        for pause in (0.0, 0.1, 0.4):
            async with dial(services[0].target) as channel:
                call = OrchestratorServiceStub(channel).Solve(solve_request(UNSOLVABLE, **ENDLESS))
                await call.read()
                await asyncio.sleep(pause)
                call.cancel()
        assert (await solve(services[0].target)).status == "SOLVED"
        assert [started.end() for started in services] == [0, 0, 0, 0]
        for started in services:
            assert not [line for line in started.log if line["level"] in ("warning", "error")]


async def test_a_generator_that_is_killed_and_started_again_does_not_end_the_solve(tmp_path):
    with (
        service("evaluator", tmp_path) as judge,
        service("validator", tmp_path) as checker,
        service("generator", tmp_path) as first,
    ):
        targets = {f"KOT_{each.name.upper()}_TARGET": each.target for each in (first, judge, checker)}
        with service("orchestrator", tmp_path, KOT_STAGE_ATTEMPTS="30", **targets) as front:
            for started in (first, judge, checker, front):
                started.wait_until_serving()
            request = {"settings": {"evaluation_threshold": 0}, "budget": {"completion_tokens": 60_000}}
            solving = asyncio.create_task(solve(front.target, UNSOLVABLE, **request))
            await asyncio.sleep(0.2)
            first.end(signal.SIGKILL)
            with service("generator", tmp_path, port=first.port):
                run = await solving
            assert run.status == "COMPLETION_TOKENS_SPENT"
            assert run.result.usage.completion_tokens <= 60_000


async def test_an_evaluator_may_use_the_generators_model(tmp_path):
    with service("generator", tmp_path) as first:
        remote = {"KOT_MODEL": "remote", "KOT_MODEL_TARGET": first.target}
        with service("evaluator", tmp_path, **remote) as judge, service("validator", tmp_path) as checker:
            targets = {f"KOT_{each.name.upper()}_TARGET": each.target for each in (first, judge, checker)}
            with service("orchestrator", tmp_path, **targets) as front:
                for started in (first, judge, checker, front):
                    started.wait_until_serving()
                there = await solve(front.target)
    async with fleet() as target:
        here = await solve(target)
    assert there.status == "SOLVED"
    assert there.log == here.log, "where the model runs changes what is found"


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"KOT_MODEL": "embedded", "KOT_MODEL_PATH": "/no/such/model.gguf"}, ["/no/such/model.gguf", "KOT_MODEL_PATH"]),
        ({"KOT_MODEL": "embedded", "KOT_MODEL_PATH": __file__}, [__file__, "GGUF"]),
        ({"KOT_MODEL": "chatty"}, ["KOT_MODEL", "chatty", "embedded", "scripted"]),
        ({"KOT_MODEL": "vllm"}, ["KOT_VLLM_MODEL"]),
        ({"KOT_MODEL": "vllm", "KOT_VLLM_MODEL": "m"}, ["kube-of-thoughts[vllm]"]),
        ({"KOT_MODEL_PARALLEL": "none"}, ["KOT_MODEL_PARALLEL", "none"]),
        ({"PORT": "-1"}, ["PORT", "-1"]),
        ({"KOT_LOG_LEVEL": "loud"}, ["KOT_LOG_LEVEL", "loud"]),
        ({"KOT_HOST": "no.such.host.invalid"}, ["no.such.host.invalid"]),
    ],
)
def test_settings_that_cannot_work_are_one_clear_line(tmp_path, environment, says):
    with service("generator", tmp_path, **environment) as started:
        assert started.process.wait(20) == 78
        [line] = [line for line in started.log if line["level"] == "error"]
        assert all(word in line["message"] for word in says), line
        assert len(started.log) == 1


def test_a_port_that_is_taken_is_one_clear_line(tmp_path):
    with sockets.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with service("validator", tmp_path, port=port) as started:
            assert started.process.wait(20) == 78
            [line] = started.log
            assert f"127.0.0.1:{port}" in line["message"]


def test_a_process_that_is_told_to_end_while_it_starts_ends(tmp_path):
    with service("generator", tmp_path, KOT_MODEL="embedded") as started:
        time.sleep(0.3)
        assert started.end() in (0, -signal.SIGTERM)
        assert "Traceback" not in started.stderr.read_text()
