"""The tree of a search: an append-only log of events, and the nodes that it adds up to.

States with equal keys are one node with several parents (Graph of Thoughts, Besta et al. 2023): evaluated once,
expanded once. Replaying a log gives the same tree. Where something was done (`pod`) is told and changes nothing: events
that differ in that alone are equal.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from services.core.errors import Reason
from services.core.thought import Dropped, Thought, Usage, Value, Verdict


@dataclass(frozen=True, slots=True)
class Proposed:
    """A thought joined the tree."""

    thought: Thought
    pod: str = field(default="", compare=False)

    @property
    def thought_id(self) -> str:
        """The thought that the event is about."""
        return self.thought.id


@dataclass(frozen=True, slots=True)
class Merged:
    """A thought was reached once more, from `parent_id` by the step `text`."""

    thought_id: str
    parent_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A thought was judged."""

    thought_id: str
    value: Value
    pod: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Validated:
    """An answer was checked."""

    thought_id: str
    verdict: Verdict
    explanation: str
    pod: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Pruned:
    """The strategy leaves a thought aside."""

    thought_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Expanded:
    """A thought was expanded for the `draw`-th time, from 0; `usage` contains the judging of its new children."""

    thought_id: str
    draw: int
    dropped: Dropped
    usage: Usage


@dataclass(frozen=True, slots=True)
class Failed:
    """Expanding or judging a thought failed for good; the search goes on without it."""

    thought_id: str
    reason: Reason
    message: str


Event = Proposed | Merged | Evaluated | Validated | Pruned | Expanded | Failed


class Status(StrEnum):
    """What became of a node."""

    OPEN = "open"
    PRUNED = "pruned"
    FAILED = "failed"
    REJECTED = "rejected"
    ANSWER = "answer"


@dataclass(slots=True)
class Node:
    """A thought in its tree. `parents` are in the order of discovery, its own parent first."""

    thought: Thought
    parents: list[str] = field(default_factory=list)
    children: list[str] = field(default_factory=list)
    value: Value | None = None
    status: Status = Status.OPEN
    draws: int = 0

    @property
    def score(self) -> float:
        """The value's score; 0 while there is none."""
        return self.value.score if self.value else 0.0


class Tree:
    """Nodes by id and by key, in O(1); changed by `apply` alone."""

    def __init__(self, root: Thought) -> None:
        self.root = root
        self.events: list[Event] = []
        self.merged = 0
        self.depth = 0
        self.answer: Node | None = None
        self._nodes: dict[str, Node] = {root.id: Node(root)}
        self._by_key: dict[str, Node] = {}

    @classmethod
    def replay(cls, root: Thought, events: Iterable[Event]) -> "Tree":
        """Return the tree that `events` add up to."""
        tree = cls(root)
        for event in events:
            tree.apply(event)
        return tree

    def __len__(self) -> int:
        return len(self._nodes)

    def __iter__(self) -> Iterator[Node]:
        return iter(self._nodes.values())

    def __getitem__(self, thought_id: str) -> Node:
        return self._nodes[thought_id]

    def get(self, thought_id: str) -> Node | None:
        """Return the node; None if the tree has none of this id."""
        return self._nodes.get(thought_id)

    def find(self, key: str) -> Node | None:
        """Return the first node whose state is interchangeable with any of this key."""
        return self._by_key.get(key)

    def path(self, thought_id: str) -> list[Thought]:
        """Return the thoughts from the root to this one, both included, along first parents."""
        path = [self._nodes[thought_id].thought]
        while (parent_id := path[-1].parent_id) is not None:
            path.append(self._nodes[parent_id].thought)
        return path[::-1]

    def steps(self, thought_id: str) -> tuple[str, ...]:
        """Return the texts from the root (excluded) to the thought (included), along first parents."""
        return tuple(thought.text for thought in self.path(thought_id)[1:])

    def apply(self, event: Event) -> None:
        """Append one event; `KeyError` if it is about a thought that the tree does not have."""
        match event:
            case Proposed(thought):
                self._add(thought)
            case Merged(thought_id, parent_id):
                node, parent = self._nodes[thought_id], self._nodes[parent_id]
                node.parents.append(parent_id)
                parent.children.append(thought_id)
                self.merged += 1
            case Evaluated(thought_id, value):
                self._nodes[thought_id].value = value
            case Validated(thought_id, verdict):
                node = self._nodes[thought_id]
                node.status = Status.ANSWER if verdict is Verdict.CERTAIN else Status.REJECTED
                if verdict is Verdict.CERTAIN and self.answer is None:
                    self.answer = node
            case Pruned(thought_id):
                self._nodes[thought_id].status = Status.PRUNED
            case Failed(thought_id):
                self._nodes[thought_id].status = Status.FAILED
            case Expanded(thought_id, draw):
                self._nodes[thought_id].draws = draw + 1
        self.events.append(event)

    def _add(self, thought: Thought) -> None:
        if thought.parent_id is None or thought.id in self._nodes:
            raise ValueError(f"thought {thought.id} is a second root or known already")
        self._nodes[thought.parent_id].children.append(thought.id)
        node = Node(thought, parents=[thought.parent_id])
        self._nodes[thought.id] = node
        self._by_key.setdefault(thought.key, node)
        self.depth = max(self.depth, thought.depth)
