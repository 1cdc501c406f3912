"""What a server does not take: it says which field is wrong, and why, at once; malformed bytes included."""

import asyncio

import grpc
import pytest
from fleet import details, fleet
from google.protobuf import struct_pb2
from google.protobuf.json_format import ParseDict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from services.core.errors import Reason
from services.rpc.channel import dial
from services.rpc.gen.kubeofthoughts.v1 import (
    evaluator_service_pb2,
    generator_service_pb2,
    language_model_service_pb2,
    orchestrator_service_pb2,
    validator_service_pb2,
)
from services.rpc.streams import MAX_BATCH

TASK = {"name": "game24"}
PROMPTS = {"propose": "{problem}", "evaluate": "{steps}", "validate": "{answer}"}
DEFINED = {"name": "mine", "definition": {"name": "mine", "depth": 1, **PROMPTS}}
STATE = {"problem": "1 1 11 11"}
GENERATE = {"id": "a", "task": TASK, "state": STATE, "samples": 1, "max_thoughts": 1}
EVALUATE = {"id": "a", "task": TASK, "states": [STATE]}
VALIDATE = {"id": "a", "task": TASK, "problem": "1 1 11 11", "answer": "1"}
COMPLETE = {"prompt": "Input: 1", "samples": 1}
SOLVE = {"problem": "1 1 11 11"}

METHODS = {
    "Solve": ("OrchestratorService", orchestrator_service_pb2.SolveRequest, False, True),
    "CancelSolve": ("OrchestratorService", orchestrator_service_pb2.CancelSolveRequest, False, False),
    "ListTasks": ("OrchestratorService", orchestrator_service_pb2.ListTasksRequest, False, False),
    "ListStrategies": ("OrchestratorService", orchestrator_service_pb2.ListStrategiesRequest, False, False),
    "Generate": ("GeneratorService", generator_service_pb2.GenerateRequest, True, True),
    "Complete": ("LanguageModelService", language_model_service_pb2.CompleteRequest, False, True),
    "Evaluate": ("EvaluatorService", evaluator_service_pb2.EvaluateRequest, True, True),
    "Validate": ("ValidatorService", validator_service_pb2.ValidateRequest, True, True),
}
"""For each method: its service, its request, and whether requests and responses are streams."""


async def call_with_bytes(channel, method, *messages):
    """Send messages as they are and read what comes."""
    service, _, streams_in, streams_out = METHODS[method]
    kind = f"{'stream' if streams_in else 'unary'}_{'stream' if streams_out else 'unary'}"
    call = getattr(channel, kind)(f"/kubeofthoughts.v1.{service}/{method}")
    response = call(iter(messages) if streams_in else messages[0], timeout=20)
    return [message async for message in response] if streams_out else [await response]


async def call_with(channel, method, *requests):
    messages = [ParseDict(request, METHODS[method][1]()).SerializeToString() for request in requests]
    return await call_with_bytes(channel, method, *messages)


async def refusal(method, *requests):
    async with fleet() as target, dial(target) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call_with(channel, method, *requests)
    return raised.value


def with_(request, path, value):
    """Return the request with the field at a dotted path set."""
    head, _, tail = path.partition(".")
    return request | {head: with_(request.get(head, {}), tail, value) if tail else value}


LIMITS = [
    ("Solve", SOLVE, "request_id", ["x" * 65, "not an id", "a/b"]),
    ("Solve", SOLVE, "problem", ["", "1" * 4001]),
    ("Solve", SOLVE, "task", ["x" * 65]),
    ("Solve", SOLVE, "strategy", ["x" * 65]),
    ("Solve", SOLVE, "sampling.temperature", [-0.1, 2.1, "NaN", "Infinity"]),
    ("Solve", SOLVE, "sampling.top_k", [-1, 1001]),
    ("Solve", SOLVE, "sampling.top_p", [0, 1.1, "NaN"]),
    ("Solve", SOLVE, "sampling.max_tokens", [0, 4097]),
    ("Solve", SOLVE, "value_samples", [-1, 101]),
    ("Solve", SOLVE, "budget.nodes", [0, -1, 10_000_001]),
    ("Solve", SOLVE, "budget.model_calls", [0, -1, 10_000_001]),
    ("Solve", SOLVE, "budget.completion_tokens", [0, -1, 1_000_000_001]),
    ("Solve", SOLVE, "budget.wall_seconds", [0, -1, 86_401, "NaN"]),
    ("Solve", SOLVE, "event_detail", [4, 99]),
    ("Solve", SOLVE, "concurrency", [4, 99]),
    ("Solve", SOLVE, "request_batch_size", [0, 257]),
    ("Solve", SOLVE, "prompt_style", [99]),
    ("Solve", SOLVE, "evaluation", [3, 99]),
    ("CancelSolve", {}, "solve_id", ["", "x" * 65]),
    ("Complete", COMPLETE, "prompt", ["", "x" * 100_001]),
    ("Complete", COMPLETE, "samples", [0, 257]),
    ("Complete", COMPLETE, "stop", [["a"] * 5, [""], ["x" * 65]]),
    ("Complete", COMPLETE, "labels", [["a"] * 17, [""], ["x" * 65]]),
    ("Generate", GENERATE, "id", ["", "x" * 65]),
    ("Generate", GENERATE, "task.name", ["", "x" * 65]),
    ("Generate", GENERATE, "state.problem", ["", "x" * 4001]),
    ("Generate", GENERATE, "state.steps", [["x"] * 65, ["x" * 4001]]),
    ("Generate", GENERATE, "samples", [0, 257]),
    ("Generate", GENERATE, "max_thoughts", [0, 1025]),
    ("Generate", GENERATE, "draw", [-1, 1_000_001]),
    ("Evaluate", EVALUATE, "id", ["", "x" * 65]),
    ("Evaluate", EVALUATE, "states", [[], [STATE] * 257]),
    ("Evaluate", EVALUATE, "method", [3, 99]),
    ("Evaluate", EVALUATE, "samples", [-1, 101]),
    ("Validate", VALIDATE, "id", ["", "x" * 65]),
    ("Validate", VALIDATE, "problem", ["", "x" * 4001]),
    ("Validate", VALIDATE, "answer", ["x" * 4001]),
    ("Validate", VALIDATE, "model", ["x" * 65]),
    ("Validate", VALIDATE, "sampling.max_tokens", [0, 4097]),
    ("Validate", VALIDATE | {"task": DEFINED}, "task.definition.propose", ["", "x" * 16_001, "\N{OM SYMBOL}" * 5334]),
    ("Generate", GENERATE | {"task": DEFINED}, "task.definition.depth", [0, 65]),
]


@pytest.mark.parametrize(("method", "request_", "field", "values"), LIMITS, ids=lambda value: str(value)[:24])
async def test_a_field_past_its_limits_is_named(method, request_, field, values):
    async with fleet() as target, dial(target) as channel:
        for value in values:
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await call_with(channel, method, with_(request_, field, value))
            code, info, fields = details(raised.value)
            assert code is grpc.StatusCode.INVALID_ARGUMENT
            assert (info.reason, info.domain) == ("INVALID_REQUEST", "kubeofthoughts")
            assert fields == [field]
            assert field in raised.value.details()


@pytest.mark.parametrize(("method", "missing"), [("Generate", "task"), ("Generate", "state"), ("Evaluate", "task")])
async def test_a_field_that_must_be_set_is_named(method, missing):
    request = dict({"Generate": GENERATE, "Evaluate": EVALUATE}[method])
    del request[missing]
    code, info, fields = details(await refusal(method, request))
    assert (code, info.reason, fields) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", [missing])


PROBLEMS = [
    "one two three four",
    "1 2 3",
    " ".join(["1"] * 40),
    " ",
    "1 2 3 4.5",
    "1 2 3 -4",
    "0 1 2 3",
    "1 2 3 1e3",
    "१ २ ३ ४",
]


@pytest.mark.parametrize("problem", PROBLEMS)
async def test_a_problem_that_the_task_cannot_read_is_refused(problem):
    for method, request in (("Solve", SOLVE), ("Validate", VALIDATE)):
        code, info, fields = details(await refusal(method, with_(request, "problem", problem)))
        assert (code, info.reason, fields) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_PROBLEM", ["problem"])


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("task", "chess", "UNKNOWN_TASK"),
        ("task", "../game24", "UNKNOWN_TASK"),
        ("task", "game24.task", "UNKNOWN_TASK"),
        ("strategy", "guess", "UNKNOWN_STRATEGY"),
        ("strategy", "__init__", "UNKNOWN_STRATEGY"),
        ("strategy", "_nodes", "UNKNOWN_STRATEGY"),
    ],
)
async def test_an_unknown_name_is_refused_with_the_names_that_there_are(field, value, reason):
    error = await refusal("Solve", SOLVE | {field: value})
    code, info, fields = details(error)
    assert (code, info.reason, fields) == (grpc.StatusCode.INVALID_ARGUMENT, reason, [field])
    assert {"task": "game24", "strategy": "bfs"}[field] in error.details()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("beam", 5),
        ("beam_width", "five"),
        ("beam_width", 0),
        ("beam_width", -1),
        ("beam_width", 10**9),
        ("beam_width", 1.5),
        ("beam_width", True),
        ("beam_width", None),
        ("beam_width", [5]),
        ("beam_width", {"is": 5}),
        ("depth", 0),
        ("depth", 10**6),
        ("branching_factor", 0),
        ("branching_factor", 10**6),
        ("evaluation_threshold", 1.01),
        ("evaluation_threshold", -0.5),
        ("", 5),
        ("beam_width\n\0", 5),
        ("x" * 10_000, 5),
        ("\N{OM SYMBOL}" * 10_000, "\N{OM SYMBOL}" * 10_000),
    ],
)
async def test_a_wrong_setting_is_named(name, value):
    code, info, fields = details(await refusal("Solve", SOLVE | {"settings": {name: value}}))
    assert (code, info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_SETTING")
    assert len(fields) == 1
    assert f"settings.{name}".startswith(fields[0])


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
async def test_a_setting_that_is_no_number_is_refused(number):
    request = orchestrator_service_pb2.SolveRequest(problem="1 1 11 11")
    request.settings.fields["beam_width"].CopyFrom(struct_pb2.Value(number_value=number))
    async with fleet() as target, dial(target) as channel:
        for field in ("beam_width", "evaluation_threshold"):
            request.settings.fields[field].number_value = number
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await call_with_bytes(channel, "Solve", request.SerializeToString())
            code, info, _ = details(raised.value)
            assert (code, info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_SETTING"), raised.value


async def test_a_setting_without_a_value_is_refused():
    request = orchestrator_service_pb2.SolveRequest(problem="1 1 11 11")
    request.settings.fields["beam_width"].CopyFrom(struct_pb2.Value())
    async with fleet() as target, dial(target) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call_with_bytes(channel, "Solve", request.SerializeToString())
    assert details(raised.value)[1].reason == "INVALID_SETTING"


@pytest.mark.parametrize(
    ("method", "request_"), [("Generate", GENERATE), ("Evaluate", EVALUATE), ("Validate", VALIDATE)]
)
async def test_a_batch_has_a_largest_size(method, request_):
    async with fleet() as target, dial(target) as channel:
        assert await call_with(channel, method, *[request_ | {"id": str(i)} for i in range(MAX_BATCH)])
        assert not any(await call_with(channel, method)), "nothing in, nothing out"
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call_with(channel, method, *[request_ | {"id": str(i)} for i in range(MAX_BATCH + 1)])
    code, info, _ = details(raised.value)
    assert (code, info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")


async def test_an_unknown_task_fails_its_request_alone():
    """The rest of the batch is served."""
    async with fleet() as target, dial(target) as channel:
        for method, request, response in (
            ("Generate", GENERATE, generator_service_pb2.GenerateResponse),
            ("Evaluate", EVALUATE, evaluator_service_pb2.EvaluateResponse),
        ):
            wrong = with_(request, "task.name", "chess") | {"id": "wrong"}
            messages = await call_with(channel, method, request, wrong)
            updates = [update for message in messages for update in response.FromString(message).updates]
            assert {update.id for update in updates if update.HasField("failure")} == {"wrong"}
            assert {update.id for update in updates} == {"a", "wrong"}


# --- malformed bytes ------------------------------------------------------------------------------------------------


def text_field(number, raw):
    return bytes([number << 3 | 2, len(raw)]) + raw


BAD_UTF8 = b"1 1 11 \xff\xfe"
MALFORMED = {
    "Solve": [text_field(2, BAD_UTF8), text_field(2, b"1 1 11 11")[:-3]],
    "CancelSolve": [text_field(1, BAD_UTF8), b"\x0a"],
    "ListTasks": [b"\x0a", b"\xff" * 12],
    "ListStrategies": [b"\x0a", b"\xff" * 12],
    "Generate": [text_field(1, BAD_UTF8), text_field(3, text_field(1, BAD_UTF8)), b"\xff" * 12],
    "Complete": [text_field(1, BAD_UTF8), b"\xff" * 12],
    "Evaluate": [text_field(1, BAD_UTF8), text_field(3, text_field(1, BAD_UTF8)), b"\xff" * 12],
    "Validate": [text_field(3, BAD_UTF8), b"\xff" * 12],
}


@pytest.mark.parametrize("method", METHODS)
async def test_malformed_bytes_are_invalid_and_not_a_defect(method):
    async with fleet() as target, dial(target) as channel:
        for raw in MALFORMED[method]:
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await call_with_bytes(channel, method, raw)
            code, info, _ = details(raised.value)
            assert (code, info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_MESSAGE")


async def test_a_malformed_message_among_good_ones_ends_the_batch():
    async with fleet() as target, dial(target) as channel:
        good = ParseDict(VALIDATE, validator_service_pb2.ValidateRequest()).SerializeToString()
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call_with_bytes(channel, "Validate", good, b"\xff", good)
        assert details(raised.value)[1].reason == "MALFORMED_MESSAGE"


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.binary(max_size=40), min_size=20, max_size=20))
def test_random_bytes_are_refused_or_read_and_never_a_defect(noise):
    async def check():
        async with fleet() as target, dial(target) as channel:
            for raw in noise:
                for method in METHODS:
                    try:
                        await call_with_bytes(channel, method, raw)
                    except grpc.aio.AioRpcError as error:
                        code, info, _ = details(error)
                        assert code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND)
                        assert info.reason in Reason.__members__

    with capture_logs() as logs:
        asyncio.run(check())
    assert not [line for line in logs if line["log_level"] == "error"]


async def test_a_message_past_the_size_limit_is_refused():
    async with fleet() as target, dial(target) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call_with_bytes(channel, "Solve", text_field(2, b"1 1 11 11") + bytes(17 * 2**20))
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_an_unknown_method_is_unimplemented():
    async with fleet() as target, dial(target) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await channel.unary_unary("/kubeofthoughts.v1.OrchestratorService/Guess")(b"")
    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED
