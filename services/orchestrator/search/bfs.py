"""Breadth-first search with a beam: at each depth, expand the best thoughts (Yao et al. 2023, algorithm 1).

The paper's search ends at the last depth. This one goes round: with budget left, the next round takes at each depth
the thoughts that were expanded least often, the best scored first. So the beam first widens to thoughts that it had
left aside, then samples again where it has been.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from services.core.search import Ask, Prune, Rules, Tell, setting
from services.orchestrator.search._nodes import Node, Nodes, NodeSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(NodeSettings):
    """What can be set."""

    beam_width: int = setting(5, "Thoughts expanded at each depth in one round.", minimum=1, maximum=1000)
    answer_attempts: int = setting(
        4, "Draws of rejected answers in a row before the search goes on.", minimum=1, maximum=100
    )


class Policy:
    """Beam search in rounds."""

    rules = Rules()

    def __init__(self, root_id: str, settings: Settings) -> None:
        self._settings = settings
        self._nodes = Nodes(root_id, settings)
        root = self._nodes.root
        self._levels: list[list[Node]] = [[root], *([] for _ in range(settings.depth - 1))]
        """The thoughts of each depth that can be expanded, in order of discovery."""
        self._depth = 0
        self._to_ask = [root]
        self._attempts: dict[str, int] = {}
        """Draws of rejected answers since the search came to this depth."""

    def ask(self, capacity: int) -> Sequence[Ask]:
        """Return what is left of the beam; the next depth begins when this one is told in full."""
        if capacity and not self._to_ask and not self._nodes.asked:
            self._descend()
        beam, self._to_ask = self._to_ask[:capacity], self._to_ask[capacity:]
        return [self._nodes.ask(node) for node in beam]

    def tell(self, result: Tell) -> Sequence[Prune]:
        """Add the children to the next depth."""
        taken = self._nodes.take(result)
        if taken is None:
            return []
        node = taken.node
        if node.failed:
            self._levels[node.depth].remove(node)
        elif self._nodes.is_last(node):
            self._attempts[node.thought_id] = self._attempts.get(node.thought_id, 0) + 1
            if self._attempts[node.thought_id] < self._settings.answer_attempts:
                self._to_ask.append(node)
        for child in taken.new:
            self._levels[child.depth].append(child)
        return taken.pruned

    def best(self) -> str:
        """Return the best scored of the deepest."""
        return self._nodes.best.thought_id

    def _descend(self) -> None:
        """Go to the next depth that has thoughts, round after round; to none if no depth has."""
        self._attempts.clear()
        for _ in self._levels:
            self._depth = (self._depth + 1) % len(self._levels)
            if level := self._levels[self._depth]:
                by_promise = sorted(level, key=lambda node: (node.draws, -node.score))
                self._to_ask = by_promise[: self._settings.beam_width]
                return
