"""Solves by vote, over the wire: siblings are compared once all of them are there."""

from collections import defaultdict

import grpc
import pytest
from fleet import details, fleet, refusal, solve
from writer import COHERENT, PROBLEM, SENTENCES, Writer, grades, passage, write

from services.core.errors import ModelFailed, Overloaded
from services.core.task import VOTES
from services.core.thought import Verdict
from services.tasks.creative_writing import TASK

STRATEGIES = ("auto", "bfs", "dfs", "best_first", "a_star", "mcts", "paper_bfs")
BUDGET = {"completion_tokens": 200_000}


def writing(target, **fields):
    usual = {"task": TASK.name, "prompt_style": "PROMPT_STYLE_FEW_SHOT", "budget": BUDGET}
    return solve(target, PROBLEM, **usual | fields)


def shares(run):
    """The shares of votes of the children of each thought."""
    found = defaultdict(list)
    parents = {event.thought_id: event.proposed.parent_id for event in run.log if event.HasField("proposed")}
    for event in run.log:
        if event.HasField("evaluated"):
            assert event.evaluated.value.HasField("votes")
            found[parents[event.thought_id]].append(event.evaluated.value.votes)
    return found


@pytest.mark.parametrize("style", ["BARE", "FEW_SHOT"])
@pytest.mark.parametrize("concurrency", ["LEVEL", "ASYNC"])
@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_a_vote_leads_to_a_coherent_passage(strategy, concurrency, style):
    model = Writer()
    async with fleet(model) as target:
        run = await writing(target, strategy=strategy, prompt_style=f"PROMPT_STYLE_{style}",
                            concurrency=f"CONCURRENCY_MODEL_{concurrency}")  # fmt: skip
    assert run.status == "SOLVED", run.result
    assert run.result.answer in {passage(grade) for grade in range(COHERENT, 6)}
    assert TASK.validate(run.accepted.problem, run.result.answer) is None
    plan, written = run.result.steps
    assert plan.startswith("A plan of grade")
    assert written.replace(" ¶ ", "\n\n") == run.result.answer
    assert model.votes()
    assert {request.samples for request in model.votes()} == {VOTES}
    assert all(sum(of_siblings) <= 1 + 1e-9 for of_siblings in shares(run).values())
    # The answer ends calls that are in flight.
    assert 0 < run.result.usage.model_calls <= len(model.requests)


async def test_the_most_voted_passage_is_checked_first_and_no_other_if_it_holds():
    model = Writer()
    async with fleet(model) as target:
        run = await writing(target, strategy="dfs")
    [checked] = model.checks()
    best = max(grades(model.votes()[-1].prompt))
    assert run.result.answer == passage(best)
    assert passage(best) in checked.prompt
    verdicts = [event.validated.verdict for event in run.log if event.HasField("validated")]
    assert verdicts == [1]


async def test_the_plan_with_most_votes_is_followed_first():
    model = Writer()
    async with fleet(model) as target:
        run = await writing(target, strategy="dfs", concurrency="CONCURRENCY_MODEL_SEQUENTIAL")
    [of_plans] = [request for request in model.votes() if "A plan of grade" in request.prompt]
    assert f"grade {max(grades(of_plans.prompt))}" in run.result.steps[0]


async def test_states_are_judged_alone_where_a_solve_says_so():
    model = Writer()
    async with fleet(model) as target:
        run = await writing(target, strategy="bfs", evaluation="EVALUATION_METHOD_VALUE")
    assert run.status == "SOLVED"
    assert not model.votes()
    values = [event.evaluated.value for event in run.log if event.HasField("evaluated")]
    assert values
    assert all(value.likely == 1 and not value.HasField("votes") for value in values)


async def test_passages_that_are_reached_twice_are_merged():
    """Every plan leads to the same two bad passages: they are told as one thought each, with several parents."""

    def repeat(prompt, seed):
        return passage(seed % 2) if prompt.endswith("Passage:\n") else write(prompt, seed)

    model = Writer(repeat)
    async with fleet(model) as target:
        run = await writing(target, strategy="bfs", budget={"model_calls": 60})
    assert run.status == "MODEL_CALLS_SPENT"
    answers = [node for node in run.tree if node.thought.answer]
    assert len(answers) == 2
    assert all(len(node.parents) > 1 for node in answers)
    assert run.result.usage.model_calls == len(model.requests) <= 60


async def test_what_was_in_a_vote_before_is_not_voted_on_again():
    def repeat(prompt, seed):
        if prompt.endswith("Passage:\n"):
            return "Not what is wanted."
        return f"A plan of grade {seed % 2}" if prompt.endswith("Plan:\n") else write(prompt, seed)

    model = Writer(repeat)
    async with fleet(model) as target:
        run = await writing(target, strategy="bfs", budget={"model_calls": 40})
    assert run.tree[run.accepted.root_id].draws > 1
    assert len(model.votes()) == 1


async def test_one_plan_alone_needs_no_vote():
    model = Writer(lambda prompt, seed: write(prompt, 4 if prompt.endswith("Plan:\n") else seed))
    async with fleet(model) as target:
        run = await writing(target)
    assert run.status == "SOLVED"
    assert not [request for request in model.votes() if "A plan of grade" in request.prompt]
    assert list(shares(run).values()) == [[1.0]]


@pytest.mark.parametrize("concurrency", ["LEVEL", "ASYNC"])
async def test_a_vote_that_fails_marks_what_was_voted_on(concurrency):
    model = Writer(failure=ModelFailed)
    async with fleet(model) as target:
        run = await writing(target, strategy="dfs", budget={"model_calls": 30},
                            concurrency=f"CONCURRENCY_MODEL_{concurrency}")  # fmt: skip
    assert run.status in ("MODEL_CALLS_SPENT", "EXHAUSTED")
    assert {failure.message for failure in run.failures()} == {"no vote today"}
    assert not shares(run)
    assert run.result.usage.model_calls == len(model.requests)


async def test_a_vote_that_fails_for_now_marks_nothing():
    model = Writer(failure=Overloaded)
    async with fleet(model) as target:
        run = await writing(target, strategy="dfs", budget={"model_calls": 30})
    assert run.status == "MODEL_CALLS_SPENT"
    assert not run.failures()
    # With the last of the budget a single plan was drawn, which needs no vote.
    assert len(run.tree) <= 2


async def test_answers_are_checked_even_if_the_vote_on_them_fails():
    class Choosy(Writer):
        async def complete(self, request):
            if "Part 1" in request.prompt and request.prompt.endswith("Best:\n"):
                raise ModelFailed("no vote today")
            async for event in super().complete(request):
                yield event

    async with fleet(Choosy()) as target:
        run = await writing(target, strategy="dfs")
    assert run.status == "SOLVED"


@pytest.mark.parametrize("concurrency", ["LEVEL", "ASYNC"])
@pytest.mark.parametrize(
    ("resource", "limits"),
    [
        ("model_calls", (1, 2, 7, 30)),
        ("completion_tokens", (300, 3000, 12_000, 40_000)),
        ("prompt_tokens", (3000, 60_000, 400_000)),
        ("nodes", (2, 5, 20)),
    ],
)
async def test_budgets_hold_with_every_vote(resource, limits, concurrency):
    """The writer says as much as it may, everywhere, and nothing is ever good."""

    def ramble(prompt, seed):
        if prompt.endswith("Passage:\n"):
            text = passage(seed % 2)
            return f"{'very ' * 400}{seed} {text}"
        if prompt.endswith("Plan:\n"):
            return f"grade {seed % 9}{seed} " + "and " * 390
        return ("Best: 1 " if "Best:" in prompt else "Coherency: 1 ") * 500

    async with fleet(Writer(ramble)) as target:
        for limit in limits:
            budget = {"model_calls": 10**6, "completion_tokens": 10**6, "prompt_tokens": 10**8} | {resource: limit}
            run = await writing(target, budget=budget, concurrency=f"CONCURRENCY_MODEL_{concurrency}")
            assert run.status == f"{resource.upper()}_SPENT", run.result
            spent = run.result.progress.nodes if resource == "nodes" else getattr(run.result.usage, resource)
            assert spent <= limit


async def test_a_passage_that_breaks_the_rule_is_dropped_and_refused_where_it_is_believed():
    def careless(prompt, seed):
        return passage(5).replace(SENTENCES[2], "And so on.") if "Passage:\n" in prompt[-10:] else write(prompt, seed)

    model = Writer(careless)
    async with fleet(model) as target:
        checked = await writing(target, budget={"model_calls": 30})
        believed = await writing(target, budget={"model_calls": 30}, trust_arithmetic=True)
    assert not [node for node in checked.tree if node.thought.answer]
    assert sum(event.expanded.dropped.illegal for event in checked.log) > 0
    assert model.checks() == []
    why = {event.validated.explanation for event in believed.log if event.HasField("validated")}
    assert why == {"the passage paragraph 3 does not end with sentence 3"}


@pytest.mark.parametrize("strategy", ["io", "cot", "cot_sc", "sample_until_valid"])
async def test_whole_passages_need_no_vote(strategy):
    model = Writer()
    async with fleet(model) as target:
        run = await writing(target, strategy=strategy)
    assert not model.votes()
    judged = [event.validated.verdict for event in run.log if event.HasField("validated")]
    assert judged
    if run.result.answer:
        assert TASK.parse_verdict(write(f"{run.result.answer}Coherency:\n", 0)) is Verdict.CERTAIN


async def test_a_task_without_a_prompt_for_votes_is_judged_by_value():
    async with fleet() as target:
        error = await refusal(target, evaluation="EVALUATION_METHOD_VOTE")
        run = await solve(target)
    code, info, fields = details(error)
    assert (code, info.reason, fields) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", ["evaluation"])
    assert "no prompt for votes" in error.details()
    assert run.status == "SOLVED"
