"""The driver, where a race is too rare to meet over the wire."""

import asyncio

from services.core.budget import Limits
from services.core.ports import Sampling, TaskSelection
from services.core.task import Method
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

    async def emit(events):
        pass

    running = asyncio.create_task(driver.run(emit))
    await asyncio.sleep(0.05)
    running.cancel()
    await asyncio.sleep(0)
    driver._spawn(call())
    await asyncio.wait([running])
    assert running.cancelled()
    driver._spawn(call())
    await asyncio.sleep(0)
    assert begun == []
