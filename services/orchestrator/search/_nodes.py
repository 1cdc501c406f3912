"""What every policy keeps of a search: which thoughts there are, which are asked, which is best."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.core.search import Ask, Prune, Tell, setting
from services.core.task import Method


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSettings:
    """What can be set of every policy that goes step by step."""

    depth: int = setting(4, "Steps from the problem to an answer.", minimum=1, maximum=64)
    samples: int = setting(
        8,
        "Completions drawn for each thought that is expanded; where prompts are few-shot, 1.",
        minimum=1,
        maximum=256,
    )
    answer_samples: int = setting(
        4, "Completions drawn for the last step, which writes the answer.", minimum=1, maximum=256
    )
    branching_factor: int = setting(32, "Distinct thoughts kept of one expansion.", minimum=1, maximum=1024)
    evaluation_threshold: float = setting(0.01, "Thoughts scored below this are pruned.", minimum=0, maximum=1)


@dataclass(slots=True, eq=False)
class Node:
    """A thought, as a policy sees it; `draws` counts its expansions, `order` the thoughts known before it."""

    thought_id: str
    depth: int
    score: float
    order: int
    draws: int = 0
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Taken:
    """What a tell brought: the node that was expanded, its children that can be expanded, and what is pruned.

    `new` are the children that were not known before; `inner` are all of them, known or not, but for what lies no
    deeper than the node: branches may merge into a circle, and nobody is to walk round it. `done` if the expansion is
    over.
    """

    node: Node
    done: bool
    new: Sequence[Node]
    inner: Sequence[Node]
    pruned: Sequence[Prune]


class Nodes:
    """The nodes of one search."""

    def __init__(self, root_id: str, settings: NodeSettings) -> None:
        self.root = Node(root_id, depth=0, score=0.0, order=0)
        self.best = self.root
        self._settings = settings
        self._nodes = {root_id: self.root}
        self._asked: dict[str, Node] = {}

    @property
    def asked(self) -> int:
        """How many are asked and untold."""
        return len(self._asked)

    def is_asked(self, node: Node) -> bool:
        """Tell whether the node's next expansion is under way."""
        return node.thought_id in self._asked

    def is_last(self, node: Node) -> bool:
        """Tell whether the node's children are answers."""
        return node.depth == self._settings.depth - 1

    def ask(self, node: Node) -> Ask:
        """Ask for the node's next draw."""
        samples = self._settings.answer_samples if self.is_last(node) else self._settings.samples
        return self._ask(node, samples, Method.STEP)

    def ask_solutions(self, node: Node, samples: int) -> Ask:
        """Ask for whole solutions that go on from the node."""
        return self._ask(node, samples, Method.CHAIN)

    def take(self, result: Tell) -> Taken | None:
        """Take what came of an ask; None if it was not asked, or told before."""
        node = self._asked.get(result.thought_id)
        if node is None or node.draws != result.draw:
            return None
        new, inner, pruned = [], [], []
        for child in result.children:
            known = self._nodes.get(child.thought_id)
            if known is None:
                known = Node(child.thought_id, child.depth, child.score, len(self._nodes))
                self._consider(known)
                if child.dead:
                    continue
                self._nodes[child.thought_id] = known
                if known.score < self._settings.evaluation_threshold:
                    reason = f"score {known.score:.3g} below {self._settings.evaluation_threshold:g}"
                    pruned.append(Prune(known.thought_id, reason))
                elif self._is_inner(known):
                    new.append(known)
            if known.depth > node.depth and self._is_inner(known):
                inner.append(known)
        if result.done:
            del self._asked[result.thought_id]
            node.draws += 1
            node.failed = result.failed
        return Taken(node, result.done, new, inner, pruned)

    def _ask(self, node: Node, samples: int, method: Method) -> Ask:
        self._asked[node.thought_id] = node
        thoughts = self._settings.branching_factor if method is Method.STEP else samples
        return Ask(node.thought_id, node.draws, samples, thoughts, method)

    def _consider(self, node: Node) -> None:
        """Remember the best."""
        if node.score >= self._settings.evaluation_threshold and _promise(node) > _promise(self.best):
            self.best = node

    def _is_inner(self, node: Node) -> bool:
        alive = node.score >= self._settings.evaluation_threshold and not node.failed
        return alive and node.depth < self._settings.depth


def _promise(node: Node) -> tuple[bool, int, float]:
    return node.score > 0, node.depth, node.score
