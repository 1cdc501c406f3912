"""Parts of `kot` that need no process: what is shown of a large tree, intervals, requests."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from services.cli.display import draw_tree
from services.cli.figures import Solved, count, share_interval, wilson_interval
from services.cli.options import Hyperparameters
from services.cli.plot import plot_figures
from services.cli.request import build_request
from services.cli.selection import select
from services.core.budget import Limits
from services.core.thought import Proposal, Thought, Value, Verdict
from services.core.tree import Evaluated, Merged, Proposed, Pruned, Tree, Validated
from services.orchestrator.plan import DEFAULT_BATCH_SIZE
from services.rpc.convert import limits_from_proto, sampling_from_proto
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.rpc.gen.kubeofthoughts.v1.evaluator_service_pb2 import EvaluationMethod


def grown(branching: int, depth: int, *, answered: bool) -> Tree:
    """A full tree; every other child is pruned, the last line of thought may end in an answer."""
    tree = Tree(Thought.root("1 2 3 4"))
    level = [tree.root]
    for _ in range(depth):
        born = []
        for parent in level:
            for number in range(branching):
                thought = parent.child(Proposal(f"step {number}", key=f"{parent.id} {number}"))
                tree.apply(Proposed(thought))
                tree.apply(Evaluated(thought.id, Value(sure=number / branching)))
                if number % 2:
                    tree.apply(Pruned(thought.id, "enough"))
                born.append(thought)
        level = born
    if answered:
        last = level[-1].child(Proposal("Answer: 24", key="answer", answer="24"))
        tree.apply(Proposed(last))
        tree.apply(Validated(last.id, Verdict.CERTAIN, "right"))
    return tree


def drawn(tree: Tree, lines: int) -> str:
    console = Console(file=io.StringIO(), width=60, height=50, force_terminal=False)
    console.print(draw_tree(tree, lines))
    return console.file.getvalue()


@given(st.integers(1, 6), st.integers(1, 3), st.integers(6, 40), st.booleans())
def test_a_tree_fits_into_the_lines_that_there_are(branching, depth, lines, answered):
    tree = grown(branching, depth, answered=answered)
    picture = drawn(tree, lines)
    assert len(picture.splitlines()) == select(tree, lines).lines <= lines


def test_the_answer_is_shown_before_all_else():
    assert "Answer: 24" in drawn(grown(6, 3, answered=True), 10)


def test_a_tree_that_fits_is_shown_in_full():
    tree = grown(3, 2, answered=True)
    assert len(drawn(tree, 40).splitlines()) == len(tree)


def test_what_is_left_out_is_counted():
    assert "… 2 more, 3 pruned" in drawn(grown(6, 1, answered=False), 3)


def test_a_thought_that_was_reached_again_is_marked_and_shown_once():
    tree = grown(2, 1, answered=False)
    first, second = (child for child in tree[tree.root.id].children)
    tree.apply(Proposed(tree[first].thought.child(Proposal("meet", key="meet"))))
    met = tree.find("meet")
    tree.apply(Merged(met.thought.id, second, "meet too"))
    picture = drawn(tree, 40)
    assert picture.count("meet") == 1
    assert "⇄ 2" in picture


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        # Newcombe 1998, table I: 81 of 263 and 15 of 148; and both ends.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (29, 29, 0.8830, 1.0),
    ],
)
def test_the_interval_is_wilsons(successes, trials, low, high):
    assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("solved", "seeds", "share", "trials"),
    [
        ([1, 1, 0, 1], 1, 3 / 4, 4),
        # All or none of a puzzle's seeds: each puzzle counts once.
        ([3, 3, 0, 3], 3, 3 / 4, 4),
        ([2, 2, 2, 2], 2, 1, 4),
        ([0, 0, 0, 0], 2, 0, 4),
        # Each puzzle half of the times: no puzzle differs from another, so each solve counts.
        ([1, 1, 1, 1], 2, 1 / 2, 8),
        # Between them: 1/2 * 1/2, divided by the variance of the mean of four, 1/2 / (4 * 3).
        ([2, 1, 1, 0], 2, 1 / 2, 6),
    ],
)
def test_solves_of_one_puzzle_are_not_counted_as_independent(solved, seeds, share, trials):
    assert share_interval(solved, seeds) == pytest.approx(wilson_interval(share * trials, trials))


def ended(puzzle: str, answer: str) -> Solved:
    result = wire.SolveResult(status=wire.SOLVE_STATUS_SOLVED, answer=answer, elapsed_seconds=1)
    result.usage.completion_tokens = 40
    return Solved(puzzle, result)


def test_a_false_answer_is_no_solution():
    solved = [ended("1 1 4 6", "1 * 1 * 4 * 6 = 24"), ended("1 1 4 6", "1 + 1 + 4 + 6 = 24")]
    figures = count("io", solved, Hyperparameters(), seeds=2, seconds=1)
    assert (figures.puzzles, figures.solved, figures.solved_share, figures.false_answers) == (1, 1, 0.5, 1)


def test_equal_figures_are_plotted_equally(tmp_path):
    solved = [ended("4 6 1 1", "4 * 6 * 1 * 1 = 24"), ended("4 6 1 1", "4 + 6 + 1 + 1 = 24")]
    budgets = [Hyperparameters(max_completion_tokens=budget) for budget in (1000, 100)]
    figures = [count(name, solved, each, seeds=1, seconds=1) for name in ("io", "dfs") for each in budgets]
    first, second = tmp_path / "first.svg", tmp_path / "second.svg"
    for path in first, second:
        plot_figures(path, figures, title="puzzles.csv")
    assert first.read_bytes() == second.read_bytes()


def test_what_is_not_given_is_not_sent():
    request = build_request("1 2 3 4", None, Hyperparameters(), wire.EVENT_DETAIL_ALL)
    assert [field.name for field, _ in request.ListFields()] == ["request_id", "problem", "event_detail"]


def test_zero_is_given_and_sent():
    options = Hyperparameters(temperature=0.0, top_k=0, evaluation_threshold=0.0, request_batch_size=0)
    request = build_request("1 2 3 4", "dfs", options, wire.EVENT_DETAIL_RESULT)
    assert request.sampling.HasField("temperature")
    assert request.sampling.HasField("top_k")
    assert request.HasField("request_batch_size")
    assert dict(request.settings) == {"evaluation_threshold": 0.0}


def test_how_states_are_judged_is_sent():
    for evaluate in ("value", "vote"):
        request = build_request("x", None, Hyperparameters(evaluate=evaluate), wire.EVENT_DETAIL_RESULT)
        assert EvaluationMethod.Name(request.evaluation) == f"EVALUATION_METHOD_{evaluate.upper()}"


def test_the_defaults_that_help_states_are_the_servers():
    said = dict(_help_texts())
    request = wire.SolveRequest()
    sampling, limits = sampling_from_proto(request.sampling), limits_from_proto(request.budget)
    assert limits == Limits()
    expected = {
        "temperature": sampling.temperature,
        "top_k": sampling.top_k,
        "top_p": sampling.top_p,
        "max_nodes": limits.nodes,
        "max_model_calls": limits.model_calls,
        "max_completion_tokens": limits.completion_tokens,
        "max_seconds": limits.wall_seconds,
        "request_batch_size": DEFAULT_BATCH_SIZE,
        "seed": request.seed,
    }
    for option, default in expected.items():
        assert f"(default {default:g})" in said[option], option


def _help_texts():
    from dataclasses import fields
    from typing import get_args

    from typer.models import OptionInfo

    for option in fields(Hyperparameters):
        for mark in get_args(option.type):
            if isinstance(mark, OptionInfo):
                yield option.name, mark.help
