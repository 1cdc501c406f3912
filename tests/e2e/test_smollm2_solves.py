"""A general model on the worked example of a task without code: it runs, streams, and ends, in words that can be read.

SmolLM2-135M is too small to find the answer but by luck; no test expects it to.
"""

import asyncio
import os
import sys

import pytest
from fleet import Run
from google.protobuf.json_format import ParseDict
from processes import four_processes
from smollm2 import SLOTS, llama_server, weights
from word_ladder import EXAMPLE, PROBLEM

from services.cli.definition import read_definition
from services.rpc.channel import dial
from services.rpc.convert import definition_to_proto
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.rpc.gen.kubeofthoughts.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]

CALLS = 6
"""Few: the model takes seconds for each where others use the machine too."""
ENDINGS = {"SOLVED", "EXHAUSTED", "MODEL_CALLS_SPENT"}


@pytest.fixture(params=["embedded", "openai_compatible"])
def settings(request):
    """What makes a process use the model."""
    common = {"KOT_PROMPT_STYLE": "few_shot", "KOT_MODEL_TIMEOUT": "300", "KOT_STAGE_TIMEOUT": "400"}
    if request.param == "embedded":
        slots = {"KOT_MODEL_PARALLEL": str(SLOTS), "KOT_MODEL_CONTEXT": "1024"}
        yield common | slots | {"KOT_MODEL": "embedded", "KOT_MODEL_PATH": str(weights())}
        return
    with llama_server() as server:
        yield common | server


async def kot(*arguments, **changes):
    """Run `kot` to its end; returns its exit code and what it printed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KOT_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.cli.main", *map(str, arguments),
        env=kept | changes, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        printed, complaints = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, printed.decode(), complaints.decode()


LITTLE = ("--max-model-calls", CALLS, "--max-seconds", 500, "--max-tokens", 40, "--value-samples", 1)


async def test_kot_ends_by_an_answer_or_the_budget_and_says_so_in_words(settings):
    code, printed, complaints = await kot("solve", PROBLEM, "--prompts", EXAMPLE, *LITTLE, **settings)
    assert (code in {0, 1}, complaints) == (True, "")
    lines = printed.splitlines()
    costs = next(number for number, line in enumerate(lines) if " model calls, " in line)
    assert code == 0 or any(line.startswith("not found") for line in lines[:costs]), printed
    assert code == 0 or "kot resume" in lines[costs + 1], printed
    assert printed.replace("\n", "").isprintable()


async def test_thoughts_are_streamed_as_they_come(settings, tmp_path):
    request = ParseDict(
        {
            "problem": PROBLEM,
            "event_detail": "EVENT_DETAIL_ALL",
            "budget": {"model_calls": CALLS, "wall_seconds": 500},
            "value_samples": 1,
            "sampling": {"max_tokens": 40},
        },
        wire.SolveRequest(definition=definition_to_proto(read_definition(EXAMPLE))),
    )
    run, moments = Run(), []
    loop = asyncio.get_running_loop()
    with four_processes(tmp_path, **settings) as services:
        async with dial(services[0].target) as channel:
            async for message in OrchestratorServiceStub(channel).Solve(request):
                run.messages.append(message)
                moments.append(loop.time())
    assert run.status in ENDINGS
    assert run.result.usage.model_calls <= CALLS
    thoughts = [event.proposed.text for event in run.log if event.HasField("proposed")]
    assert thoughts
    assert all(text.strip() and text.isprintable() for text in thoughts)
    assert len(run.tree) == len(thoughts) + 1
    first = next(number for number, message in enumerate(run.messages) if message.HasField("thoughts"))
    assert first < len(moments) - 2, "thoughts come in several messages, before the result"
    assert moments[first] < moments[-1]
