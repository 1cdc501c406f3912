"""Histories that no search has made: seeded, of any size, with all that may happen in one."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from services.core.budget import Limits
from services.core.errors import Reason
from services.core.history import Begun, Ended, Parked, Record, Resumed, Round, Told
from services.core.thought import Dropped, Proposal, Thought, Usage, Value, Verdict
from services.core.tree import Evaluated, Event, Expanded, Failed, Merged, Proposed, Pruned, Tree, Validated

HOSTILE = (
    "'; DROP TABLE tree_thought; --",
    '"}) DETACH DELETE n //',
    "$rows {id: 1} `x` \\u0027 \\' \\",
    "\x00nul\ttab\nline\r\n",
    "24 ≠ 4 🂡 שלום \u202e\ufeff",
    "",
)
"""Texts that stores have taken for something else."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a history is like: shares of thoughts, from 0 to 1."""

    thoughts: int = 100
    children: int = 5
    """Of one expansion."""
    merged: float = 0.1
    pruned: float = 0.2
    failed: float = 0.05
    complete: float = 0.1
    texts: tuple[str, ...] = HOSTILE
    """Steps begin with one of these."""


def begun(problem: str = "4 5 6 10") -> Begun:
    """Return how a history begins."""
    return Begun(
        request=b"request",
        request_hash="hash",
        problem=problem,
        task="game24",
        strategy="bfs",
        versions="1",
        begun_at=1_800_000_000.5,
    )


def history(seed: int, shape: Shape = Shape()) -> Iterator[Record]:
    """Yield a whole history; the same for the same seed and shape. Its tree has `thoughts` or a few more."""
    first = begun()
    yield first
    maker = _Maker(Random(seed), shape, Tree(Thought.root(first.problem)))
    elapsed = 0.0
    while len(maker.tree) < shape.thoughts:
        elapsed += 0.5
        yield Round(told=tuple(maker.told() for _ in range(maker.random.randint(1, 4))), best="", elapsed=elapsed)
        if maker.random.random() < 0.05:
            yield Parked(why="nobody watches it", usage=Usage(), elapsed=elapsed)
            yield Resumed(pod="pod", limits=Limits())
    answer = maker.tree.answer
    yield Ended(
        status="SOLVED" if answer else "EXHAUSTED",
        answer=(answer.thought.answer or "") if answer else "",
        best=answer.thought.id if answer else maker.tree.root.id,
        elapsed=elapsed,
    )


class _Maker:
    def __init__(self, random: Random, shape: Shape, tree: Tree) -> None:
        self.random = random
        self.tree = tree
        self._shape = shape
        self._ids = [tree.root.id]

    def told(self) -> Told:
        """Expand a thought at random."""
        first = len(self.tree.events)
        parent = self.tree[self.random.choice(self._ids)]
        if parent.draws and self._happens(self._shape.failed):
            self.tree.apply(Failed(parent.thought.id, Reason.PROMPT_TOO_LONG, "too long"))
        for _ in range(self._shape.children):
            self._add(parent.thought)
        usage = Usage(model_calls=1, prompt_tokens=20, completion_tokens=self.random.randrange(50), dollars=0.25)
        self.tree.apply(Expanded(parent.thought.id, parent.draws, Dropped(malformed=1), usage))
        events = tuple(self.tree.events[first:])
        children = tuple(event.thought_id for event in events if isinstance(event, Proposed | Merged))
        return Told(thought_id=parent.thought.id, draw=parent.draws - 1, children=children, events=events, usage=usage)

    def _add(self, parent: Thought) -> None:
        if self._happens(self._shape.merged):
            known = self.tree[self.random.choice(self._ids)]
            if known.parents and parent.id not in known.parents and parent.id != known.thought.id:
                self.tree.apply(Merged(known.thought.id, parent.id, self._text()))
            return
        answer = "(10 - 4) * 5 - 6" if self._happens(self._shape.complete) else None
        thought = parent.child(Proposal(text=self._text(), key=f"key {len(self._ids)}", answer=answer))
        self.tree.apply(Proposed(thought))
        self._ids.append(thought.id)
        for event in self._judged(thought):
            self.tree.apply(event)

    def _judged(self, thought: Thought) -> Iterator[Event]:
        if thought.answer is not None:
            right = self._happens(0.3)
            verdict = Verdict.CERTAIN if right else Verdict.IMPOSSIBLE
            yield Validated(thought.id, verdict, "" if right else "it is 23")
            return
        share = self.random.random()
        labels = Value(sure=share / 2, likely=0.25, impossible=0.125)
        yield Evaluated(thought.id, Value(votes=share) if self._happens(0.2) else labels)
        if self._happens(self._shape.pruned):
            yield Pruned(thought.id, self.random.choice(["scores 0.1 of 0.5", "not among the best 5"]))

    def _text(self) -> str:
        """Return a text that no other step has."""
        return f"{self.random.choice(self._shape.texts)} {self.random.getrandbits(64):x}"

    def _happens(self, share: float) -> bool:
        return self.random.random() < share
