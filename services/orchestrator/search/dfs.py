"""Depth-first search: follow the best thought down, prune below a threshold, backtrack (Yao et al. 2023, algorithm 2).

The paper's search ends when the last thought is left. This one begins again at the root: with budget left, the next
round samples each thought again where it comes by.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from services.core.search import Ask, Child, Prune, Tell, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What can be set."""

    depth: int = setting(4, "Steps from the problem to an answer.", minimum=1, maximum=64)
    samples: int = setting(
        8, "Completions drawn for each thought that is expanded; where prompts are few-shot, 1.", minimum=1, maximum=256
    )
    answer_samples: int = setting(
        4, "Completions drawn for the last step, which writes the answer.", minimum=1, maximum=256
    )
    branching_factor: int = setting(32, "Distinct thoughts kept of one expansion.", minimum=1, maximum=1024)
    evaluation_threshold: float = setting(0.1, "Thoughts scored below this are pruned.", minimum=0, maximum=1)
    answer_attempts: int = setting(4, "Draws of rejected answers in a row before backtracking.", minimum=1, maximum=100)


@dataclass(slots=True)
class _Node:
    thought_id: str
    depth: int
    score: float
    draws: int = 0
    attempts: int = 0
    """Draws of rejected answers in this round."""
    round: int = -1
    """The last round in which it was put on the stack."""
    failed: bool = False


class Policy:
    """Depth-first search in rounds. It asks for one thought at a time: siblings wait for their elder's branch."""

    def __init__(self, root_id: str, settings: Settings) -> None:
        self._settings = settings
        self._root = _Node(root_id, depth=0, score=0.0)
        self._nodes = {root_id: self._root}
        self._round = 0
        self._stack: list[_Node] = []
        self._asked: dict[str, _Node] = {}
        self._best = self._root
        self._push([self._root])

    def ask(self, capacity: int) -> Sequence[Ask]:
        """Return the top of the stack; a new round begins when it is empty."""
        if not self._stack and not self._asked and not self._root.failed:
            self._round += 1
            self._push([self._root])
        nodes = [self._stack.pop()] if self._stack and capacity and not self._asked else []
        self._asked |= {node.thought_id: node for node in nodes}
        return [self._ask(node) for node in nodes]

    def tell(self, result: Tell) -> Sequence[Prune]:
        """Put the children on the stack, the best on top."""
        node = self._asked.get(result.thought_id)
        if node is None or node.draws != result.draw:
            return []
        del self._asked[result.thought_id]
        node.draws += 1
        node.failed = result.failed
        if not result.failed and self._is_last(node):
            node.attempts += 1
            if node.attempts < self._settings.answer_attempts:
                self._stack.append(node)
        pruned = [prune for child in result.children for prune in self._add(child)]
        known = [self._nodes[child.thought_id] for child in result.children if child.thought_id in self._nodes]
        alive = [child for child in known if child.score >= self._settings.evaluation_threshold and not child.failed]
        inner = [child for child in alive if child.depth < self._settings.depth]
        self._push(sorted(inner, key=lambda child: child.score))
        return pruned

    def best(self) -> str:
        """Return the deepest of the best scored."""
        return self._best.thought_id

    def _ask(self, node: _Node) -> Ask:
        samples = self._settings.answer_samples if self._is_last(node) else self._settings.samples
        return Ask(node.thought_id, node.draws, samples, self._settings.branching_factor)

    def _is_last(self, node: _Node) -> bool:
        return node.depth == self._settings.depth - 1

    def _push(self, nodes: Sequence[_Node]) -> None:
        for node in nodes:
            if node.round != self._round:
                node.round, node.attempts = self._round, 0
                self._stack.append(node)

    def _add(self, child: Child) -> Sequence[Prune]:
        if child.thought_id in self._nodes or child.dead:
            return []
        node = _Node(child.thought_id, child.depth, child.score)
        self._nodes[child.thought_id] = node
        threshold = self._settings.evaluation_threshold
        if child.score < threshold:
            return [Prune(child.thought_id, f"score {child.score:.3g} below {threshold:g}")]
        if (child.score > 0, child.depth, child.score) > (self._best.score > 0, self._best.depth, self._best.score):
            self._best = node
        return []
