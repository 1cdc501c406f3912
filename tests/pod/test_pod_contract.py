"""What Knative asks of a container, on each server as a process, with its proxy before it."""

import asyncio
import signal
import socket
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import grpc
import pytest
from fleet import until
from grpc_health.v1 import health_pb2, health_pb2_grpc
from h2wire import Wire
from pods import WORKERS, logs, route
from processes import service
from test_queue_proxy import BOUND_SECONDS, answered, held

from services.rpc.channel import dial

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
GRPC_SERVICES = (*WORKERS, "orchestrator")
RESERVED = {8008, 8012, 8013, 8022, 9090, 9091, 8112}
LISTENS = "0A"


def listening(pid):
    """Return the TCP ports that a process listens on."""
    sockets = set()
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            sockets.add(str(file.readlink()))
    lines = [line.split() for table in ("tcp", "tcp6") for line in Path(f"/proc/net/{table}").read_text().splitlines()]
    return {
        int(line[1].rpartition(":")[2], 16) for line in lines if line[3] == LISTENS and f"socket:[{line[9]}]" in sockets
    }


def test_a_port_that_is_listened_on_is_seen():
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert server.getsockname()[1] in listening("self")


@pytest.mark.parametrize("name", [*GRPC_SERVICES, "web"])
def test_it_listens_on_the_port_that_it_is_given_and_on_no_other(tmp_path, name):
    with service(name, tmp_path) as started:
        started.wait_until_serving()
        assert listening(started.process.pid) == {started.port}
        assert started.port not in RESERVED
        assert started.end() == 0


@pytest.mark.parametrize("name", GRPC_SERVICES)
async def test_it_serves_behind_the_proxy_and_ends_when_it_is_told_to(tmp_path, name):
    async with route(name, tmp_path, concurrency=1) as serving, dial(serving.target) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        assert (await health.Check(health_pb2.HealthCheckRequest())).status == SERVING
        assert await serving.revision.scale(0) == [0]
        assert (await health.Check(health_pb2.HealthCheckRequest())).status == SERVING
        assert await serving.revision.scale(0) == [0]
    assert {line["revision"] for line in logs(serving.revision)} == {serving.revision.name}
    assert [line["event"] for line in logs(serving.revision)] == ["serving", "draining", "stopped"] * 2
    assert not serving.refusals


async def test_on_sigterm_what_is_in_flight_ends_and_what_is_new_is_refused(tmp_path):
    async with route("validator", tmp_path) as serving, dial(serving.target) as channel:
        [pod] = serving.revision.pods
        call = await held(channel)
        await until(lambda: pod.load == 1, BOUND_SECONDS)
        async with dial(pod.target) as beside:
            watching = health_pb2_grpc.HealthStub(beside).Watch(health_pb2.HealthCheckRequest())
            assert (await watching.read()).status == SERVING
            ending = asyncio.create_task(serving.revision.scale(0, quiet=None))
            assert (await watching.read()).status == NOT_SERVING
            watching.cancel()
        async with dial(pod.target) as late:
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await (await held(late)).read()
            assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
        assert not ending.done()
        assert await answered(call) == ["a"]
        assert await ending == [0]
        assert not serving.refusals


async def test_what_outlasts_the_draining_is_cut_off_and_the_exit_is_orderly(tmp_path):
    async with route("validator", tmp_path, KOT_DRAIN_SECONDS="0.3") as serving, dial(serving.target) as channel:
        call = await held(channel)
        await until(lambda: serving.revision.pods[0].load == 1, BOUND_SECONDS)
        assert await serving.revision.scale(0, quiet=None) == [0]
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call.read()
        assert raised.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


async def test_knative_tells_a_pod_to_end_once_it_was_quiet_for_a_while(tmp_path):
    async with route("validator", tmp_path) as serving, dial(serving.target) as channel:
        [old] = serving.revision.pods
        call = await held(channel)
        await until(lambda: old.load == 1, BOUND_SECONDS)
        restarting = asyncio.create_task(serving.revision.restart(quiet=0.2))
        await until(lambda: len(serving.revision.pods) == 1 and serving.revision.pods[0] is not old, BOUND_SECONDS)
        assert await answered(await held(channel)) == ["a"], "the new one serves"
        assert [line["event"] for line in logs(serving.revision)] == ["serving", "serving"]
        assert await answered(call) == ["a"]
        assert await restarting == 0


@asynccontextmanager
async def wire_to(target):
    host, _, port = target.partition(":")
    _, wire = await asyncio.get_running_loop().create_connection(Wire, host, int(port))
    yield wire
    wire.abort()


@pytest.mark.parametrize("name", GRPC_SERVICES)
async def test_pings_that_keep_a_silent_call_alive_are_not_punished(tmp_path, name):
    with service(name, tmp_path) as started:
        started.wait_until_serving()
        async with wire_to(started.target) as wire:
            events = []
            path = b"/grpc.health.v1.Health/Watch"
            headers = {
                b":method": b"POST",
                b":scheme": b"http",
                b":path": path,
                b":authority": b"pod",
                b"te": b"trailers",
            }
            stream = wire.begin([*headers.items(), (b"content-type", b"application/grpc")], events.append)
            stream.send(data=bytes(5), end=True)
            await until(lambda: len(events) >= 2, BOUND_SECONDS)
            for number in range(50):
                wire.http.ping(number.to_bytes(8))
                wire.flush_soon()
                await until(lambda number=number: wire.pings == number + 1, BOUND_SECONDS)
            assert not wire.leaves
            assert not wire.lost.is_set()
            started.process.send_signal(signal.SIGTERM)
            # A GOAWAY would have been seen.
            await until(lambda: wire.leaves, BOUND_SECONDS)
