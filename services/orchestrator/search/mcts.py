"""Monte Carlo tree search with PUCT: expand where value and curiosity are greatest (Silver et al. 2017, Methods).

The evaluator's score is a thought's prior among its siblings and, in place of a rollout, its value. Thoughts under way
count as visits that brought nothing (virtual loss, Chaslot et al. 2008), so that parallel asks spread. A thought that
has few children for its visits is sampled again (progressive widening, Coulom 2007), so the search never ends while
budget is left. Where branches merge, a value is passed back along the path that was walked.
"""

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.core.search import Ask, Prune, Rules, Tell, setting
from services.orchestrator.search._nodes import Node, Nodes, NodeSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(NodeSettings):
    """What can be set."""

    parallel: int = setting(4, "Thoughts expanded at the same time.", minimum=1, maximum=1000)
    exploration: float = setting(1.0, "Weight of curiosity against value, PUCT's constant.", minimum=0, maximum=100)
    widening: float = setting(
        3.0,
        "A thought is sampled again while its children are fewer than this times a power of its visits.",
        minimum=0,
        maximum=100,
    )
    widening_exponent: float = setting(1 / 3, "That power.", minimum=0, maximum=1)


@dataclass(slots=True, eq=False)
class _Arm:
    """The statistics of a node that was walked to; `pending` visits are under way and count as losses."""

    node: Node
    visits: int = 0
    value: float = 0.0
    pending: int = 0
    tried: list["_Arm"] = field(default_factory=list)
    """Children that were walked to, on this path or another."""
    untried: list[tuple[float, int, Node]] = field(default_factory=list)
    """A heap of the others, the best scored first: no other of them can have a greater bound."""
    scores: float = 0.0
    """The sum of all children's scores."""

    @property
    def children(self) -> int:
        return len(self.tried) + len(self.untried)

    def add(self, child: Node) -> None:
        """Add a child that this arm does not have."""
        self.scores += child.score
        heapq.heappush(self.untried, (-child.score, child.order, child))

    def has(self, child: Node) -> bool:
        return any(child is arm.node for arm in self.tried) or any(child is other for _, _, other in self.untried)


class Policy:
    """PUCT with virtual loss and progressive widening."""

    rules = Rules()

    def __init__(self, root_id: str, settings: Settings) -> None:
        self._settings = settings
        self._nodes = Nodes(root_id, settings)
        self._root = _Arm(self._nodes.root)
        self._arms = {root_id: self._root}
        self._paths: dict[str, list[_Arm]] = {}
        """The path that was walked to each thought that is asked."""
        self._gains: dict[str, float] = {}
        """The best score of what each thought that is asked has brought so far."""

    def ask(self, capacity: int) -> Sequence[Ask]:
        """Walk down as often as there is capacity, each walk seeing the visits of those before it."""
        asks: list[Ask] = []
        while len(asks) < capacity and self._nodes.asked < self._settings.parallel:
            path = self._walk()
            if path is None:
                break
            for arm in path:
                arm.pending += 1
            self._paths[path[-1].node.thought_id] = path
            asks.append(self._nodes.ask(path[-1].node))
        return asks

    def tell(self, result: Tell) -> Sequence[Prune]:
        """Add the children; in the end, pass their best score back along the path."""
        taken = self._nodes.take(result)
        if taken is None:
            return []
        path = self._paths[result.thought_id]
        new = set(taken.new)
        for child in taken.inner:
            if child in new or not path[-1].has(child):
                path[-1].add(child)
        gain = max((child.score for child in taken.new), default=0.0)
        gain = max(gain, self._gains.pop(result.thought_id, 0.0))
        if not taken.done:
            self._gains[result.thought_id] = gain
            return taken.pruned
        del self._paths[result.thought_id]
        for arm in path:
            arm.pending -= 1
            arm.visits += 1
            arm.value += gain
        return taken.pruned

    def best(self) -> str:
        """Return the best scored of the deepest."""
        return self._nodes.best.thought_id

    def _walk(self) -> list[_Arm] | None:
        """Return the path to the thought to expand next; None if all are under way or failed."""
        path = [self._root]
        while True:
            arm = path[-1]
            if self._may_expand(arm) and self._has_few_children(arm):
                return path
            child = self._most_promising(arm)
            if child is None:
                return path if self._may_expand(arm) else None
            path.append(child)

    def _most_promising(self, arm: _Arm) -> _Arm | None:
        """Return the child with the greatest bound of those that a walk can go on from."""
        self._sort_out(arm)
        curiosity = self._settings.exploration * math.sqrt(arm.visits + arm.pending)
        # Where nothing is worth anything, all are alike.
        weight, even = (curiosity / arm.scores, 0.0) if arm.scores else (0.0, curiosity / max(arm.children, 1))
        best, greatest = None, -math.inf
        if arm.untried:
            greatest = arm.untried[0][-1].score * (1 + weight) + even
        for child in arm.tried:
            tries = child.visits + child.pending
            bound = child.value / tries + (child.node.score * weight + even) / (1 + tries)
            if bound > greatest and self._is_open(child):
                best, greatest = child, bound
        if best is None and arm.untried:
            best = self._try(arm)
        return best

    def _try(self, arm: _Arm) -> _Arm:
        """Move the best of the untried children to the tried ones."""
        node = heapq.heappop(arm.untried)[-1]
        child = self._arms.setdefault(node.thought_id, _Arm(node))
        arm.tried.append(child)
        return child

    def _sort_out(self, arm: _Arm) -> None:
        """See which children were tried on another path."""
        while arm.untried and arm.untried[0][-1].thought_id in self._arms:
            self._try(arm)

    def _may_expand(self, arm: _Arm) -> bool:
        return not arm.node.failed and not self._nodes.is_asked(arm.node)

    def _is_open(self, arm: _Arm) -> bool:
        """Tell whether a walk that goes on to this arm finds something to expand."""
        if self._may_expand(arm):
            return True
        self._sort_out(arm)
        return bool(arm.untried) or any(map(self._is_open, arm.tried))

    def _has_few_children(self, arm: _Arm) -> bool:
        wanted: float = self._settings.widening * arm.visits**self._settings.widening_exponent
        # There may be no more to find: most visits go on, whatever the draws bring.
        return arm.children < wanted and arm.node.draws**2 < arm.visits
