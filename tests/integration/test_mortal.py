"""A model that dies takes its process with it, and the batch is served by the next one."""

import asyncio
import os
import sys
from contextlib import suppress

import grpc
import pytest
from fleet import solve
from grpc_health.v1 import health_pb2, health_pb2_grpc
from processes import free_port, service

from services.cli.exits import Exit
from services.core.errors import WorkerUnavailable
from services.core.ports import CompletionRequest, Sampling
from services.rpc.channel import dial
from services.rpc.convert import completion_request_to_proto
from services.rpc.gen.kubeofthoughts.v1.language_model_service_pb2_grpc import LanguageModelServiceStub
from services.rpc.status import from_rpc_error

DIED = 70
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

PLUGIN = """
from itertools import count
from services.testing.faulty_model import Fault, FaultyModel

def create(settings):
    calls = count(1)
    return FaultyModel(lambda request: Fault.DIES if next(calls) >= LIVES else Fault.NONE)
"""


@pytest.fixture
def mortal(tmp_path, monkeypatch):
    """A backend of someone else, which dies in the call whose number is given; returns settings that choose it."""

    def plant(lives):
        info = tmp_path / "mortal-1.0.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mortal\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[kube_of_thoughts.models]\nmortal = mortal\n")
        (tmp_path / "mortal.py").write_text(PLUGIN.replace("LIVES", str(lives)))
        return {"KOT_MODEL": "mortal", "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}

    return plant


async def test_a_service_whose_model_dies_says_so_breaks_its_calls_and_ends(tmp_path, mortal):
    with service("generator", tmp_path, **mortal(1)) as started:
        started.wait_until_serving()
        async with dial(started.target) as channel, asyncio.timeout(20):
            watching = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
            assert (await watching.read()).status == SERVING
            request = CompletionRequest(prompt="Input: 1 2\nNext:\n", samples=1, sampling=Sampling(), seed=1)
            call = LanguageModelServiceStub(channel).Complete(completion_request_to_proto(request))
            assert (await call.read()).HasField("begun")
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await call.read()
            assert isinstance(from_rpc_error(raised.value, "it"), WorkerUnavailable), "what callers try again"
            assert (await watching.read()).status == NOT_SERVING
            assert await started.ended() == DIED
        assert [line["event"] for line in started.log] == ["serving", "the model died"]


async def test_the_batch_of_a_model_that_died_is_served_by_the_next_one(tmp_path, mortal):
    with (
        service("evaluator", tmp_path) as judge,
        service("validator", tmp_path) as checker,
        service("generator", tmp_path, **mortal(2)) as first,
    ):
        targets = {f"KOT_{each.name.upper()}_TARGET": each.target for each in (first, judge, checker)}
        with service("orchestrator", tmp_path, KOT_STAGE_ATTEMPTS="30", **targets) as front:
            for started in (first, judge, checker, front):
                started.wait_until_serving()
            solving = asyncio.create_task(solve(front.target))
            assert await first.ended() == DIED
            with service("generator", tmp_path, port=first.port):
                run = await solving
            assert run.status == "SOLVED"
            assert not run.failures(), "no request was told that it failed"


async def test_kot_serve_ends_with_its_model(mortal):
    port = free_port()
    settings = {key: value for key, value in os.environ.items() if not key.startswith("KOT_")} | mortal(1)
    kot = ["-m", "services.cli.main", "serve", "--port", str(port), "--web-port", "0"]
    server = await asyncio.create_subprocess_exec(sys.executable, *kot, env=settings, stderr=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(30):
            while b'"serving"' not in await server.stderr.readline():
                pass
            with pytest.raises(grpc.aio.AioRpcError):
                await solve(f"127.0.0.1:{port}")
            said = await server.stderr.read()
            assert await server.wait() == Exit.UNAVAILABLE
    finally:
        with suppress(ProcessLookupError):
            server.kill()
    assert b"the model died; start `kot serve` again" in said
