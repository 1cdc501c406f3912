"""Depth-first search: follow the best thought down, prune below a threshold, backtrack (Yao et al. 2023, algorithm 2).

The paper's search ends when the last thought is left. This one begins again at the root: with budget left, the next
round samples each thought again where it comes by.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.core.search import Ask, Prune, Rules, Tell, setting
from services.orchestrator.search._nodes import Node, Nodes, NodeSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(NodeSettings):
    """What can be set."""

    evaluation_threshold: float = setting(0.1, "Thoughts scored below this are pruned.", minimum=0, maximum=1)
    answer_attempts: int = setting(4, "Draws of rejected answers in a row before backtracking.", minimum=1, maximum=100)


class Policy:
    """Depth-first search in rounds. It asks for one thought at a time: siblings wait for their elder's branch."""

    rules = Rules()

    def __init__(self, root_id: str, settings: Settings) -> None:
        self._settings = settings
        self._nodes = Nodes(root_id, settings)
        self._stack: list[Node] = []
        self._stacked: set[str] = set()
        """Thoughts that were put on the stack in this round."""
        self._attempts: dict[str, int] = {}
        """Draws of rejected answers in this round."""
        self._below: list[Node] = []
        """What the expansion under way has brought."""
        self._begin_round()

    def ask(self, capacity: int) -> Sequence[Ask]:
        """Return the top of the stack; a new round begins when it is empty."""
        if not capacity or self._nodes.asked:
            return []
        if not self._stack and not self._nodes.root.failed:
            self._begin_round()
        return [self._nodes.ask(self._stack.pop())] if self._stack else []

    def tell(self, result: Tell) -> Sequence[Prune]:
        """Put the children on the stack, the best on top."""
        taken = self._nodes.take(result)
        if taken is None:
            return []
        self._below += taken.inner
        if taken.done:
            node = taken.node
            if self._nodes.is_last(node) and not node.failed:
                self._attempts[node.thought_id] = self._attempts.get(node.thought_id, 0) + 1
                if self._attempts[node.thought_id] < self._settings.answer_attempts:
                    self._stack.append(node)
            below, self._below = self._below, []
            self._push(sorted(below, key=lambda child: child.score))
        return taken.pruned

    def best(self) -> str:
        """Return the best scored of the deepest."""
        return self._nodes.best.thought_id

    def _begin_round(self) -> None:
        self._stacked.clear()
        self._attempts.clear()
        self._push([self._nodes.root])

    def _push(self, nodes: Iterable[Node]) -> None:
        for node in nodes:
            if node.thought_id not in self._stacked:
                self._stacked.add(node.thought_id)
                self._stack.append(node)
