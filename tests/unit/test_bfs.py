"""Beam search: what is expanded, in which order."""

import pytest

from services.core.search import Ask, Child, Prune, Tell
from services.core.task import Method
from services.core.thought import Value, Verdict
from services.orchestrator.search.bfs import Policy, Settings


def _children(scores, depth=1):
    return tuple(Child(name, depth, Value(sure=score)) for name, score in scores.items())


def _asked(policy, capacity=100):
    return [ask.thought_id for ask in policy.ask(capacity)]


def _expand(policy, name, draw=0, scores=(), depth=1):
    return policy.tell(Tell(name, draw, _children(dict(scores), depth)))


def _two_levels(**settings):
    """A search two steps deep, whose first level has four thoughts."""
    policy = Policy("root", Settings(rollouts=0, depth=2, beam_width=2, answer_attempts=1, **settings))
    assert _asked(policy) == ["root"]
    _expand(policy, "root", 0, {"low": 0.2, "best": 0.9, "poor": 0.1, "good": 0.8})
    return policy


def test_the_root_is_asked_for_first_and_waited_for():
    policy = Policy("root", Settings(rollouts=0, samples=7, branching_factor=3))
    assert policy.ask(5) == [Ask("root", 0, 7, 3)]
    assert policy.ask(5) == []


def test_the_beam_keeps_the_best_of_a_level_best_first():
    policy = _two_levels()
    assert _asked(policy) == ["best", "good"]
    assert _asked(policy) == []


def test_thoughts_of_equal_score_go_in_the_order_in_which_they_were_found():
    policy = Policy("root", Settings(rollouts=0, depth=2, beam_width=2))
    policy.ask(1)
    _expand(policy, "root", 0, {"z": 0.5, "a": 0.5, "m": 0.5})
    assert _asked(policy) == ["z", "a"]


def test_a_beam_wider_than_the_capacity_is_asked_for_in_parts():
    policy = _two_levels()
    assert _asked(policy, capacity=1) == ["best"]
    assert _asked(policy, capacity=1) == ["good"]
    assert _asked(policy, capacity=1) == []


def test_the_next_level_waits_for_the_whole_beam():
    policy = Policy("root", Settings(rollouts=0, depth=3, beam_width=2))
    policy.ask(1)
    _expand(policy, "root", 0, {"a": 0.9, "b": 0.8})
    assert _asked(policy) == ["a", "b"]
    _expand(policy, "b", 0, {"bb": 0.3}, depth=2)
    assert _asked(policy) == []
    _expand(policy, "a", 0, {"aa": 0.2, "ab": 0.7}, depth=2)
    assert _asked(policy) == ["ab", "bb"]


def test_a_thought_below_the_threshold_is_pruned_once_and_never_expanded():
    policy = Policy("root", Settings(rollouts=0, depth=2, evaluation_threshold=0.5, answer_attempts=1))
    policy.ask(1)
    pruned = _expand(policy, "root", 0, {"below": 0.49, "at": 0.5})
    assert pruned == [Prune("below", "score 0.49 below 0.5")]
    assert _asked(policy) == ["at"]
    _expand(policy, "at")
    assert _asked(policy) == ["root"]
    assert _expand(policy, "root", 1, {"below": 0.49}) == []
    assert _asked(policy) == ["at"]


def test_the_second_round_begins_at_the_root_and_widens_to_what_was_left_aside():
    policy = _two_levels()
    for name in _asked(policy):
        _expand(policy, name)
    assert policy.ask(9) == [Ask("root", 1, 8, 32)]
    _expand(policy, "root", 1, {"new": 0.15, "best": 0.9})
    assert _asked(policy) == ["low", "new"]


def test_when_all_were_expanded_the_best_is_sampled_again():
    policy = _two_levels()
    for draw in range(2):
        for name in _asked(policy):
            _expand(policy, name)
        assert _asked(policy) == ["root"]
        _expand(policy, "root", draw + 1)
    assert policy.ask(9) == [Ask("best", 1, 4, 32), Ask("good", 1, 4, 32)]


def test_a_level_without_thoughts_is_passed_over():
    policy = Policy("root", Settings(rollouts=0, depth=4))
    policy.ask(1)
    _expand(policy, "root")
    assert policy.ask(9) == [Ask("root", 1, 8, 32)]


@pytest.mark.parametrize("attempts", [1, 3])
def test_rejected_answers_are_drawn_again_as_often_as_is_set(attempts):
    policy = Policy("root", Settings(rollouts=0, depth=2, answer_samples=6, answer_attempts=attempts))
    policy.ask(1)
    _expand(policy, "root", 0, {"last": 0.9})
    for draw in range(attempts):
        assert policy.ask(9) == [Ask("last", draw, 6, 32)]
        policy.tell(Tell("last", draw, (Child(f"answer {draw}", 2, verdict=Verdict.IMPOSSIBLE),)))
    assert _asked(policy) == ["root"]


def test_each_round_grants_the_attempts_anew():
    policy = Policy("root", Settings(rollouts=0, depth=2, answer_attempts=2))
    asks = []
    for _ in range(6):
        (ask,) = policy.ask(9)
        asks.append((ask.thought_id, ask.draw))
        policy.tell(Tell(ask.thought_id, ask.draw, _children({"last": 0.9}) if ask.thought_id == "root" else ()))
    assert asks == [("root", 0), ("last", 0), ("last", 1), ("root", 1), ("last", 2), ("last", 3)]


def test_a_search_one_step_deep_draws_answers_from_the_root():
    policy = Policy("root", Settings(rollouts=0, depth=1, answer_samples=6, answer_attempts=2))
    for draw in range(5):
        assert policy.ask(9) == [Ask("root", draw, 6, 32)]
        policy.tell(Tell("root", draw))


def test_a_failed_thought_is_left_out_and_its_siblings_go_on():
    policy = _two_levels()
    policy.ask(9)
    policy.tell(Tell("best", 0, failed=True))
    _expand(policy, "good")
    assert _asked(policy) == ["root"]
    _expand(policy, "root", 1)
    assert _asked(policy) == ["low", "poor"]
    for name in ("low", "poor"):
        _expand(policy, name)
    _asked(policy)
    _expand(policy, "root", 2)
    assert _asked(policy) == ["good", "low"]


def test_a_dead_thought_is_not_expanded():
    policy = Policy("root", Settings(rollouts=0, depth=2))
    policy.ask(1)
    policy.tell(Tell("root", 0, (Child("unjudged", 1), Child("judged", 1, Value(sure=0.1)))))
    assert _asked(policy) == ["judged"]
    assert policy.best() == "judged"


def test_a_thought_reached_twice_is_expanded_once():
    policy = Policy("root", Settings(rollouts=0, depth=3, answer_attempts=1))
    policy.ask(1)
    _expand(policy, "root", 0, {"a": 0.9, "b": 0.8})
    for name in _asked(policy):
        _expand(policy, name, 0, {"both": 0.7}, depth=2)
    assert _asked(policy) == ["both"]


def test_the_best_is_the_deepest_of_some_worth_and_among_these_the_best_scored():
    policy = Policy("root", Settings(rollouts=0, depth=3, evaluation_threshold=0))
    assert policy.best() == "root"
    policy.ask(1)
    _expand(policy, "root", 0, {"nothing": 0.0, "a": 0.9, "b": 0.95})
    assert policy.best() == "b"
    policy.ask(9)
    _expand(policy, "a", 0, {"aa": 0.2, "ab": 0.3, "ac": 0.0}, depth=2)
    assert policy.best() == "ab"


# --- without a barrier ------------------------------------------------------------------------------------------------


def _tell_part(policy, name, scores, *, draw=0, depth=1):
    return policy.tell(Tell(name, draw, _children(scores, depth), done=False))


def test_a_sure_thing_does_not_wait_for_its_siblings_and_the_rest_does():
    policy = Policy("root", Settings(rollouts=0, depth=3, beam_width=2, sure_score=0.9))
    assert _asked(policy) == ["root"]
    _tell_part(policy, "root", {"good": 0.8})
    assert _asked(policy) == []
    _tell_part(policy, "root", {"sure": 0.9})
    assert _asked(policy) == ["sure"]


def test_sure_things_take_places_in_the_beam_and_the_deepest_goes_first():
    policy = Policy("root", Settings(rollouts=0, depth=4, beam_width=2, sure_score=0.9))
    policy.ask(1)
    _tell_part(policy, "root", {"a": 0.95, "b": 0.94, "c": 0.93, "good": 0.8})
    assert _asked(policy) == ["a", "b"]
    _tell_part(policy, "a", {"aa": 0.92}, depth=2)
    _tell_part(policy, "b", {"bb": 0.99}, depth=2)
    _tell_part(policy, "root", {"d": 0.97})
    assert _asked(policy, 1) == ["bb"]
    assert _asked(policy) == ["aa"]
    for name in ("root", "a", "b", "bb", "aa"):
        _expand(policy, name)
    assert _asked(policy) == ["root", "d", "c"], "the next round has places again"


def test_told_all_at_once_nothing_is_sure_before_its_depth():
    policy = Policy("root", Settings(rollouts=0, depth=3, beam_width=1))
    policy.ask(9)
    _expand(policy, "root", 0, {"a": 1.0, "b": 1.0})
    assert _asked(policy) == ["a"]


# --- look-ahead and diversity -----------------------------------------------------------------------------------------


def test_with_rollouts_whole_solutions_are_drawn_before_each_expansion_but_the_first_and_the_last():
    policy = Policy("root", Settings(depth=3, beam_width=1, rollouts=3, samples=7, answer_samples=5))
    told = []
    for _ in range(4):
        (ask,) = policy.ask(9)
        told.append((ask.thought_id, ask.draw, ask.samples, ask.method))
        below = {"root": {"a": 0.9}, "a": {"aa": 0.8}}.get(ask.thought_id, {}) if ask.method is Method.STEP else {}
        _expand(policy, ask.thought_id, ask.draw, below, depth=1 if ask.thought_id == "root" else 2)
    assert told == [
        ("root", 0, 7, Method.STEP), ("a", 0, 3, Method.CHAIN), ("a", 1, 7, Method.STEP), ("aa", 0, 5, Method.STEP),
    ]  # fmt: skip


def test_a_sibling_penalty_makes_room_for_another_family():
    scores = {"root": {"a": 0.9, "b": 0.8}, "a": {"a1": 0.9, "a2": 0.88}, "b": {"b1": 0.85}}
    chosen = {}
    for penalty in (0.0, 0.1):
        policy = Policy("root", Settings(rollouts=0, depth=3, beam_width=2, sibling_penalty=penalty))
        _asked(policy)
        _expand(policy, "root", 0, scores["root"])
        for name in _asked(policy):
            _expand(policy, name, 0, scores[name], depth=2)
        chosen[penalty] = _asked(policy)
    assert chosen == {0.0: ["a1", "a2"], 0.1: ["a1", "b1"]}


def test_what_went_ahead_is_not_expanded_again_in_its_round():
    policy = Policy("root", Settings(rollouts=0, depth=3, beam_width=3, sure_score=0.9))
    policy.ask(1)
    _tell_part(policy, "root", {"sure": 0.95})
    assert _asked(policy) == ["sure"]
    _expand(policy, "sure", 0, {"below": 0.5}, depth=2)
    _expand(policy, "root", 0, {"good": 0.5})
    assert _asked(policy) == ["good"]
    _expand(policy, "good")
    assert _asked(policy) == ["below"]


def test_the_penalty_counts_siblings_that_are_told_one_by_one():
    policy = Policy("root", Settings(rollouts=0, depth=3, beam_width=2, sibling_penalty=0.1, sure_score=1))
    policy.ask(1)
    _expand(policy, "root", 0, {"a": 0.9, "b": 0.8})
    assert _asked(policy) == ["a", "b"]
    _tell_part(policy, "a", {"a1": 0.9}, depth=2)
    _tell_part(policy, "b", {"b1": 0.85}, depth=2)
    _expand(policy, "a", 0, {"a2": 0.88}, depth=2)
    _expand(policy, "b", 0, depth=2)
    assert _asked(policy) == ["a1", "b1"]
