"""Every server: health, reflection, errors with their reasons, and defects that are logged and not told."""

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from fleet import details, fleet, socket, solve
from google.rpc import status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from structlog.testing import capture_logs

from services.core import errors
from services.core.errors import InvalidInput, KotError, Reason
from services.orchestrator.servicer import OrchestratorServicer
from services.orchestrator.wiring import add_OrchestratorServiceServicer_to_server
from services.plugins import STRATEGIES, TASKS, find_task
from services.rpc.channel import dial, wake
from services.rpc.gen.kubeofthoughts.v1 import error_reason_pb2, thought_pb2
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.rpc.gen.kubeofthoughts.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub
from services.rpc.server import Mount, serving
from services.rpc.status import CODES, DETAILS_KEY, from_failure, from_rpc_error, make_error, to_failure

SERVICES = [
    "kubeofthoughts.v1.EvaluatorService",
    "kubeofthoughts.v1.GeneratorService",
    "kubeofthoughts.v1.LanguageModelService",
    "kubeofthoughts.v1.OrchestratorService",
    "kubeofthoughts.v1.ValidatorService",
]
GRPCURL = Path(sys.executable).with_name("grpcurl")


async def test_every_service_says_that_it_serves():
    async with fleet() as target, dial(target) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for service in ["", *SERVICES]:
            answer = await health.Check(health_pb2.HealthCheckRequest(service=service))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_reflection_lists_every_service():
    async with fleet() as target, dial(target) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        [answer] = [answer async for answer in stub.ServerReflectionInfo(iter([request]))]
        listed = {service.name for service in answer.list_services_response.service}
        assert listed == {*SERVICES, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}


async def grpcurl(target, *arguments):
    """Run grpcurl; returns its exit code and what it printed."""
    scheme, _, path = target.partition(":")
    address = ["-unix", path] if scheme == "unix" else [target]
    options = [argument for argument in arguments if argument.startswith(("-", "{"))]
    rest = [argument for argument in arguments if argument not in options]
    process = await asyncio.create_subprocess_exec(
        GRPCURL, "-plaintext", *options, *address, *rest, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(20):
        out, err = await process.communicate()
    return process.returncode, out.decode() + err.decode()


@pytest.mark.skipif(not GRPCURL.exists(), reason="grpcurl is not installed")
async def test_grpcurl_lists_describes_and_solves_as_typed():
    async with fleet() as target:
        _, listed = await grpcurl(target, "list")
        assert all(service in listed for service in SERVICES)
        assert "rpc Solve" in (await grpcurl(target, "describe", SERVICES[3]))[1]
        code, text = await grpcurl(target, "-d", '{"problem": "1 1 11 11"}', f"{SERVICES[3]}/Solve")
        assert code == 0, text
        assert "SOLVE_STATUS_SOLVED" in text
        code, text = await grpcurl(target, "-d", '{"problem": "letters"}', f"{SERVICES[3]}/Solve")
        assert code != 0
        assert "InvalidArgument" in text
        assert json.dumps("INVALID_PROBLEM").strip('"') in text


async def test_the_lists_name_all_that_there_is_with_its_ranges():
    async with fleet() as target, dial(target) as channel:
        stub = OrchestratorServiceStub(channel)
        tasks = (await stub.ListTasks(wire.ListTasksRequest())).tasks
        assert [task.name for task in tasks] == TASKS.names()
        assert all(task.summary and task.example and task.depth for task in tasks)
        assert all(task.prompts.propose and task.prompts.evaluate for task in tasks)
        assert {task.name for task in tasks if not task.prompts.validate} == {
            name for name in TASKS.names() if find_task(name).checked
        }
        strategies = (await stub.ListStrategies(wire.ListStrategiesRequest())).strategies
        assert [strategy.name for strategy in strategies] == ["auto", *STRATEGIES.names()]
        for strategy in strategies:
            assert strategy.summary
            for setting in strategy.settings:
                assert setting.text
                assert setting.default.WhichOneof("kind")
                assert setting.type in ("int", "float", "bool")


async def test_every_strategy_takes_its_own_defaults():
    async with fleet() as target, dial(target) as channel:
        strategies = (await OrchestratorServiceStub(channel).ListStrategies(wire.ListStrategiesRequest())).strategies
        for strategy in strategies:
            given = {
                setting.name: getattr(setting.default, setting.default.WhichOneof("kind"))
                for setting in strategy.settings
            }
            run = await solve(target, strategy=strategy.name, settings=given)
            assert run.status in ("SOLVED", "COMPLETION_TOKENS_SPENT", "EXHAUSTED")


# --- errors ---------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def raising(error):
    """A server whose every call fails with `error`; gives a stub and what the server logs."""

    class Failing(OrchestratorServicer):
        def __init__(self):
            pass

        async def CancelSolve(self, request, context):  # noqa: N802
            raise error

        async def Solve(self, request, context):  # noqa: N802
            yield wire.SolveResponse(accepted=wire.SolveAccepted(solve_id="a"))
            raise error

    mount = Mount("kubeofthoughts.v1.OrchestratorService", add_OrchestratorServiceServicer_to_server, Failing())
    with capture_logs() as logs:
        async with socket() as address, serving([mount], address, drain_seconds=1), dial(address) as channel:
            yield OrchestratorServiceStub(channel), logs


async def failures_of(stub):
    """The errors of a unary call and of a stream."""
    with pytest.raises(grpc.aio.AioRpcError) as unary:
        await stub.CancelSolve(wire.CancelSolveRequest(solve_id="a"))
    with pytest.raises(grpc.aio.AioRpcError) as stream:
        _ = [message async for message in stub.Solve(wire.SolveRequest(problem="1 1 11 11"))]
    return unary.value, stream.value


@pytest.mark.parametrize("reason", Reason)
async def test_every_reason_travels_there_and_back(reason):
    sent = make_error(reason, "what went wrong \N{SNOWMAN}\nand why", field="a.b" if reason.startswith("INV") else "")
    async with raising(sent) as (stub, logs):
        for failure in await failures_of(stub):
            code, info, fields = details(failure)
            assert code is CODES[reason]
            assert (info.reason, info.domain) == (reason, "kubeofthoughts")
            assert fields == ([sent.field] if isinstance(sent, InvalidInput) and sent.field else [])
            back = from_rpc_error(failure, "peer")
            assert (type(back), back.reason) == (type(sent), sent.reason)
            assert str(back) == f"peer: {sent}"
            assert getattr(back, "field", "") == getattr(sent, "field", "")
    assert not [line for line in logs if line["log_level"] == "error"]


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_travels_in_a_failure_of_one_request(reason):
    sent = make_error(reason, "what went wrong")
    back = from_failure(to_failure(sent))
    assert (type(back), back.reason, str(back)) == (type(sent), reason, "what went wrong")


def test_a_reason_of_a_later_version_counts_as_internal():
    assert from_failure(thought_pb2.Failure(reason=9999, message="new")).reason is Reason.INTERNAL
    assert from_failure(thought_pb2.Failure(message="none")).reason is Reason.INTERNAL


def test_every_reason_and_every_error_is_in_the_tables():
    assert set(CODES) == set(Reason)
    assert {f"ERROR_REASON_{reason}" for reason in Reason} == {
        name for name in error_reason_pb2.ErrorReason.DESCRIPTOR.values_by_name if name != "ERROR_REASON_UNSPECIFIED"
    }
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, KotError) and kind.reason is not Reason.INTERNAL:
            assert type(make_error(kind.reason, "x")) is kind


async def test_a_defect_is_logged_with_its_trace_and_not_told():
    async with raising(RuntimeError("a secret of the house")) as (stub, logs):
        for failure in await failures_of(stub):
            code, info, _ = details(failure)
            assert (code, info.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
            assert "secret" not in str(failure)
            assert "Traceback" not in failure.details()
    defects = [line for line in logs if line["event"] == "defect"]
    assert len(defects) == 2
    assert all("secret" in str(line["exc_info"]) for line in defects)


@pytest.mark.parametrize("error", [errors.ModelFailed("x" * 100_000), errors.ModelFailed("\N{SNOWMAN}" * 100_000)])
async def test_an_error_of_any_length_arrives(error):
    async with raising(error) as (stub, _):
        for failure in await failures_of(stub):
            assert details(failure)[1].reason == "MODEL_FAILED"


async def test_errors_of_tasks_that_failed_together_are_one_error():
    group = ExceptionGroup("together", [errors.WorkerUnavailable("one"), errors.WorkerUnavailable("other")])
    async with raising(group) as (stub, _):
        for failure in await failures_of(stub):
            assert details(failure)[1].reason == "WORKER_UNAVAILABLE"


def rpc_error(code, *trailing):
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(*trailing), "what a proxy says")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (grpc.StatusCode.UNAVAILABLE, Reason.WORKER_UNAVAILABLE),
        (grpc.StatusCode.DEADLINE_EXCEEDED, Reason.DEADLINE_EXCEEDED),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, Reason.OVERLOADED),
        (grpc.StatusCode.INVALID_ARGUMENT, Reason.INVALID_REQUEST),
        (grpc.StatusCode.INTERNAL, Reason.WORKER_UNAVAILABLE),
        (grpc.StatusCode.UNKNOWN, Reason.WORKER_UNAVAILABLE),
        (grpc.StatusCode.UNIMPLEMENTED, Reason.INTERNAL),
    ],
)
def test_a_status_of_a_proxy_has_a_reason_too(code, reason):
    assert from_rpc_error(rpc_error(code), "peer").reason is reason
    foreign = status_pb2.Status(code=13, message="foreign").SerializeToString()
    assert from_rpc_error(rpc_error(code, (DETAILS_KEY, foreign)), "peer").reason is reason
    assert from_rpc_error(rpc_error(code, (DETAILS_KEY, b"\xff\xff")), "peer").reason is reason


# --- serving --------------------------------------------------------------------------------------------------------


async def test_waking_a_service_that_is_not_there_ends_in_time():
    async with socket() as nobody, dial(nobody) as channel:
        with pytest.raises(errors.WorkerUnavailable, match=r"^the oracle did not serve within 0\.3 s"):
            await wake(channel, "the oracle", 0.3)


async def test_a_draining_server_says_so_and_lets_calls_in_flight_end():
    release = asyncio.Event()

    class Slow(OrchestratorServicer):
        def __init__(self):
            pass

        async def Solve(self, request, context):  # noqa: N802
            yield wire.SolveResponse(accepted=wire.SolveAccepted(solve_id="a"))
            await release.wait()
            yield wire.SolveResponse(result=wire.SolveResult(solve_id="a"))

    mount = Mount("kubeofthoughts.v1.OrchestratorService", add_OrchestratorServiceServicer_to_server, Slow())
    async with socket() as address, dial(address) as channel:
        draining = asyncio.Event()

        async def serve():
            async with serving([mount], address, drain_seconds=20):
                await draining.wait()

        server = asyncio.create_task(serve())
        await wake(channel, "it", 5)
        watching = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert (await watching.read()).status == health_pb2.HealthCheckResponse.SERVING
        messages = aiter(OrchestratorServiceStub(channel).Solve(wire.SolveRequest(problem="1 1 11 11")))
        await anext(messages)
        draining.set()
        assert (await watching.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        watching.cancel()
        assert not server.done()
        release.set()
        assert (await anext(messages)).WhichOneof("event") == "result"
        await server
