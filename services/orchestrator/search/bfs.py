"""Breadth-first search with a beam: at each depth, expand the best thoughts (Yao et al. 2023, algorithm 1).

The paper's search ends at the last depth. This one goes round: with budget left, the next round takes at each depth
the thoughts that were expanded least often, the best scored first. So the beam first widens to thoughts that it had
left aside, then samples again where it has been.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from services.core.search import Ask, Child, Prune, Tell, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What can be set."""

    depth: int = setting(4, "Steps from the problem to an answer.", minimum=1, maximum=64)
    beam_width: int = setting(5, "Thoughts expanded at each depth in one round.", minimum=1, maximum=1000)
    samples: int = setting(
        8, "Completions drawn for each thought that is expanded; where prompts are few-shot, 1.", minimum=1, maximum=256
    )
    answer_samples: int = setting(
        4, "Completions drawn for the last step, which writes the answer.", minimum=1, maximum=256
    )
    branching_factor: int = setting(32, "Distinct thoughts kept of one expansion.", minimum=1, maximum=1024)
    evaluation_threshold: float = setting(0.01, "Thoughts scored below this are pruned.", minimum=0, maximum=1)
    answer_attempts: int = setting(
        4, "Draws of rejected answers in a row before the search goes on.", minimum=1, maximum=100
    )


@dataclass(slots=True)
class _Node:
    thought_id: str
    depth: int
    score: float
    draws: int = 0
    attempts: int = 0
    """Draws of rejected answers in this round."""


class Policy:
    """Beam search in rounds."""

    def __init__(self, root_id: str, settings: Settings) -> None:
        self._settings = settings
        root = _Node(root_id, depth=0, score=0.0)
        self._nodes = {root_id: root}
        self._levels: list[list[_Node]] = [[root], *([] for _ in range(settings.depth - 1))]
        """The thoughts of each depth that can be expanded, in order of discovery."""
        self._depth = 0
        self._to_ask = [root]
        self._asked: dict[str, _Node] = {}
        self._best = root

    def ask(self, capacity: int) -> Sequence[Ask]:
        """Return what is left of the beam; the next depth begins when this one is told in full."""
        if not self._to_ask and not self._asked:
            self._descend()
        asks, self._to_ask = self._to_ask[:capacity], self._to_ask[capacity:]
        self._asked |= {node.thought_id: node for node in asks}
        return [self._ask(node) for node in asks]

    def tell(self, result: Tell) -> Sequence[Prune]:
        """Add the children to the next depth."""
        node = self._asked.get(result.thought_id)
        if node is None or node.draws != result.draw:
            return []
        del self._asked[result.thought_id]
        node.draws += 1
        if result.failed:
            self._levels[node.depth].remove(node)
        elif self._is_last(node):
            node.attempts += 1
            if node.attempts < self._settings.answer_attempts:
                self._to_ask.append(node)
        return [prune for child in result.children for prune in self._add(child)]

    def best(self) -> str:
        """Return the deepest of the best scored."""
        return self._best.thought_id

    def _ask(self, node: _Node) -> Ask:
        samples = self._settings.answer_samples if self._is_last(node) else self._settings.samples
        return Ask(node.thought_id, node.draws, samples, self._settings.branching_factor)

    def _descend(self) -> None:
        """Go to the next depth that has thoughts, round after round; to none if no depth has."""
        for _ in self._levels:
            self._depth = (self._depth + 1) % len(self._levels)
            if level := self._levels[self._depth]:
                level_by_promise = sorted(level, key=lambda node: (node.draws, -node.score))
                self._to_ask = level_by_promise[: self._settings.beam_width]
                for node in self._to_ask:
                    node.attempts = 0
                return

    def _is_last(self, node: _Node) -> bool:
        return node.depth == self._settings.depth - 1

    def _add(self, child: Child) -> Sequence[Prune]:
        if child.thought_id in self._nodes or child.dead:
            return []
        node = _Node(child.thought_id, child.depth, child.score)
        self._nodes[child.thought_id] = node
        threshold = self._settings.evaluation_threshold
        if child.score < threshold:
            return [Prune(child.thought_id, f"score {child.score:.3g} below {threshold:g}")]
        if child.depth < self._settings.depth:
            self._levels[child.depth].append(node)
        if (child.score > 0, child.depth, child.score) > (self._best.score > 0, self._best.depth, self._best.score):
            self._best = node
        return []
