"""Thoughts and what is said about them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.thought import Dropped, Label, Proposal, Thought, Usage, Value, thought_id

numbers = st.integers(0, 1000)
usages = st.builds(Usage, numbers, numbers, numbers, numbers)


def test_ids_are_derived_and_stable_between_releases():
    root = Thought.root("1 1 11 11")
    assert root.id == "c29b7286d5303bcb"
    assert root.child(Proposal("1 + 1 = 2 (left: 2 11 11)", key="2 11 11")).id == "659424f49dd228c2"


@given(st.text(), st.text())
def test_an_id_is_sixteen_hexadecimal_digits(problem, text):
    child = Thought.root(problem).child(Proposal(text, key=text))
    assert len(child.id) == 16
    int(child.id, 16)


@given(st.text(), st.text(), st.text())
def test_different_steps_and_different_parents_give_different_ids(problem, one, other):
    root = Thought.root(problem)
    first, second = root.child(Proposal(one, key="")), root.child(Proposal(other, key=""))
    assert (first.id == second.id) == (one == other)
    assert first.child(Proposal(other, key="")).id != second.child(Proposal(one, key="")).id or one == other
    assert thought_id(root.id, one) == first.id


def test_a_root_is_the_problem_and_a_child_is_one_step_deeper():
    root = Thought.root("1 1 11 11")
    assert (root.parent_id, root.depth, root.text, root.answer) == (None, 0, "1 1 11 11", None)
    child = root.child(Proposal("step", key="state", answer="24"))
    assert (child.parent_id, child.depth, child.text, child.key, child.answer) == (root.id, 1, "step", "state", "24")


@pytest.mark.parametrize(("label", "score"), [(Label.SURE, 1.0), (Label.LIKELY, 0.5), (Label.IMPOSSIBLE, 0.0)])
def test_a_certain_value_scores_as_its_label(label, score):
    assert Value.certain(label).score == score


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_score_is_from_zero_to_one(sure, share):
    assert 0 <= Value(sure=sure, likely=(1 - sure) * share).score <= 1


@given(usages, usages, usages)
def test_usage_adds_up_in_any_order(one, other, third):
    assert one + other == other + one
    assert (one + other) + third == one + (other + third)
    assert one + Usage() == one


@given(numbers, numbers, numbers)
def test_dropped_lines_add_up_by_kind(malformed, illegal, duplicate):
    kinds = Dropped(malformed=malformed) + Dropped(illegal=illegal) + Dropped(duplicate=duplicate)
    assert kinds == Dropped(malformed, illegal, duplicate)
