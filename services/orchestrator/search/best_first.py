"""Best-first search: always expand the thought that the evaluator likes best, wherever it is in the tree.

Greedy best-first search (Pearl 1984, Heuristics, section 2.3) with the score as its heuristic; of equal scores the
deepest comes first, since it is nearest an answer. A thought that was expanded goes back with its score halved for each
draw: so the search samples again where it hoped most, and never ends while budget is left.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from services.core.search import Ask, Prune, Rules, Tell, setting
from services.orchestrator.search._nodes import Node, Nodes, NodeSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(NodeSettings):
    """What can be set."""

    parallel: int = setting(4, "Thoughts expanded at the same time.", minimum=1, maximum=1000)
    redraw_discount: float = setting(
        0.5, "What a thought's score is multiplied by for each time that it was expanded.", minimum=0, maximum=1
    )


class Policy:
    """Greedy best-first search over a heap."""

    rules = Rules()

    def __init__(self, root_id: str, settings: Settings) -> None:
        self._settings = settings
        self._nodes = Nodes(root_id, settings)
        self._heap: list[tuple[float, int, int, Node]] = []
        self._push(self._nodes.root)

    def ask(self, capacity: int) -> Sequence[Ask]:
        """Return the most promising thoughts."""
        count = min(capacity, self._settings.parallel - self._nodes.asked, len(self._heap))
        return [self._nodes.ask(heapq.heappop(self._heap)[-1]) for _ in range(count)]

    def tell(self, result: Tell) -> Sequence[Prune]:
        """Put the children, and the thought itself, back in line."""
        taken = self._nodes.take(result)
        if taken is None:
            return []
        for node in taken.new:
            self._push(node)
        if taken.done and not taken.node.failed:
            self._push(taken.node)
        return taken.pruned

    def best(self) -> str:
        """Return the best scored of the deepest."""
        return self._nodes.best.thought_id

    def _push(self, node: Node) -> None:
        """Put a node in line; the root, which nobody judged, counts as sure."""
        score = 1.0 if node is self._nodes.root else node.score
        priority = score * self._settings.redraw_discount**node.draws
        heapq.heappush(self._heap, (-priority, -node.depth, node.order, node))
