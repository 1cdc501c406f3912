"""Monte Carlo tree search with PUCT: expand where value and curiosity are greatest (Silver et al. 2017, Methods).

The evaluator's score is a thought's prior among its siblings and, in place of a rollout, its value. Thoughts under way
count as visits that brought nothing (virtual loss, Chaslot et al. 2008), so that parallel asks spread. A thought that
was sampled seldom for its visits is sampled again (progressive widening, Coulom 2007), so the search never ends while
budget is left. Where branches merge, a value is passed back along the path that was walked.
"""

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
        1.0,
        "A thought is sampled again while its draws are fewer than this times a power of its visits.",
        minimum=0,
        maximum=100,
    )
    widening_exponent: float = setting(0.5, "That power.", minimum=0, maximum=1)


@dataclass(slots=True, eq=False)
class _Arm:
    """A node's statistics; `pending` visits are under way and count as losses."""

    node: Node
    visits: int = 0
    value: float = 0.0
    pending: int = 0
    children: list["_Arm"] = field(default_factory=list)

    @property
    def mean(self) -> float:
        tries = self.visits + self.pending
        return self.value / tries if tries else self.node.score


class Policy:
    """PUCT with virtual loss and progressive widening."""

    rules = Rules()

    def __init__(self, root_id: str, settings: Settings) -> None:
        self._settings = settings
        self._nodes = Nodes(root_id, settings)
        self._arms = {root_id: _Arm(self._nodes.root)}
        self._paths: dict[str, list[_Arm]] = {}
        """The path that was walked to each thought that is asked."""

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
        """Add the children and pass their best score back along the path."""
        taken = self._nodes.take(result)
        if taken is None:
            return []
        path = self._paths.pop(result.thought_id)
        known = {id(child) for child in path[-1].children}
        for child in taken.inner:
            arm = self._arms.setdefault(child.thought_id, _Arm(child))
            if id(arm) not in known:
                path[-1].children.append(arm)
        value = max((child.score for child in taken.new), default=0.0)
        for arm in path:
            arm.pending -= 1
            arm.visits += 1
            arm.value += value
        return taken.pruned

    def best(self) -> str:
        """Return the best scored of the deepest."""
        return self._nodes.best.thought_id

    def _walk(self) -> list[_Arm] | None:
        """Return the path to the thought to expand next; None if all are under way or failed."""
        path = [self._arms[self._nodes.root.thought_id]]
        while True:
            arm = path[-1]
            children = [child for child in arm.children if self._is_open(child)]
            if self._may_expand(arm) and (not children or self._is_seldom_sampled(arm)):
                return path
            if not children:
                return None
            path.append(max(children, key=lambda child: self._upper_bound(arm, child)))

    def _may_expand(self, arm: _Arm) -> bool:
        return not arm.node.failed and not self._nodes.is_asked(arm.node)

    def _is_open(self, arm: _Arm) -> bool:
        """Tell whether a walk that goes on to this arm finds something to expand."""
        return self._may_expand(arm) or any(self._is_open(child) for child in arm.children)

    def _is_seldom_sampled(self, arm: _Arm) -> bool:
        wanted: float = self._settings.widening * arm.visits**self._settings.widening_exponent
        return arm.node.draws < wanted

    def _upper_bound(self, parent: _Arm, child: _Arm) -> float:
        total = sum(sibling.node.score for sibling in parent.children)
        # Where nothing is worth anything, all are alike.
        prior = child.node.score / total if total else 1 / len(parent.children)
        tries = child.visits + child.pending
        curiosity = prior * math.sqrt(parent.visits + parent.pending) / (1 + tries)
        return child.mean + self._settings.exploration * curiosity
