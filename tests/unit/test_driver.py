"""The driver, where a race is too rare to meet over the wire."""

import asyncio

import pytest

from services.core.budget import Limits
from services.core.ports import EvaluateUpdate, ProposeUpdate, Sampling, TaskSelection, ValidateUpdate
from services.core.task import Method, Prompt
from services.core.thought import Proposal, Usage, Value, Verdict
from services.orchestrator.driver import Driver
from services.orchestrator.search import bfs
from services.orchestrator.solve import Concurrency, SolveOptions, Stages
from services.tasks.game24 import TASK


class _NeverAnswers:
    """A stage that is asked and says nothing."""

    async def propose(self, batch):
        await asyncio.Event().wait()
        yield []

    evaluate = validate = propose


async def test_a_call_that_is_wanted_while_the_search_is_being_cancelled_is_not_begun():
    """A timer may fire after the search was cancelled and before it hears of it."""
    options = SolveOptions(
        problem="1 1 11 11",
        task=TaskSelection(name="game24"),
        value_task=TaskSelection(name="game24"),
        validate_task=TaskSelection(name="game24"),
        sampling=dict.fromkeys(Method, Sampling()),
        value_sampling=Sampling(max_tokens=1),
        validate_sampling=Sampling(max_tokens=1),
        limits=Limits(),
        concurrency=Concurrency.ASYNC,
        batch_size=16,
    )
    stage = _NeverAnswers()
    driver = Driver(lambda root: bfs.Policy(root, bfs.Settings()), options, TASK, Stages(stage, stage, stage))
    begun = []

    async def call():
        begun.append(True)

    async def keep(round_):
        pass

    running = asyncio.create_task(driver.run(keep))
    await asyncio.sleep(0.05)
    running.cancel()
    await asyncio.sleep(0)
    driver._spawn(call())
    await asyncio.wait([running])
    assert running.cancelled()
    driver._spawn(call())
    await asyncio.sleep(0)
    assert begun == []


class _SaysTheSame:
    """Stages whose look-aheads end with the very words of a step."""

    async def propose(self, batch):
        for request in batch:
            answer = None if request.method is Method.STEP else "words"
            depth = len(request.state.steps)
            proposal = Proposal(f"words {depth}", f"{request.method} {depth}", answer)
            yield [ProposeUpdate(id=request.id, proposals=(proposal,), usage=Usage(1, 1, 1), done=True)]

    async def evaluate(self, batch):
        yield [
            EvaluateUpdate(id=batch[0].id, index=index, value=Value(sure=0.5)) for index in range(len(batch[0].states))
        ]

    async def validate(self, batch):
        yield [ValidateUpdate(id=request.id, verdict=Verdict.IMPOSSIBLE, explanation="no") for request in batch]


@pytest.mark.parametrize("concurrency", Concurrency)
async def test_one_text_below_one_thought_is_one_thought_whatever_its_keys(concurrency):
    options = SolveOptions(
        problem="1 1 11 11",
        task=TaskSelection(name="game24"),
        value_task=TaskSelection(name="game24"),
        validate_task=TaskSelection(name="game24"),
        sampling=dict.fromkeys(Method, Sampling()),
        value_sampling=Sampling(max_tokens=1),
        validate_sampling=Sampling(max_tokens=1),
        limits=Limits(completion_tokens=5000),
        concurrency=concurrency,
        batch_size=16,
    )
    stages = Stages(_SaysTheSame(), _SaysTheSame(), _SaysTheSame())
    driver = Driver(lambda root: bfs.Policy(root, bfs.Settings(depth=3)), options, _AnyState(), stages)

    async def keep(round_):
        pass

    outcome = await driver.run(keep)
    assert outcome.status == "COMPLETION_TOKENS_SPENT"
    assert len({node.thought.id for node in driver.tree}) == len(driver.tree)


class _AnyState(type(TASK)):
    """The Game of 24, whatever a state says."""

    def propose_prompt(self, state, style, method=Method.STEP):
        return Prompt("?")

    def value_prompt(self, state, style):
        return Prompt("?")
