"""A*: expand the thought with the least cost so far plus estimated cost to go (Hart, Nilsson, Raphael 1968).

The cost is the number of expansions on a line of thought, draws that were repeated included. The estimate is the
number of steps that remain, each divided by the probability that the evaluator gives the thought: a step that succeeds
with probability p takes 1 / p tries on average. `doubt` is the exponent of that probability. At 0 the estimate is the
number of steps alone, which no solution can undercut: A* is admissible then, and finds a line of fewest expansions, as
uniform-cost search does, slowly. Above 0 it is admissible only if no thought is judged worse than it is; the evaluator
does not promise that, so it is weighted A* (Pohl 1970), which trades the guarantee for speed.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from services.core.search import Ask, Prune, Rules, Tell, setting
from services.orchestrator.search._nodes import Node, Nodes, NodeSettings

LEAST_PROBABILITY = 1e-6
"""A thought that the evaluator gives no chance has still a finite estimate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(NodeSettings):
    """What can be set."""

    parallel: int = setting(4, "Thoughts expanded at the same time.", minimum=1, maximum=1000)
    doubt: float = setting(
        1.0, "Exponent of the evaluator's probability in the estimate; 0 makes it admissible.", minimum=0, maximum=4
    )


class Policy:
    """A* over a heap. A thought that is reached again at less cost is opened again."""

    rules = Rules()

    def __init__(self, root_id: str, settings: Settings) -> None:
        self._settings = settings
        self._nodes = Nodes(root_id, settings)
        self._cost = {root_id: 0}
        """Expansions on the cheapest line to each thought, draws of the thought itself included."""
        self._heap: list[tuple[float, int, int, Node]] = []
        self._pushed = 0
        self._push(self._nodes.root)

    def ask(self, capacity: int) -> Sequence[Ask]:
        """Return the thoughts with the least total."""
        asks: list[Ask] = []
        while self._heap and len(asks) < capacity and self._nodes.asked < self._settings.parallel:
            total, _, _, node = heapq.heappop(self._heap)
            # A thought that was opened again is in line twice: only its latest total counts.
            if total == self._total(node) and not self._nodes.is_asked(node):
                asks.append(self._nodes.ask(node))
        return asks

    def tell(self, result: Tell) -> Sequence[Prune]:
        """Put the children in line at the cost of their parent and one, and the thought itself at one more."""
        taken = self._nodes.take(result)
        if taken is None:
            return []
        node = taken.node
        cost = self._cost[node.thought_id] + 1
        for child in taken.inner:
            if cost < self._cost.get(child.thought_id, cost + 1):
                self._cost[child.thought_id] = cost
                if not self._nodes.is_asked(child):
                    self._push(child)
        if taken.done:
            self._cost[node.thought_id] = cost
            if not node.failed:
                self._push(node)
        return taken.pruned

    def best(self) -> str:
        """Return the best scored of the deepest."""
        return self._nodes.best.thought_id

    def _total(self, node: Node) -> float:
        probability = 1.0 if node is self._nodes.root else max(node.score, LEAST_PROBABILITY)
        estimate: float = (self._settings.depth - node.depth) / probability**self._settings.doubt
        return self._cost[node.thought_id] + estimate

    def _push(self, node: Node) -> None:
        self._pushed += 1
        heapq.heappush(self._heap, (self._total(node), -node.depth, self._pushed, node))
