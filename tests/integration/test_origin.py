"""Where a thought came from: the prompts that are written anew are those that the model was asked."""

import itertools
from contextlib import asynccontextmanager

import grpc
import pytest
from fleet import SOLVABLE, UNSOLVABLE, Run, details, fleet, solve_request
from word_ladder import EXAMPLE, play
from writer import PROBLEM, Writer
from yaml import safe_load

from services.core.budget import Limits
from services.core.errors import HistoryRefused
from services.core.history import Begun, Resumed, Round, Told
from services.core.thought import Proposal, Thought, Usage
from services.core.tree import Proposed
from services.orchestrator.origin import Origin
from services.orchestrator.plan import make_plan
from services.rpc.channel import dial
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.rpc.gen.kubeofthoughts.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub
from services.settings import OrchestratorSettings, StateSettings
from services.tasks.game24 import script

LADDER = {"problem": "cold -> warm", "definition": safe_load(EXAMPLE.read_text()), "budget": {"model_calls": 40}}
WRITING = {"problem": PROBLEM, "task": "creative_writing", "prompt_style": "PROMPT_STYLE_FEW_SHOT"}
WRITING |= {"sampling": {"max_tokens": 80}, "value": {"sampling": {"max_tokens": 10}}}


@asynccontextmanager
async def orchestrator(model=None, **options):
    async with fleet(model, **options) as target, dial(target) as channel:
        yield OrchestratorServiceStub(channel)


async def thought(stub, thought_id, solve_id="s"):
    return await stub.GetThought(wire.GetThoughtRequest(solve_id=solve_id, thought_id=thought_id))


async def solved(stub, **fields):
    """Solve, and tell where each thought came from, but for the root."""
    run = Run([message async for message in stub.Solve(solve_request(request_id="s", **fields))])
    ids = [event.thought_id for event in run.log if event.WhichOneof("event") == "proposed"]
    assert ids
    return run, [await thought(stub, each) for each in ids]


@pytest.mark.parametrize("concurrency", ["CONCURRENCY_MODEL_LEVEL", "CONCURRENCY_MODEL_ASYNC"])
@pytest.mark.parametrize(
    ("answer", "fields"),
    [
        (script.answer, {"strategy": "bfs", "settings": {"rollouts": 2}}),
        (script.answer, {"strategy": "mcts"}),
        (script.answer, {"strategy": "io"}),
        (script.answer, {"strategy": "cot"}),
        (script.answer, {"strategy": "dfs", "prompt_style": "PROMPT_STYLE_FEW_SHOT"}),
        (play, {"strategy": "bfs", **LADDER}),
        (None, {"strategy": "bfs", **WRITING}),
        (None, {"strategy": "bfs", "evaluation": "EVALUATION_METHOD_VALUE", **WRITING}),
    ],
)
async def test_every_prompt_is_one_that_the_model_was_asked(answer, fields, concurrency):
    model = Writer(answer) if answer else Writer()
    async with orchestrator(model) as stub:
        run, thoughts = await solved(stub, concurrency=concurrency, **fields)
    asked = {request.prompt for request in model.requests}
    told = [
        prompt
        for each in thoughts
        for prompt in (each.proposed.prompt, each.evaluated.prompt, each.validated.prompt)
        if prompt
    ]
    assert set(told) <= asked
    assert all(each.proposed.prompt for each in thoughts)
    assert not any(each.prompts_left_out for each in thoughts)
    if fields.get("definition"):
        assert any(each.evaluated.prompt for each in thoughts)
        assert any(each.validated.prompt for each in thoughts)
    kinds = {"evaluated": set(), "validated": set()}
    for event in run.log:
        kinds.get(event.WhichOneof("event"), set()).add(event.thought_id)
    for each in thoughts:
        for kind, ids in kinds.items():
            assert each.HasField(kind) == (each.thought.thought_id in ids)


async def test_a_vote_shows_all_that_was_compared():
    model = Writer()
    async with orchestrator(model) as stub:
        _, thoughts = await solved(stub, **WRITING, strategy="bfs")
    votes = {request.prompt for request in model.votes()}
    shown = {each.evaluated.prompt for each in thoughts if each.evaluated.prompt}
    assert shown
    assert shown <= votes


async def test_what_it_has_cost_is_what_its_expansion_has_cost_and_when_is_the_solves_time():
    async with orchestrator() as stub:
        run, thoughts = await solved(stub)
        root = await thought(stub, run.accepted.root_id)
    spent = {
        (event.thought_id, event.expanded.draw): event.expanded.usage
        for event in run.log
        if event.WhichOneof("event") == "expanded"
    }
    for each in thoughts:
        assert each.expansion_usage in [
            usage for (parent, _), usage in spent.items() if parent == each.thought.parent_id
        ]
        assert 0 < each.elapsed_seconds <= run.result.elapsed_seconds
    assert all(a.elapsed_seconds <= b.elapsed_seconds for a, b in itertools.pairwise(thoughts))
    assert not root.HasField("proposed")
    assert (root.thought.text, root.expansion_usage) == (SOLVABLE, type(root.expansion_usage)())


async def test_further_ways_to_a_thought_are_told():
    async with orchestrator() as stub:
        run, thoughts = await solved(
            stub, problem=UNSOLVABLE, settings={"evaluation_threshold": 0}, budget={"model_calls": 60}
        )
    node = next(node for node in run.tree if len(node.parents) > 1)
    [merged] = [each.thought for each in thoughts if each.thought.thought_id == node.thought.id]
    assert [way.parent_id for way in merged.merged] == node.parents[1:]


async def test_what_a_rule_settles_has_no_prompt():
    async with orchestrator() as stub:
        run, thoughts = await solved(stub)
    answer = next(each for each in thoughts if each.thought.thought_id == run.tree.answer.thought.id)
    assert answer.HasField("validated")
    assert answer.validated.prompt == ""


async def test_under_other_versions_prompts_are_left_out(tmp_path):
    state = StateSettings(state_path=tmp_path / "kot.db")
    async with orchestrator(state=state) as stub:
        _, (first, *_) = await solved(stub)
    prices = {"big": {"prompt": 1, "completion": 1}, "small": {"prompt": 1, "completion": 1}}
    async with orchestrator(state=state, prices=prices) as stub:
        later = await thought(stub, first.thought.thought_id)
    assert "propose model big" in later.prompts_left_out
    assert (later.proposed.prompt, later.evaluated.prompt) == ("", "")
    assert later.proposed.pod == first.proposed.pod
    assert later.thought == first.thought


async def test_a_thought_that_is_none_of_the_solve_is_refused():
    async with orchestrator() as stub:
        await solved(stub)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await thought(stub, "none")
        assert details(raised.value)[::2] == (grpc.StatusCode.INVALID_ARGUMENT, ["thought_id"])
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await thought(stub, "none", solve_id="unknown")
    assert details(raised.value)[1].reason == "UNKNOWN_SOLVE"


def test_the_trace_is_that_of_the_run_in_which_the_thought_was_found():
    begun = Begun(
        request=b"", request_hash="", problem="p", task="t", strategy="s", versions="", begun_at=0.0, trace="first"
    )  # fmt: skip
    root = Thought.root("p")
    early, late = root.child(Proposal("a", "a", pod="g-1")), root.child(Proposal("b", "b"))
    records = [
        Round(told=(_told(root, early, "g-1"),), best="", elapsed=1.0),
        Resumed(pod="o-2", limits=Limits(), trace="second"),
        Round(told=(_told(root, late, "g-2"),), best="", elapsed=2.0),
    ]
    found = {}
    for each in (early, late, root):
        origin = found[each.id] = Origin("s", begun, each.id)
        origin.take(records)
    assert [(found[each.id].trace, found[each.id].elapsed) for each in (early, late)] == [
        ("first", 1.0),
        ("second", 2.0),
    ]
    assert [found[each.id].proposed.pod for each in (early, late)] == ["g-1", "g-2"]
    assert found[early.id].usage == Usage(model_calls=2), "both parts of the draw"


def test_a_history_that_does_not_say_what_was_asked_for_gives_no_prompts():
    plan = make_plan(solve_request(), OrchestratorSettings())
    begun = Begun(
        request=b"", request_hash="", problem=SOLVABLE, task="t", strategy="s", versions="", begun_at=0.0
    )  # fmt: skip
    root = Thought.root(SOLVABLE)
    child = root.child(Proposal("1 + 1 = 2 (left: 2 11 11)", "2 11 11"))
    origin = Origin("s", begun, child.id)
    origin.take([Round(told=(_told(root, child, "g-1"),), best="", elapsed=1.0)])
    with pytest.raises(HistoryRefused):
        origin.prompts(plan)


def _told(parent, child, pod):
    return Told(
        thought_id=parent.id,
        draw=0,
        children=(child.id,),
        events=(Proposed(child, pod),),
        usage=Usage(model_calls=1),
        done=False,
    )
