"""A history, cut off anywhere, goes on to the end that it would have had."""

import asyncio
from zlib import crc32

import pytest
from fleet import UNSOLVABLE, scripted, solve_request
from writer import PROBLEM, Writer, passage, write

from services.core.errors import HistoryRefused
from services.core.history import Ended, Parked, Resumed
from services.evaluator.logic import ModelEvaluator
from services.generator.logic import Generator
from services.orchestrator.driver import Driver
from services.orchestrator.plan import make_plan
from services.orchestrator.solve import Stages
from services.plugins import STRATEGIES, task_of
from services.rpc.history import decode, encode
from services.settings import OrchestratorSettings
from services.testing.faulty_model import Fault, FaultyModel
from services.validator.logic import AnswerValidator

BUDGET = {"completion_tokens": 3000}


def make_driver(model, **fields):
    plan = make_plan(solve_request(**{"problem": UNSOLVABLE, "budget": BUDGET} | fields), OrchestratorSettings())
    stages = Stages(Generator(model, task_of), ModelEvaluator(model, task_of), AnswerValidator(model, task_of))
    return Driver(plan.make_policy, plan.options, plan.task, stages)


def without_clock(rounds):
    return [(round_.told, round_.best) for round_ in rounds]


async def run(driver):
    """Run to the end; returns how it ended and what was kept."""
    kept = []

    async def keep(round_):
        # As a store gives it back.
        kept.append(decode(encode(round_)))

    async with asyncio.timeout(60):
        return await driver.run(keep), kept


async def gone_on_from(rounds, model, **fields):
    driver = make_driver(model, **fields)
    for round_ in rounds:
        driver.replay(round_)
    outcome, more = await run(driver)
    return outcome, [*rounds, *more], driver


@pytest.mark.parametrize("concurrency", ["CONCURRENCY_MODEL_SEQUENTIAL", "CONCURRENCY_MODEL_LEVEL"])
@pytest.mark.parametrize("strategy", STRATEGIES.names())
async def test_cut_off_anywhere_a_search_goes_on_as_if_it_had_not_been(strategy, concurrency):
    how = {"strategy": strategy, "concurrency": concurrency}
    whole, rounds = await run(make_driver(scripted(), **how))
    cuts = {0, 1, 2, len(rounds) // 3, len(rounds) // 2, len(rounds) - 1, len(rounds)}
    for cut in sorted(cut for cut in cuts if 0 <= cut <= len(rounds)):
        outcome, gone_on, driver = await gone_on_from(rounds[:cut], scripted(), **how)
        assert without_clock(gone_on) == without_clock(rounds)
        assert outcome == whole
        assert driver.tree.events == [event for round_ in rounds for told in round_.told for event in told.events]


@pytest.mark.parametrize("concurrency", ["CONCURRENCY_MODEL_SEQUENTIAL", "CONCURRENCY_MODEL_LEVEL"])
@pytest.mark.parametrize("strategy", STRATEGIES.names())
async def test_a_search_by_vote_goes_on_as_if_it_had_not_been_cut_off(strategy, concurrency):
    """Plans and passages come again and again, from several parents, and no passage is coherent."""

    def repeat(prompt, seed):
        if prompt.endswith("Passage:\n"):
            return passage(seed % 4)
        return f"A plan of grade {seed % 7}" if prompt.endswith("Plan:\n") else write(prompt, seed)

    how = {
        "problem": PROBLEM,
        "task": "creative_writing",
        "prompt_style": "PROMPT_STYLE_FEW_SHOT",
        "strategy": strategy,
        "concurrency": concurrency,
        "budget": {"completion_tokens": 8000},
        "sampling": {"max_tokens": 80},
        "value": {"sampling": {"max_tokens": 10}},
    }
    whole, rounds = await run(make_driver(Writer(repeat), **how))
    for cut in sorted({1, 2, len(rounds) // 3, len(rounds) // 2, len(rounds) - 1, len(rounds)} - {0, -1}):
        outcome, gone_on, driver = await gone_on_from(rounds[:cut], Writer(repeat), **how)
        assert without_clock(gone_on) == without_clock(rounds)
        assert outcome == whole
        assert driver.tree.events == [event for round_ in rounds for told in round_.told for event in told.events]


@pytest.mark.parametrize("strategy", STRATEGIES.names())
async def test_without_a_barrier_its_own_history_replays_and_nothing_that_is_in_it_is_paid_for_again(strategy):
    how = {"strategy": strategy, "concurrency": "CONCURRENCY_MODEL_ASYNC"}
    whole, rounds = await run(make_driver(scripted(), **how))
    for cut in (1, len(rounds) // 2, len(rounds)):
        model = FaultyModel(lambda _request: Fault.NONE)
        outcome, gone_on, driver = await gone_on_from(rounds[:cut], model, **how)
        told = [told for round_ in gone_on for told in round_.told]
        assert len({(t.thought_id, t.draw) for t in told if t.done}) == len([t for t in told if t.done])
        assert driver.tree.events == [event for t in told for event in t.events]
        assert len({node.thought.id for node in driver.tree}) == len(driver.tree)
        known = sum(t.usage.model_calls for round_ in rounds[:cut] for t in round_.told)
        assert outcome.usage.model_calls == known + model.started
        assert outcome.usage.completion_tokens <= BUDGET["completion_tokens"]
    assert outcome.status == whole.status


@pytest.mark.parametrize("fault", [Fault.RAISES, Fault.OVERLOADED])
async def test_failures_replay_too(fault):
    def faulty():
        return FaultyModel(lambda request: fault if crc32(request.prompt.encode()) % 5 == 0 else Fault.NONE)

    whole, rounds = await run(make_driver(faulty()))
    for cut in range(0, len(rounds), 7):
        outcome, gone_on, _ = await gone_on_from(rounds[:cut], faulty())
        assert without_clock(gone_on)[:cut] == without_clock(rounds)[:cut]
        assert outcome.status == whole.status


async def test_what_was_cut_short_is_paid_for_and_time_goes_on_where_it_stood():
    whole, rounds = await run(make_driver(scripted()))
    driver = make_driver(scripted(), budget={"completion_tokens": 3000, "wall_seconds": 100})
    for round_ in rounds[:2]:
        driver.replay(round_)
    known = driver.usage
    driver.replay(Parked(why="", usage=known + known, elapsed=40.0))
    assert driver.usage == known + known
    assert driver.elapsed == 40.0
    driver.replay(Resumed(pod="b", limits=driver.limits))
    outcome, _ = await run(driver)
    assert outcome.status == whole.status
    assert outcome.usage.completion_tokens <= 3000
    assert driver.elapsed > 40.0


async def test_a_search_that_ended_goes_on_under_a_larger_budget():
    driver = make_driver(scripted(), budget={"completion_tokens": 500})
    outcome, rounds = await run(driver)
    assert outcome.status == "COMPLETION_TOKENS_SPENT"
    ended = Ended(status=outcome.status, usage=outcome.usage, elapsed=driver.elapsed)
    on = make_driver(scripted(), budget={"completion_tokens": 500})
    for record in (*rounds, ended, Resumed(pod="b", limits=make_driver(scripted()).limits)):
        on.replay(record)
    further, more = await run(on)
    assert 500 < further.usage.completion_tokens <= 3000
    # And what came of that replays as well.
    third = make_driver(scripted(), budget={"completion_tokens": 500})
    for record in (*rounds, ended, Resumed(pod="b", limits=make_driver(scripted()).limits), *more):
        third.replay(record)
    assert third.tree.events == on.tree.events
    assert third.usage == further.usage


@pytest.mark.parametrize("change", [{"strategy": "dfs"}, {"problem": "1 1 1 6"}])
async def test_a_history_that_the_search_would_not_have_made_is_refused(change):
    _, rounds = await run(make_driver(scripted(), strategy="bfs"))
    driver = make_driver(scripted(), **{"strategy": "bfs"} | change)
    with pytest.raises(HistoryRefused):
        list(map(driver.replay, rounds))
