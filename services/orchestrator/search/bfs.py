"""Breadth-first search with a beam: at each depth, expand the best thoughts (Yao et al. 2023, algorithm 1).

The paper's search ends at the last depth. This one goes round: with budget left, the next round takes at each depth
the thoughts that were expanded least often, the best scored first. So the beam first widens to thoughts that it had
left aside, then samples again where it has been.

Where there is room, a thought scored `sure_score` or more does not wait for the rest of its depth: it would be in the
beam anyway. Where children are told one by one, that is while its siblings are still being written.
"""

import heapq
from collections import deque
from collections.abc import Iterable, Sequence
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
    sure_score: float = setting(
        0.95,
        "Thoughts scored at least this join the beam without waiting for the rest of their depth.",
        minimum=0,
        maximum=1,
    )
    rollouts: int = setting(
        1,
        "Whole solutions drawn from each thought of the beam before it is expanded; where prompts are few-shot, 0.",
        minimum=0,
        maximum=256,
    )
    sibling_penalty: float = setting(
        0.0,
        "What a thought's score loses in the choice of the beam for each better one of the same expansion.",
        minimum=0,
        maximum=1,
    )


class Policy:
    """Beam search in rounds.

    `rollouts` look ahead from each thought of the beam but the root, which competes with nothing; `sibling_penalty`
    makes the beam diverse (Li, Monroe, Jurafsky 2016, arXiv 1611.08562, section 3).
    """

    rules = Rules()

    def __init__(self, root_id: str, settings: Settings) -> None:
        self._settings = settings
        self._nodes = Nodes(root_id, settings)
        self._levels: list[list[tuple[int, float, int, Node]]] = [[] for _ in range(settings.depth)]
        """Heaps of the thoughts of each depth that wait: the least drawn first, then the best, then the oldest."""
        self._places = [settings.beam_width] * settings.depth
        """What is left of this round's beam at each depth."""
        self._depth = -1
        self._beam: deque[Node] = deque()
        self._done: list[Node] = []
        """Thoughts that had their turn in this round."""
        self._held: dict[str, list[Node]] = {}
        """With a penalty: what each expansion under way has brought, until all of it can be compared."""
        self._looked: set[str] = set()
        """Thoughts of the beam whose rollouts were asked for."""
        self._attempts: dict[str, int] = {}
        """Draws of rejected answers since the thought joined the beam."""
        self._wait([self._nodes.root])

    def ask(self, capacity: int) -> Sequence[Ask]:
        """Return what is left of the beam and what is sure to join it; the next depth begins when all this is told."""
        asks: list[Ask] = []
        while len(asks) < capacity:
            if not self._beam and not self._nodes.asked:
                self._descend()
            node = self._beam.popleft() if self._beam else self._sure_thing()
            if node is None:
                break
            asks.append(self._ask(node))
        return asks

    def tell(self, result: Tell) -> Sequence[Prune]:
        """Put the children in line at their depth; the thought itself waits for the next round."""
        taken = self._nodes.take(result)
        if taken is None:
            return []
        node = taken.node
        new = taken.new
        if self._settings.sibling_penalty:
            held = self._held.setdefault(node.thought_id, [])
            held += new
            new = self._held.pop(node.thought_id) if taken.done else ()
        self._wait(new)
        if not taken.done or node.failed:
            return taken.pruned
        if node.thought_id in self._looked or self._may_try_again(node):
            self._beam.append(node)
        else:
            self._done.append(node)
        return taken.pruned

    def best(self) -> str:
        """Return the best scored of the deepest."""
        return self._nodes.best.thought_id

    def _ask(self, node: Node) -> Ask:
        looks_ahead = self._settings.rollouts and node is not self._nodes.root and not self._nodes.is_last(node)
        if not looks_ahead or node.thought_id in self._looked:
            self._looked.discard(node.thought_id)
            return self._nodes.ask(node)
        self._looked.add(node.thought_id)
        return self._nodes.ask_solutions(node, self._settings.rollouts)

    def _may_try_again(self, node: Node) -> bool:
        """Count a rejected draw of answers; forget the count when it is the last."""
        if not self._nodes.is_last(node):
            return False
        tried = self._attempts.pop(node.thought_id, 0) + 1
        if tried < self._settings.answer_attempts:
            self._attempts[node.thought_id] = tried
        return tried < self._settings.answer_attempts

    def _wait(self, siblings: Iterable[Node]) -> None:
        """Put what an expansion has brought in line; the penalty counts the better ones among it."""
        penalty = self._settings.sibling_penalty
        if penalty:
            siblings = sorted(siblings, key=lambda node: -node.score)
        for rank, node in enumerate(siblings):
            self._push(node, node.score - penalty * rank)

    def _wait_again(self) -> None:
        """Put what had its turn in line for the next round."""
        for node in self._done:
            self._push(node, node.score)
        self._done.clear()

    def _push(self, node: Node, promise: float) -> None:
        heapq.heappush(self._levels[node.depth], (node.draws, -promise, node.order, node))

    def _descend(self) -> None:
        """Choose the beam of the next depth that has thoughts, round after round; none if no depth has."""
        for _ in self._levels:
            self._depth = (self._depth + 1) % len(self._levels)
            if self._depth == 0:
                self._places = [self._settings.beam_width] * len(self._levels)
                self._wait_again()
            level = self._levels[self._depth]
            count = min(self._places[self._depth], len(level))
            if count:
                self._beam.extend(heapq.heappop(level)[-1] for _ in range(count))
                return

    def _sure_thing(self) -> Node | None:
        """Return a thought below this depth that need not wait, the deepest first; it takes a place in the beam."""
        for depth in range(len(self._levels) - 1, self._depth, -1):
            level = self._levels[depth]
            if self._places[depth] and level and level[0][0] == 0 and level[0][-1].score >= self._settings.sure_score:
                self._places[depth] -= 1
                return heapq.heappop(level)[-1]
        return None
