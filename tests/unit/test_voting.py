"""Votes in the evaluator and in the orchestrator's judging: shares, groups, and what is refused."""

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from writer import PROBLEM, Writer

from services.core.budget import Limits
from services.core.errors import InvalidInput, KotError, ModelFailed
from services.core.ports import (
    EvaluateRequest,
    EvaluateUpdate,
    ProposeUpdate,
    Sampling,
    TaskSelection,
    ValidateUpdate,
)
from services.core.search import Ask
from services.core.task import MOST_CHOICES, EvaluationMethod, Method, PromptStyle, defaults_of
from services.core.thought import Label, Proposal, State, Usage, Value, Verdict
from services.evaluator.logic import ModelEvaluator, vote_shares
from services.orchestrator.judging import Judge
from services.orchestrator.solve import Concurrency, SolveOptions, Stages
from services.plugins import STRATEGIES, find_strategy, task_of
from services.tasks.creative_writing import TASK

ROOT = State(TASK.normalize(PROBLEM))
PLANS = tuple(State(ROOT.problem, (f"A plan of grade {grade}",)) for grade in (1, 4, 2))
WRITING = TaskSelection(name=TASK.name, style=PromptStyle.FEW_SHOT)


# --- shares ---------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.lists(st.none() | st.integers(1, 6), min_size=1, max_size=30))
def test_shares_are_one_in_all_at_most(votes):
    shares = vote_shares(votes, 6)
    assert len(shares) == 6
    assert all(0 <= share <= 1 for share in shares)
    assert sum(shares) <= 1 + 1e-9
    assert sum(shares) == pytest.approx(1 - votes.count(None) / len(votes))


def test_votes_that_name_no_choice_count_for_none():
    assert vote_shares([2, None, 2, 1, None], 3) == [0.2, 0.4, 0.0]


@settings(deadline=None)
@given(st.floats(0, 1))
def test_a_share_of_votes_is_never_sure_nor_impossible(share):
    value = Value(votes=share)
    assert Value.certain(Label.IMPOSSIBLE).score < value.score < Value.certain(Label.SURE).score
    for name in STRATEGIES.names():
        chosen = find_strategy(name).Settings()
        assert value.score >= getattr(chosen, "evaluation_threshold", 0), f"{name} prunes"
        assert value.score < getattr(chosen, "sure_score", 1), f"{name} takes it for sure"


@settings(deadline=None)
@given(st.floats(0, 1), st.floats(0, 1))
def test_more_votes_are_worth_more(one, other):
    assert (Value(votes=one).score < Value(votes=other).score) <= (one < other)


# --- the evaluator --------------------------------------------------------------------------------------------------


def vote(states=PLANS, **changes):
    request = EvaluateRequest(
        id="a", task=WRITING, states=states, sampling=Sampling(max_tokens=300), method=EvaluationMethod.VOTE, samples=5
    )
    return replace(request, **changes)


async def evaluate(model, *requests):
    evaluator = ModelEvaluator(model, task_of)
    return [update async for updates in evaluator.evaluate(requests) for update in updates]


async def test_a_group_is_voted_on_in_one_call_and_its_cost_is_told_once():
    model = Writer()
    updates = await evaluate(model, vote())
    [request] = model.requests
    assert request.samples == 5
    assert "Choice 3:" in request.prompt
    assert [update.index for update in updates] == [0, 1, 2]
    shares = [update.value.votes for update in updates]
    assert shares[0] == shares[2] == 0
    assert 0.4 <= shares[1] <= 1
    assert updates[0].usage.model_calls == 1
    assert [update.usage for update in updates[1:]] == [Usage(), Usage()]


async def test_one_state_gets_all_votes_without_a_call():
    model = Writer()
    [update] = await evaluate(model, vote(PLANS[:1]))
    assert (update.value, update.usage, model.requests) == (Value(votes=1.0), Usage(), [])


REFUSED = {
    "too many": (
        vote(tuple(State(ROOT.problem, (f"plan {n}",)) for n in range(MOST_CHOICES + 1))),
        "states",
        "at most",
    ),
    "no samples": (vote(samples=0), "samples", "at least one"),
    "other parents": (vote((PLANS[0], State(ROOT.problem, ("x", "y")))), "states", "last steps"),
    "other problems": (vote((PLANS[0], State("a\nb\nc\nd", ("x",)))), "states", "last steps"),
    "the root": (vote((ROOT, PLANS[0])), "states", "last steps"),
    "no votes": (
        vote((State("1 1 11 11", ("1 + 1 = 2 (left: 2 11 11)",)),), task=TaskSelection(name="game24")),
        "method",
        "no prompt",
    ),
}


@pytest.mark.parametrize(("request_", "field", "why"), REFUSED.values(), ids=REFUSED)
async def test_a_group_that_cannot_be_voted_on_fails_alone(request_, field, why):
    updates = await evaluate(Writer(), request_, replace(vote(), id="b"))
    failed = [update for update in updates if update.id == "a"]
    assert [update.index for update in failed] == list(range(len(request_.states)))
    assert all(isinstance(update.error, InvalidInput) and update.value is None for update in failed)
    assert {update.error.field for update in failed} == {field}
    assert why in str(failed[0].error)
    assert all(update.value is not None for update in updates if update.id == "b")


async def test_an_empty_group_is_refused():
    with pytest.raises(InvalidInput, match="no states"):
        await evaluate(Writer(), vote(()))


async def test_a_vote_that_fails_fails_for_all_of_its_states_and_is_counted_once():
    updates = await evaluate(Writer(failure=ModelFailed), vote())
    assert [str(update.error) for update in updates] == ["no vote today"] * 3
    assert sum((update.usage for update in updates), Usage()).model_calls == 1


# --- judging --------------------------------------------------------------------------------------------------------


class Workers:
    """An evaluator that gives all votes to the first choice, and a validator that likes answers that say so."""

    def __init__(self, failure=None):
        self.groups = []
        self.checked = []
        self._failure = failure

    async def evaluate(self, batch):
        [request] = batch
        self.groups.append([state.steps[-1] for state in request.states])
        await asyncio.sleep(0)
        yield [
            EvaluateUpdate(
                id=request.id,
                index=index,
                value=None if self._failure else Value(votes=float(index == 0)),
                usage=Usage(model_calls=int(index == 0)),
                error=self._failure,
            )
            for index in range(len(request.states))
        ]

    async def validate(self, batch):
        for request in batch:
            self.checked.append(request.answer)
            good = Verdict.CERTAIN if "good" in request.answer else Verdict.IMPOSSIBLE
            yield [ValidateUpdate(id=request.id, verdict=good, explanation="read", usage=Usage(model_calls=1))]

    async def propose(self, batch):
        yield [ProposeUpdate(id=request.id, done=True) for request in batch]


def options(**changes):
    given = SolveOptions(
        problem=ROOT.problem, task=WRITING, value_task=WRITING, validate_task=WRITING,
        sampling=dict.fromkeys(Method, Sampling(max_tokens=800)), value_sampling=Sampling(max_tokens=300),
        validate_sampling=Sampling(max_tokens=200), evaluation=EvaluationMethod.VOTE, value_samples=5,
        limits=Limits(), concurrency=Concurrency.LEVEL, batch_size=16,
    )  # fmt: skip
    return replace(given, **changes)


class Judging:
    """A judge, and what it has begun."""

    def __init__(self, workers):
        self.tasks = []
        self.judge = Judge(options(), Stages(workers, workers, workers), self._spawn)

    def _spawn(self, call):
        self.tasks.append(asyncio.create_task(call))

    async def vote(self, state, *proposals):
        judged = self.judge.vote(state, proposals)
        await asyncio.gather(*self.tasks)
        assert all(each.done() for each in judged)
        return [each.result() for each in judged]


def step(text, key=None, answer=None):
    return Proposal(text, key or text, answer)


async def test_steps_with_one_key_are_one_choice_and_share_their_judgement():
    workers = Workers()
    one, other, third = await Judging(workers).vote(ROOT, step("a", "same"), step("b", "same"), step("c"))
    assert workers.groups == [["a", "c"]]
    assert one is other
    assert (one.value.votes, third.value.votes) == (1.0, 0.0)


async def test_branches_that_reach_one_state_vote_each_for_themselves():
    """What a vote says of a state depends on its group: it is no judgement that another group could share."""
    workers = Workers()
    judging = Judging(workers)
    first = await judging.vote(State(ROOT.problem, ("left",)), step("a"), step("b"))
    second = await judging.vote(State(ROOT.problem, ("right",)), step("c"), step("b"))
    assert workers.groups == [["a", "b"], ["c", "b"]]
    assert [each.value.votes for each in (*first, *second)] == [1.0, 0.0, 1.0, 0.0]
    assert sum((each.usage for each in (*first, *second)), Usage()) == judging.judge.usage == Usage(model_calls=2)


async def test_a_later_draw_votes_on_what_is_new_beside_what_is_known():
    workers = Workers()
    judging = Judging(workers)
    known, _ = await judging.vote(ROOT, step("a"), step("b"))
    again, new = await judging.vote(ROOT, step("a"), step("c"))
    await judging.vote(ROOT, step("c"), step("a"))
    assert workers.groups == [["a", "b"], ["a", "c"]]
    assert again is known
    assert (known.value.votes, new.value.votes) == (1.0, 0.0)
    assert new.usage == Usage(model_calls=1), "the vote is paid by what is new"


async def test_answers_are_checked_in_the_order_of_votes_until_one_holds():
    workers = Workers()
    judged = await Judging(workers).vote(
        ROOT, step("x", answer="bad"), step("y", answer="good"), step("z", answer="good too")
    )
    assert workers.checked == ["bad", "good"]
    assert [each.verdict for each in judged] == [Verdict.IMPOSSIBLE, Verdict.CERTAIN, None]
    assert judged[2].value is None
    assert sum((each.usage for each in judged), Usage()).model_calls == 3


async def test_a_failed_vote_fails_the_steps_and_leaves_the_answers_to_the_validator():
    failure = ModelFailed("no")
    judging = Judging(workers := Workers(failure))
    first, second = await judging.vote(ROOT, step("a"), step("b", answer="good"))
    assert isinstance(first.error, KotError)
    assert second.verdict is Verdict.CERTAIN
    assert workers.checked == ["good"]
    assert sum((each.usage for each in (first, second)), Usage()) == judging.judge.usage


# --- budgets --------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 40))
def test_a_vote_costs_no_more_than_is_reserved(samples, thoughts):
    task = TASK
    ask = Ask("root", 0, samples, 1024)
    given_options = options(lines=defaults_of(task, PromptStyle.FEW_SHOT).lines)
    assert given_options.thoughts_at_most(ask, samples) == min(samples, MOST_CHOICES)
    cost = given_options.worst_cost(task, ROOT, ask)
    count = min(samples, thoughts, MOST_CHOICES)
    reserved = cost(samples, thoughts)
    longest = ["x" * task.longest_thought] * count
    prompt = len(task.vote_prompt(ROOT, longest, PromptStyle.FEW_SHOT).text.encode())
    votes = int(count > 1)
    assert reserved.model_calls == 1 + votes + count
    assert reserved.completion_tokens == 800 * samples + votes * 5 * 300 + 200 * count
    assert reserved.prompt_tokens >= votes * 5 * prompt
    assert reserved.nodes == count


def test_whole_solutions_are_not_voted_on():
    assert options().votes_on(Ask("root", 0, 1, 1))
    for method in (Method.CHAIN, Method.DIRECT):
        assert not options().votes_on(Ask("root", 0, 1, 1, method))
