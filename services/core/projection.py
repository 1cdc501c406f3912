"""What a solve's history adds up to, for a store of trees: its thoughts as they are now, and what has changed since."""

from collections.abc import Iterable
from dataclasses import dataclass

from services.core.errors import HistoryRefused
from services.core.history import Begun, Ended, Parked, Record, Resumed, Round
from services.core.stores import Step, StoredSolve, StoredThought
from services.core.thought import Thought, Usage, Verdict
from services.core.tree import Event, Expanded, Failed, Merged, Proposed, Pruned, Tree, Validated

RUNNING = "RUNNING"
PARKED = "PARKED"
SOLVED = "SOLVED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What to write, so that `position` records of the log are in the store; thoughts in the order of discovery."""

    solve: StoredSolve
    position: int
    thoughts: tuple[StoredThought, ...]
    steps: tuple[Step, ...]


class Projection:
    """A fold over one solve's records. It takes each of them once, in order."""

    def __init__(self, solve_id: str, begun: Begun) -> None:
        """Begin with the first record of the log, which is number 0."""
        self.position = 1
        """How many records it has taken."""
        self.tree = Tree(Thought.root(begun.problem))
        """As far as they go; only `take` changes it."""
        self._solve_id = solve_id
        self._begun = begun
        self._status = RUNNING
        self._answer = ""
        self._numbers = {self.tree.root.id: 0}
        self._notes: dict[str, str] = {}
        self._usage: dict[str, Usage] = {}
        self._answer_path: frozenset[str] = frozenset()
        self._changed = {self.tree.root.id}
        self._steps: list[Step] = []

    def take(self, records: Iterable[Record]) -> None:
        """Add what comes next in the log. Raises `HistoryRefused` if it cannot come next."""
        for record in records:
            try:
                self._take(record)
            except (KeyError, ValueError) as error:
                raise HistoryRefused(
                    f"record {self.position} of solve {self._solve_id!r} is about a thought that does not fit its tree"
                ) from error
            self.position += 1

    def changes(self) -> Changes:
        """Return all that has changed since it was last asked."""
        changed, self._changed = self._changed, set()
        steps, self._steps = self._steps, []
        return Changes(
            solve=StoredSolve(
                solve_id=self._solve_id,
                problem=self._begun.problem,
                task=self._begun.task,
                strategy=self._begun.strategy,
                begun_at=self._begun.begun_at,
                status=self._status,
                answer=self._answer,
            ),
            position=self.position,
            thoughts=tuple(map(self.stored, sorted(changed, key=self._numbers.__getitem__))),
            steps=tuple(steps),
        )

    def stored(self, thought_id: str) -> StoredThought:
        """Return one thought as it is now. Raises `KeyError` if the tree has none of this id."""
        node = self.tree[thought_id]
        thought = node.thought
        return StoredThought(
            id=thought_id,
            number=self._numbers[thought_id],
            parent_id=thought.parent_id,
            depth=thought.depth,
            text=thought.text,
            key=thought.key,
            answer=thought.answer,
            value=node.value,
            status=node.status,
            note=self._notes.get(thought_id, ""),
            draws=node.draws,
            usage=self._usage.get(thought_id, Usage()),
            on_answer_path=thought_id in self._answer_path,
        )

    def _take(self, record: Record) -> None:
        match record:
            case Begun():
                raise ValueError("a second beginning")
            case Round(told=told):
                for expansion in told:
                    for event in expansion.events:
                        self._apply(event)
            case Parked():
                self._status = PARKED
            case Resumed():
                self._status = RUNNING
            case Ended(status=status, answer=answer, best=best):
                self._status, self._answer = status, answer
                self._mark(best if status == SOLVED else None)

    def _apply(self, event: Event) -> None:
        self.tree.apply(event)
        thought_id = event.thought_id
        self._changed.add(thought_id)
        match event:
            case Proposed():
                self._numbers[thought_id] = len(self._numbers)
            case Merged(parent_id=parent_id, text=text):
                order = len(self.tree[thought_id].parents) - 1
                self._steps.append(Step(parent_id, thought_id, text, order))
            case Pruned(reason=reason):
                self._notes[thought_id] = reason
            case Failed(reason=reason, message=message):
                self._notes[thought_id] = f"{reason}: {message}"
            case Validated(verdict=verdict, explanation=explanation):
                self._notes[thought_id] = "" if verdict is Verdict.CERTAIN else explanation
            case Expanded(usage=usage):
                self._usage[thought_id] = self._usage.get(thought_id, Usage()) + usage

    def _mark(self, answer_id: str | None) -> None:
        """Mark the path from the root to this thought, and no other."""
        path = set()
        while answer_id is not None:
            path.add(answer_id)
            answer_id = self.tree[answer_id].thought.parent_id
        self._changed |= self._answer_path ^ path
        self._answer_path = frozenset(path)
