"""The tree: a log of events and what it adds up to."""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.errors import Reason
from services.core.thought import Dropped, Proposal, Thought, Usage, Value, Verdict
from services.core.tree import Evaluated, Expanded, Failed, Merged, Proposed, Pruned, Status, Tree, Validated

ROOT = Thought.root("1 1 11 11")


@st.composite
def logs(draw):
    """Logs as a search writes them: each event is about a thought that is there."""
    thoughts, events = [ROOT], []
    for number in range(draw(st.integers(0, 25))):
        thought = draw(st.sampled_from(thoughts))
        kind = draw(st.sampled_from([Proposed, Proposed, Merged, Evaluated, Validated, Pruned, Expanded, Failed]))
        if kind is Proposed:
            child = thought.child(Proposal(f"step {number}", key=f"state {draw(st.integers(0, 9))}"))
            thoughts.append(child)
            events.append(Proposed(child))
        elif kind is Merged:
            events.append(Merged(thought.id, draw(st.sampled_from(thoughts)).id, f"step {number}"))
        else:
            events.append(_about(thought, kind, draw(st.booleans())))
    return events


def _about(thought, kind, luck):
    verdict = Verdict.CERTAIN if luck else Verdict.IMPOSSIBLE
    return {
        Evaluated: Evaluated(thought.id, Value(sure=float(luck))),
        Validated: Validated(thought.id, verdict, "because"),
        Pruned: Pruned(thought.id, "score 0"),
        Expanded: Expanded(thought.id, int(luck), Dropped(), Usage()),
        Failed: Failed(thought.id, Reason.MODEL_FAILED, "broke"),
    }[kind]


def _picture(tree):
    """All that a tree says."""
    nodes = [(copy.deepcopy(node), tree.steps(node.thought.id)) for node in tree]
    answer = tree.answer.thought.id if tree.answer else None
    return nodes, tree.events.copy(), len(tree), tree.merged, tree.depth, answer


@settings(deadline=None)
@given(logs())
def test_replaying_the_log_gives_the_same_tree(log):
    tree = Tree.replay(ROOT, log)
    assert _picture(Tree.replay(ROOT, tree.events)) == _picture(tree)
    assert tree.events == log


@settings(deadline=None)
@given(logs())
def test_the_log_only_grows_and_the_thoughts_stay_as_they_were(log):
    tree = Tree(ROOT)
    for number, event in enumerate(log):
        before, thoughts = tree.events.copy(), [node.thought for node in tree]
        tree.apply(event)
        assert tree.events == [*before, event]
        assert [node.thought for node in tree][: len(thoughts)] == thoughts
        assert len(tree.events) == number + 1


@settings(deadline=None)
@given(logs())
def test_the_counts_are_those_of_the_log(log):
    tree = Tree.replay(ROOT, log)
    assert len(tree) == 1 + sum(isinstance(event, Proposed) for event in log)
    assert tree.merged == sum(isinstance(event, Merged) for event in log)
    assert tree.depth == max(node.thought.depth for node in tree)
    certain = [e.thought_id for e in log if isinstance(e, Validated) and e.verdict is Verdict.CERTAIN]
    assert (tree.answer.thought.id if tree.answer else None) == (certain[0] if certain else None)


@settings(deadline=None)
@given(logs())
def test_parents_and_children_agree(log):
    tree = Tree.replay(ROOT, log)
    down = sorted((node.thought.id, child) for node in tree for child in node.children)
    up = sorted((parent, node.thought.id) for node in tree for parent in node.parents)
    assert down == up
    assert all(node.parents[0] == node.thought.parent_id for node in tree if node.thought.parent_id)


@settings(deadline=None)
@given(logs())
def test_steps_lead_from_the_root_to_the_thought(log):
    tree = Tree.replay(ROOT, log)
    for node in tree:
        steps = tree.steps(node.thought.id)
        assert len(steps) == node.thought.depth
        if steps:
            assert steps == (*tree.steps(node.thought.parent_id), node.thought.text)


@settings(deadline=None)
@given(logs())
def test_a_key_finds_the_first_node_that_has_it(log):
    tree = Tree.replay(ROOT, log)
    first = {}
    for node in tree:
        if node.thought.parent_id:
            first.setdefault(node.thought.key, node)
    assert all(tree.find(key) is node for key, node in first.items())
    assert tree.find("no such state") is None


def test_looking_up_by_id_and_by_key_walks_over_no_nodes(monkeypatch):
    tree = Tree(ROOT)
    for number in range(100):
        tree.apply(Proposed(ROOT.child(Proposal(f"step {number}", key=f"state {number}"))))

    def walk(self):
        raise AssertionError("a look-up walks over the nodes")

    monkeypatch.setattr(Tree, "__iter__", walk)
    assert all(type(index) is dict for index in (tree._nodes, tree._by_key))
    last = tree.find("state 99")
    assert tree[last.thought.id] is last


def test_a_merged_thought_is_one_node_with_two_parents_in_order_of_discovery():
    left, right = ROOT.child(Proposal("left", key="l")), ROOT.child(Proposal("right", key="r"))
    both = left.child(Proposal("on", key="both"))
    tree = Tree.replay(ROOT, [Proposed(left), Proposed(right), Proposed(both), Merged(both.id, right.id, "also on")])
    assert tree[both.id].parents == [left.id, right.id]
    assert tree[right.id].children == [both.id]
    assert (len(tree), tree.merged) == (4, 1)
    assert tree.steps(both.id) == ("left", "on")


def test_each_event_leaves_its_mark_on_the_node():
    child = ROOT.child(Proposal("step", key="state"))
    tree = Tree.replay(ROOT, [Proposed(child)])
    node = tree[child.id]
    assert (node.status, node.value, node.score, node.draws) == (Status.OPEN, None, 0.0, 0)
    tree.apply(Evaluated(child.id, Value(sure=0.5, likely=0.5)))
    assert node.score == 0.75
    tree.apply(Expanded(child.id, 2, Dropped(), Usage()))
    assert node.draws == 3
    tree.apply(Pruned(child.id, "score 0"))
    assert node.status is Status.PRUNED
    tree.apply(Failed(child.id, Reason.MODEL_FAILED, "broke"))
    assert node.status is Status.FAILED
    tree.apply(Validated(child.id, Verdict.IMPOSSIBLE, "makes 23"))
    assert (node.status, tree.answer) == (Status.REJECTED, None)
    tree.apply(Validated(child.id, Verdict.CERTAIN, "makes 24"))
    assert (node.status, tree.answer) == (Status.ANSWER, node)


def test_an_event_about_an_unknown_thought_changes_nothing():
    known, unknown = ROOT.child(Proposal("known", key="k")), Thought.root("another")
    tree = Tree.replay(ROOT, [Proposed(known)])
    before = _picture(tree)
    events = [
        Proposed(unknown.child(Proposal("step", key="s"))),
        Merged(unknown.id, known.id, "step"),
        Merged(known.id, unknown.id, "step"),
        *(_about(unknown, kind, True) for kind in (Evaluated, Validated, Pruned, Expanded, Failed)),
    ]
    for event in events:
        with pytest.raises(KeyError):
            tree.apply(event)
    assert _picture(tree) == before


def test_a_second_root_and_a_second_proposal_are_refused():
    child = ROOT.child(Proposal("step", key="state"))
    tree = Tree.replay(ROOT, [Proposed(child)])
    before = _picture(tree)
    for thought in (Thought.root("another"), child):
        with pytest.raises(ValueError, match="second root or known already"):
            tree.apply(Proposed(thought))
    assert _picture(tree) == before
