"""The rule that picks a strategy."""

from dataclasses import replace

from services.orchestrator.auto import DEEP, Shape, preferred
from services.plugins import STRATEGIES

GAME = Shape(depth=4, checked=True, step_tokens=320, completion_tokens=20_000)
LINE = 320 * 4


def _first(**changes):
    return next(preferred(replace(GAME, **changes)))


def test_a_beam_is_picked_where_the_budget_pays_for_a_line():
    assert _first() == "bfs"
    assert _first(completion_tokens=LINE) == "bfs"
    assert _first(completion_tokens=LINE - 1) == "dfs"


def test_a_deep_task_is_searched_depth_first_whatever_the_budget():
    assert _first(depth=DEEP, completion_tokens=10**9) == "bfs"
    assert _first(depth=DEEP + 1, completion_tokens=10**9) == "dfs"


def test_a_task_of_one_step_is_sampled_until_valid_or_voted_on():
    assert _first(depth=1) == "sample_until_valid"
    assert _first(depth=1, checked=False) == "cot_sc"


def test_every_strategy_that_it_names_exists_and_any_that_searches_can_be_had_for_its_settings():
    assert set(preferred(GAME)) == set(STRATEGIES.names()) - {"io", "cot", "paper_bfs"}
