"""What a tree store is told of a history."""

import pytest

from services.core.budget import Limits
from services.core.errors import HistoryRefused, Reason
from services.core.history import Ended, Parked, Resumed, Round, Told
from services.core.projection import Projection
from services.core.stores import Step
from services.core.thought import Dropped, Proposal, Thought, Usage, Value, Verdict
from services.core.tree import Evaluated, Expanded, Failed, Merged, Proposed, Pruned, Status, Validated
from services.testing.histories import begun, history
from services.testing.tree_store_suite import all_changes

ROOT = Thought.root("4 5 6 10")
FIVE = ROOT.child(Proposal(text="10 - 5 = 5", key="4 5 6"))
SIX = ROOT.child(Proposal(text="10 - 4 = 6", key="5 6 6"))
LAST = FIVE.child(Proposal(text="5 * 4 + 6 = 26", key="26", answer="26"))
RIGHT = SIX.child(Proposal(text="6 * 5 - 6 = 24", key="24", answer="24"))


def round_of(*events):
    told = Told(thought_id=ROOT.id, draw=0, children=(), events=events)
    return Round(told=(told,), best=ROOT.id, elapsed=1.0)


def begin():
    return Projection("solve", begun(ROOT.text))


def test_it_begins_with_the_root():
    changes = begin().changes()
    assert (changes.position, changes.steps) == (1, ())
    [root] = changes.thoughts
    assert (root.id, root.number, root.parent_id, root.depth, root.text) == (ROOT.id, 0, None, 0, ROOT.text)
    assert (changes.solve.status, changes.solve.problem) == ("RUNNING", ROOT.text)


def test_only_what_changed_is_told_again_in_the_order_of_discovery():
    projection = begin()
    projection.take([round_of(Proposed(SIX), Proposed(FIVE), Proposed(LAST))])
    assert [thought.id for thought in projection.changes().thoughts] == [ROOT.id, SIX.id, FIVE.id, LAST.id]
    assert projection.changes().thoughts == ()
    projection.take([round_of(Pruned(LAST.id, "not good"), Evaluated(SIX.id, Value(sure=1.0)))])
    changes = projection.changes()
    assert [(thought.id, thought.number) for thought in changes.thoughts] == [(SIX.id, 1), (LAST.id, 3)]
    assert changes.position == 3


def test_notes_say_why():
    projection = begin()
    projection.take(
        [
            round_of(Proposed(FIVE), Proposed(SIX), Proposed(LAST), Proposed(RIGHT)),
            round_of(
                Pruned(FIVE.id, "not among the best 5"),
                Failed(SIX.id, Reason.PROMPT_TOO_LONG, "2000 of 1024"),
                Validated(LAST.id, Verdict.IMPOSSIBLE, "it is 26"),
                Validated(RIGHT.id, Verdict.CERTAIN, "it is 24"),
            ),
        ]
    )
    told = {thought.id: (thought.status, thought.note) for thought in projection.changes().thoughts}
    assert told == {
        ROOT.id: (Status.OPEN, ""),
        FIVE.id: (Status.PRUNED, "not among the best 5"),
        SIX.id: (Status.FAILED, "PROMPT_TOO_LONG: 2000 of 1024"),
        LAST.id: (Status.REJECTED, "it is 26"),
        RIGHT.id: (Status.ANSWER, ""),
    }


def test_usage_of_every_draw_is_added_up():
    projection = begin()
    for draw in range(2):
        projection.take([round_of(Expanded(ROOT.id, draw, Dropped(), Usage(model_calls=1, completion_tokens=10)))])
    [root] = projection.changes().thoughts
    assert (root.draws, root.usage) == (2, Usage(model_calls=2, completion_tokens=20))


def test_further_parents_are_steps_in_order():
    projection = begin()
    projection.take([round_of(Proposed(FIVE), Proposed(SIX), Proposed(LAST), Merged(LAST.id, SIX.id, "a"))])
    projection.take([round_of(Merged(LAST.id, ROOT.id, "b"))])
    changes = projection.changes()
    assert changes.steps == (Step(SIX.id, LAST.id, "a", 1), Step(ROOT.id, LAST.id, "b", 2))
    assert changes.thoughts[-1].parent_id == FIVE.id


def test_the_path_to_the_answer_is_marked_at_the_end():
    projection = begin()
    projection.take([round_of(Proposed(FIVE), Proposed(SIX), Proposed(LAST), Proposed(RIGHT))])
    assert not any(thought.on_answer_path for thought in projection.changes().thoughts)
    projection.take([Ended(status="SOLVED", answer="24", best=RIGHT.id)])
    changes = projection.changes()
    assert [(thought.id, thought.on_answer_path) for thought in changes.thoughts] == [
        (ROOT.id, True),
        (SIX.id, True),
        (RIGHT.id, True),
    ]
    assert (changes.solve.status, changes.solve.answer) == ("SOLVED", "24")


def test_a_solve_that_goes_on_has_one_marked_path_at_most():
    projection = begin()
    projection.take([round_of(Proposed(FIVE), Proposed(SIX), Proposed(LAST), Proposed(RIGHT))])
    projection.take([Ended(status="EXHAUSTED", best=LAST.id)])
    assert not any(thought.on_answer_path for thought in projection.changes().thoughts)
    projection.take([Ended(status="SOLVED", best=LAST.id)])
    projection.changes()
    projection.take([Ended(status="SOLVED", best=RIGHT.id)])
    marked = {thought.id: thought.on_answer_path for thought in projection.changes().thoughts}
    assert marked == {FIVE.id: False, LAST.id: False, SIX.id: True, RIGHT.id: True}


@pytest.mark.parametrize(
    ("record", "status"),
    [
        (Parked(why="nobody watches it", usage=Usage(), elapsed=1.0), "PARKED"),
        (Ended(status="NODES_SPENT"), "NODES_SPENT"),
        (Ended(status="FAILED", reason=Reason.INTERNAL), "FAILED"),
    ],
)
def test_the_status_of_the_solve(record, status):
    projection = begin()
    projection.take([record])
    assert projection.changes().solve.status == status
    projection.take([Resumed(pod="pod", limits=Limits())])
    assert projection.changes().solve.status == "RUNNING"


@pytest.mark.parametrize(
    "record", [begun(), round_of(Proposed(LAST)), round_of(Evaluated(FIVE.id, Value())), round_of(Proposed(ROOT))]
)
def test_a_history_that_adds_up_to_no_tree_is_refused(record):
    projection = begin()
    with pytest.raises(HistoryRefused, match=r"record 1 of solve 'solve'"):
        projection.take([record])


def test_parts_add_up_to_the_whole():
    """Cut anywhere, the last that is said of each thought is the same."""
    records = list(history(11))
    [whole] = all_changes("solve", records)
    latest, steps = {}, []
    for changes in all_changes("solve", records, range(1, len(records))):
        latest.update({thought.id: thought for thought in changes.thoughts})
        steps += changes.steps
    assert tuple(sorted(latest.values(), key=lambda thought: thought.number)) == whole.thoughts
    assert tuple(steps) == whole.steps
