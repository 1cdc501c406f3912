"""The paper's beam search: one pass, nothing pruned, labels worth 20, 1 and 0.001."""

from services.core.search import Child, Tell
from services.core.thought import Value, Verdict
from services.orchestrator.search.paper_bfs import Policy, Settings


def _expand(policy, name, depth=1, **values):
    return policy.tell(Tell(name, 0, tuple(Child(child, depth, value) for child, value in values.items())))


def test_labels_are_weighed_as_the_authors_weigh_them():
    policy = Policy("root", Settings(beam_width=3))
    policy.ask(1)
    pruned = _expand(
        policy, "root", likely=Value(likely=1), hopeless=Value(impossible=1), divided=Value(sure=0.1, impossible=0.9),
        silent=Value(),
    )  # fmt: skip
    assert [ask.thought_id for ask in policy.ask(9)] == ["divided", "likely", "hopeless"]
    assert [prune.thought_id for prune in pruned] == ["silent"]


def test_what_is_judged_impossible_is_expanded_all_the_same_where_there_is_room():
    policy = Policy("root", Settings(beam_width=5))
    policy.ask(1)
    _expand(policy, "root", hopeless=Value(impossible=1))
    assert [ask.thought_id for ask in policy.ask(9)] == ["hopeless"]


def test_the_last_depth_is_the_end_and_an_answer_that_holds_is_the_best():
    policy = Policy("root", Settings(depth=1))
    policy.ask(1)
    answers = (Child("wrong", 1, verdict=Verdict.IMPOSSIBLE), Child("right", 1, verdict=Verdict.CERTAIN))
    policy.tell(Tell("root", 0, answers))
    assert policy.best() == "right"
    assert policy.ask(9) == []
    assert not policy.rules.stops_at_answer


def test_the_next_depth_waits_for_all_of_this_one():
    policy = Policy("root", Settings(depth=3))
    policy.ask(1)
    _expand(policy, "root", a=Value(sure=1), b=Value(likely=1))
    assert [ask.thought_id for ask in policy.ask(1)] == ["a"]
    _expand(policy, "a", 2, aa=Value(sure=1))
    assert [ask.thought_id for ask in policy.ask(9)] == ["b"]
    assert policy.ask(9) == []
    _expand(policy, "b", 2, bb=Value(likely=1))
    assert [ask.thought_id for ask in policy.ask(9)] == ["aa", "bb"]


def test_an_answer_that_holds_is_never_lost():
    policy = Policy("root", Settings(depth=2, beam_width=1))
    policy.ask(1)
    answers = (Child("early", 1, verdict=Verdict.CERTAIN), Child("step", 1, Value(sure=1)))
    policy.tell(Tell("root", 0, answers, done=False))
    assert policy.best() == "early"
    policy.tell(Tell("root", 0, ()))
    policy.ask(1)
    _expand(policy, "step", 2, late=Value(sure=1))
    assert policy.best() == "early"
