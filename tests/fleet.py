"""The four services in the test's own process, over real gRPC, with any model; and a client for them."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc
import pytest
from google.protobuf.json_format import ParseDict
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from services.adapters.llm.scripted import ScriptedModel
from services.core.thought import Thought
from services.core.tree import Tree
from services.evaluator import wiring as evaluator
from services.generator import wiring as generator
from services.orchestrator import wiring as orchestrator
from services.rpc.channel import dial
from services.rpc.convert import event_from_proto
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.rpc.gen.kubeofthoughts.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub
from services.rpc.server import serving
from services.settings import OrchestratorSettings, StageSettings, StateSettings
from services.tasks.game24 import script
from services.validator import wiring as validator

PATIENCE_SECONDS = 60
"""After this a call is taken to hang."""

SOLVABLE = "1 1 11 11"
UNSOLVABLE = "1 1 1 5"


def scripted():
    return ScriptedModel(script.answer)


@asynccontextmanager
async def socket():
    """A private address to serve at."""
    with TemporaryDirectory(prefix="kot-test-") as folder:
        yield f"unix:{Path(folder) / 's'}"


@asynccontextmanager
async def fleet(
    model=None,
    *,
    judge=None,
    max_solves=256,
    attempts=3,
    timeout=20.0,
    cold_start=5.0,
    prices=None,
    release="",
    state=None,
    **targets,
):
    """Serve everything at one socket and give the target; `generator`, `evaluator`, `validator` name other targets.

    Solves are kept as `state` says: by default for as long as this lasts, and none runs on when its client has gone.
    `prices` are those of the models `big`, which proposes, and `small`, which judges.

    A callback that raises, or a task whose error nobody hears, fails the test in the end.
    """
    model = model or scripted()
    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    async with AsyncExitStack() as resources:
        address = await resources.enter_async_context(socket())
        if state is None:
            folder = Path(resources.enter_context(TemporaryDirectory(prefix="kot-test-")))
            state = StateSettings(state_path=folder / "kot.db", detach_grace=0)
        stages = StageSettings(
            **{f"{stage}_target": targets.get(stage, address) for stage in ("generator", "evaluator", "validator")},
            stage_attempts=attempts,
            stage_timeout=timeout,
            cold_start_timeout=cold_start,
        )
        mounts = [
            *orchestrator.mounts(
                resources,
                stages,
                OrchestratorSettings(
                    max_solves=max_solves,
                    release=release,
                    prices=prices or {},
                    propose_model="big" if prices else "",
                    value_model="small" if prices else "",
                ),
                state,
            ),
            *generator.mounts(model),
            *evaluator.mounts(judge or model),
            *validator.mounts(judge or model),
        ]
        await resources.enter_async_context(serving(mounts, address, drain_seconds=1))
        yield address
    assert complaints == []


@dataclass
class Run:
    """One solve, as its client saw it."""

    messages: list = field(default_factory=list)

    @property
    def accepted(self):
        return self.messages[0].accepted

    @property
    def result(self):
        assert self.messages[-1].WhichOneof("event") == "result"
        return self.messages[-1].result

    @property
    def status(self):
        return wire.SolveStatus.Name(self.result.status).removeprefix("SOLVE_STATUS_")

    @property
    def log(self):
        """Every event of every thought, in order, as messages; without pods, so that it is the same wherever it ran."""
        return [without_pod(event) for message in self.messages for event in message.thoughts.events]

    @property
    def pods(self):
        """Where each kind of event came from."""
        found = {}
        for event in (event for message in self.messages for event in message.thoughts.events):
            kind = event.WhichOneof("event")
            found.setdefault(kind, set()).add(getattr(getattr(event, kind), "pod", None))
        return found

    @property
    def tree(self):
        """What the log adds up to."""
        return Tree.replay(Thought.root(self.accepted.problem), map(event_from_proto, self.log))

    def kinds(self):
        return {event.WhichOneof("event") for event in self.log}

    def failures(self):
        return [event.failed.failure for event in self.log if event.WhichOneof("event") == "failed"]


def without_pod(event):
    """An event, but for the pod that it came from."""
    bare = wire.ThoughtEvent()
    bare.CopyFrom(event)
    kind = getattr(bare, bare.WhichOneof("event"))
    if hasattr(kind, "pod"):
        kind.ClearField("pod")
    return bare


def solve_request(problem=SOLVABLE, **fields):
    """With all events, and the same ones each time, unless `fields` say otherwise."""
    repeatable = {"event_detail": "EVENT_DETAIL_ALL", "concurrency": "CONCURRENCY_MODEL_LEVEL"}
    return ParseDict({"problem": problem, **repeatable, **fields}, wire.SolveRequest())


async def solve(target, problem=SOLVABLE, *, timeout=None, **fields):
    """Solve and read to the end."""
    run = Run()
    async with asyncio.timeout(PATIENCE_SECONDS), dial(target) as channel:
        async for message in OrchestratorServiceStub(channel).Solve(solve_request(problem, **fields), timeout=timeout):
            run.messages.append(message)
    return run


async def refusal(target, problem=SOLVABLE, **fields):
    """Return the error that a solve ends with."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await solve(target, problem, **fields)
    return raised.value


async def until(condition: Callable[[], bool], seconds: float = 5):
    """Wait until something is so."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


def details(error):
    """The code, the ErrorInfo and the field violations of a failed call."""
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    status = rpc_status.from_call(error)
    for detail in status.details if status else ():
        detail.Unpack(info)
        detail.Unpack(bad)
    return error.code(), info, [violation.field for violation in bad.field_violations]
