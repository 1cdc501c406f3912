"""The proxy that the tests of pods trust: it does what Knative's does, and nothing to what it passes on."""

import asyncio
from contextlib import AsyncExitStack

import grpc
import pytest
from fleet import until
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from pods import route

from services.core.ports import Sampling, TaskSelection, ValidateRequest
from services.rpc import convert
from services.rpc.channel import dial
from services.rpc.gen.kubeofthoughts.v1 import validator_service_pb2 as wire
from services.rpc.gen.kubeofthoughts.v1.validator_service_pb2_grpc import ValidatorServiceStub

BOUND_SECONDS = 30
REQUEST = ValidateRequest(
    id="a",
    task=TaskSelection(name="game24"),
    problem="1 1 11 11",
    answer="(1 + 11) * (1 + 1)",
    sampling=Sampling(),
)


async def held(channel):
    """Begin a call that goes on until its client says that it has sent all."""
    call = ValidatorServiceStub(channel).Validate()
    await call.write(convert.validate_request_to_proto(REQUEST))
    return call


async def answered(call):
    await call.done_writing()
    return [update.id async for message in call for update in message.updates]


def says(raised):
    return raised.value.code(), raised.value.details()


async def test_calls_and_streams_pass_with_all_that_they_say(tmp_path):
    async with route("validator", tmp_path) as serving, dial(serving.target) as channel:
        call = await held(channel)
        assert await answered(call) == ["a"]
        assert await call.code() is grpc.StatusCode.OK
        refused = ValidatorServiceStub(channel).Validate(iter([wire.ValidateRequest(id="a" * 1000)]))
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await refused.read()
        assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "grpc-status-details-bin" in dict(raised.value.trailing_metadata())
        assert not serving.refusals


async def test_a_slow_reader_stops_its_stream_and_no_other(tmp_path):
    async with route("validator", tmp_path) as serving, dial(serving.target) as channel:
        ask = reflection_pb2.ServerReflectionRequest(file_containing_symbol="kubeofthoughts.v1.ValidatorService")
        slow = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([ask] * 2000))
        first = await slow.read()
        async with asyncio.timeout(BOUND_SECONDS):
            assert await answered(await held(channel)) == ["a"]
            rest = [await slow.read() for _ in range(1999)]
        assert rest == [first] * 1999
        assert first.ByteSize() * 2000 > 2**20, "more than any window"


@pytest.mark.parametrize("limit", [1, 2])
async def test_so_many_run_ten_times_as_many_wait_and_the_rest_is_refused(tmp_path, limit):
    async with (
        route("validator", tmp_path, concurrency=limit, bursts=False) as serving,
        dial(serving.target) as channel,
    ):
        [pod] = serving.revision.pods
        calls = [await held(channel) for _ in range(11 * limit)]
        await until(lambda: pod.load == 11 * limit, BOUND_SECONDS)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        assert says(raised) == (grpc.StatusCode.UNAVAILABLE, "Received http2 header with status: 503")
        calls.pop().cancel()
        await until(lambda: pod.load == 11 * limit - 1, BOUND_SECONDS)
        calls.append(await held(channel))
        assert await asyncio.gather(*map(answered, calls)) == [["a"]] * 11 * limit
        assert (pod.most_running, pod.load) == (limit, 0)
        assert serving.refusals == {503: 1}


async def test_the_activator_holds_what_no_pod_has_a_place_for(tmp_path):
    async with route("validator", tmp_path, concurrency=1) as serving, dial(serving.target) as channel:
        [pod] = serving.revision.pods
        calls = [await held(channel) for _ in range(20)]
        await until(lambda: pod.load == 1, BOUND_SECONDS)
        await serving.revision.scale(2)
        assert [len(each.running) for each in serving.revision.pods] == [1, 1]
        assert await asyncio.gather(*map(answered, calls)) == [["a"]] * 20
        assert [each.most_running for each in serving.revision.pods] == [1, 1]
        assert not serving.refusals


@pytest.mark.parametrize("bursts", [True, False])
async def test_what_takes_too_long_is_answered_504_waiting_included(tmp_path, bursts):
    async with (
        route("validator", tmp_path, concurrency=1, timeout=1, bursts=bursts) as serving,
        dial(serving.target) as channel,
    ):
        for call in [await held(channel) for _ in range(3)]:
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await call.read()
            assert says(raised) == (grpc.StatusCode.UNAVAILABLE, "Received http2 header with status: 504")
        assert serving.refusals == {504: 3}
        assert serving.revision.pods[0].load == 0


async def test_an_answer_that_has_begun_is_broken_off_at_the_limit(tmp_path):
    async with route("validator", tmp_path, timeout=1) as serving, dial(serving.target) as channel:
        watching = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert (await watching.read()).status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await watching.read()
        assert raised.value.code() is grpc.StatusCode.INTERNAL
        assert serving.refusals == {"reset": 1}


async def test_a_pod_that_dies_breaks_its_calls_off_and_is_replaced(tmp_path):
    async with route("validator", tmp_path) as serving, dial(serving.target) as channel:
        [pod] = serving.revision.pods
        watching = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        await watching.read()
        waiting = await held(channel)
        await until(lambda: pod.load == 2, BOUND_SECONDS)
        pod.process.kill()
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await watching.read()
        assert raised.value.code() is grpc.StatusCode.INTERNAL
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await waiting.read()
        assert says(raised) == (grpc.StatusCode.UNAVAILABLE, "Received http2 header with status: 502")
        await until(lambda: pod not in serving.revision.pods, BOUND_SECONDS)
        async with asyncio.timeout(BOUND_SECONDS):
            assert await answered(await held(channel)) == ["a"]


async def test_a_cancel_reaches_the_pod(tmp_path):
    async with route("validator", tmp_path, KOT_DRAIN_SECONDS="60") as serving, dial(serving.target) as channel:
        [pod] = serving.revision.pods
        call = await held(channel)
        await until(lambda: pod.load == 1, BOUND_SECONDS)
        call.cancel()
        await until(lambda: pod.load == 0, BOUND_SECONDS)
        async with asyncio.timeout(BOUND_SECONDS):
            assert await serving.revision.scale(0) == [0], "a server that still had the call would wait for its end"


async def test_from_zero_calls_are_held_until_a_pod_serves(tmp_path):
    async with AsyncExitStack() as stack:
        serving = await stack.enter_async_context(route("validator", tmp_path, pods=0))
        channel = await stack.enter_async_context(dial(serving.target))
        calls = [await held(channel) for _ in range(5)]
        assert await asyncio.gather(*map(answered, calls)) == [["a"]] * 5
        assert len(serving.revision.pods) == 1
        assert await serving.revision.scale(0) == [0]
        assert await answered(await held(channel)) == ["a"]
