"""Depth-first search: what is expanded, in which order."""

import pytest

from services.core.search import Ask, Child, Prune, Tell
from services.core.thought import Value, Verdict
from services.orchestrator.search.dfs import Policy, Settings

WORLD = {
    "root": {"a": 0.9, "b": 0.8, "c": 0.05},
    "a": {"aa": 0.2, "ab": 0.7},
    "b": {"ba": 0.6},
}
"""Thoughts below thoughts, with scores; what is not listed is a last thought, whose answers are all rejected."""


def _tell(policy, ask):
    depth = 0 if ask.thought_id == "root" else len(ask.thought_id)
    children = WORLD.get(ask.thought_id, {})
    return policy.tell(
        Tell(
            ask.thought_id,
            ask.draw,
            tuple(Child(name, depth + 1, Value(sure=score)) for name, score in children.items()),
        )
    )


def _walk(policy, steps):
    """Return which thoughts are expanded, and with which draw."""
    walked = []
    for _ in range(steps):
        (ask,) = policy.ask(100)
        walked.append((ask.thought_id, ask.draw))
        _tell(policy, ask)
    return walked


def test_it_goes_down_by_the_best_and_backtracks_to_the_next():
    policy = Policy("root", Settings(depth=3, answer_attempts=1))
    assert [name for name, _ in _walk(policy, 6)] == ["root", "a", "ab", "aa", "b", "ba"]


def test_siblings_wait_for_their_elders_branch():
    policy = Policy("root", Settings(depth=3))
    (root,) = policy.ask(100)
    assert policy.ask(100) == []
    _tell(policy, root)
    assert [ask.thought_id for ask in policy.ask(100)] == ["a"]
    assert policy.ask(100) == []


def test_when_all_was_walked_it_goes_round_and_draws_again():
    policy = Policy("root", Settings(depth=3, answer_attempts=1))
    names = ["root", "a", "ab", "aa", "b", "ba"]
    for draw in range(3):
        assert _walk(policy, 6) == [(name, draw) for name in names]


def test_a_thought_below_the_threshold_is_pruned_once_and_never_expanded():
    policy = Policy("root", Settings(depth=3, answer_attempts=1))
    (root,) = policy.ask(1)
    assert _tell(policy, root) == [Prune("c", "score 0.05 below 0.1")]
    assert "c" not in [name for name, _ in _walk(policy, 20)]


@pytest.mark.parametrize("attempts", [1, 3])
def test_rejected_answers_are_drawn_again_as_often_as_is_set_before_it_backtracks(attempts):
    policy = Policy("root", Settings(depth=3, answer_samples=6, answer_attempts=attempts))
    _walk(policy, 2)
    for draw in range(attempts):
        (ask,) = policy.ask(1)
        assert ask == Ask("ab", draw, 6, 32)
        policy.tell(Tell("ab", draw, (Child(f"answer {draw}", 3, verdict=Verdict.IMPOSSIBLE),)))
    assert [ask.thought_id for ask in policy.ask(1)] == ["aa"]


def test_each_round_grants_the_attempts_anew():
    policy = Policy("root", Settings(depth=1, answer_attempts=2))
    assert _walk(policy, 5) == [("root", draw) for draw in range(5)]
    policy = Policy("root", Settings(depth=2, answer_attempts=2, evaluation_threshold=0.85))
    assert [name for name, _ in _walk(policy, 6)] == ["root", "a", "a", "root", "a", "a"]


def test_a_failed_thought_is_never_asked_for_again():
    policy = Policy("root", Settings(depth=3, answer_attempts=1))
    _walk(policy, 1)
    (ask,) = policy.ask(1)
    policy.tell(Tell(ask.thought_id, ask.draw, failed=True))
    assert [name for name, _ in _walk(policy, 5)] == ["b", "ba", "root", "b", "ba"]


def test_a_thought_reached_twice_in_a_round_is_expanded_once_in_it():
    policy = Policy("root", Settings(depth=3, answer_attempts=1))
    _walk(policy, 1)
    for elder in ("a", "b"):
        (ask,) = policy.ask(1)
        assert ask.thought_id == elder
        policy.tell(Tell(elder, 0, (Child("both", 2, Value(sure=0.5)),)))
        if elder == "a":
            assert _walk(policy, 1) == [("both", 0)]
    assert _walk(policy, 1) == [("root", 1)]


def test_the_best_is_the_deepest_of_some_worth_and_among_these_the_best_scored():
    policy = Policy("root", Settings(depth=3, answer_attempts=1))
    assert policy.best() == "root"
    bests = []
    for _ in range(6):
        _walk(policy, 1)
        bests.append(policy.best())
    assert bests == ["a", "ab", "ab", "ab", "ab", "ab"]
