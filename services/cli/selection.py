"""Which thoughts of a large tree to show in a few lines: the best branches; the rest is counted."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.core.tree import Node, Status, Tree


@dataclass(slots=True)
class Selection:
    """Thoughts to show. A shown thought with `hidden` children takes one more line, which counts them."""

    hidden: dict[str, int] = field(default_factory=dict)
    """How many children of each shown thought are not shown."""
    lines: int = 0

    def add(self, tree: Tree, branch: Sequence[Node], at_most: int) -> None:
        """Show a thought with all that leads to it from one that is shown, if that fits into `at_most` lines."""
        if not branch:
            return
        hidden = {node.thought.id: len(own_children(tree, node)) for node in branch}
        for node in branch:
            parent = node.thought.parent_id
            if parent is not None:
                hidden[parent] = hidden.get(parent, self.hidden.get(parent, 0)) - 1
        after = self.hidden | hidden
        lines = len(after) + sum(count > 0 for count in after.values())
        if lines <= at_most:
            self.hidden, self.lines = after, lines


def select(tree: Tree, lines: int) -> Selection:
    """Return the most promising thoughts, with what leads to them, that fit into `lines`; the answer's come first."""
    answer_line = _line_of(tree, tree.answer) if tree.answer else []
    on_answer_line = {node.thought.id for node in answer_line}

    def promise(node: Node) -> tuple[bool, bool, bool, float, int]:
        alive = node.status in (Status.OPEN, Status.ANSWER)
        return node.thought.id in on_answer_line, alive, node.draws > 0, node.score, node.thought.depth

    selection = Selection()
    selection.add(tree, [tree[tree.root.id]], lines)
    for node in [*answer_line[-1:], *heapq.nlargest(lines, tree, key=promise)]:
        branch = [each for each in _line_of(tree, node) if each.thought.id not in selection.hidden]
        selection.add(tree, branch, lines)
    return selection


def own_children(tree: Tree, node: Node) -> list[Node]:
    """Return the children that were reached from this thought first, the most promising first."""
    children = [tree[child] for child in node.children]
    own = [child for child in children if child.thought.parent_id == node.thought.id]
    return sorted(own, key=lambda child: (child.status is Status.PRUNED, -child.score))


def _line_of(tree: Tree, node: Node) -> list[Node]:
    """Return the thoughts from the root to this one."""
    line = [node]
    while (parent := line[-1].thought.parent_id) is not None:
        line.append(tree[parent])
    return line[::-1]
