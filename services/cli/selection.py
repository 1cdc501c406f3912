"""Which thoughts of a large tree to show in a few lines: the best branches; the rest is counted."""

import heapq
from dataclasses import dataclass, field

from services.core.tree import Node, Status, Tree


@dataclass(slots=True)
class Selection:
    """Thoughts to show. A shown thought with `hidden` children takes one more line, which counts them."""

    hidden: dict[str, int] = field(default_factory=dict)
    """How many children of each shown thought are not shown."""
    lines: int = 0

    def add(self, tree: Tree, node: Node) -> None:
        """Show a thought whose parent is shown already."""
        parent = node.thought.parent_id
        if parent is not None:
            self.hidden[parent] -= 1
            self.lines -= self.hidden[parent] == 0
        self.hidden[node.thought.id] = len(own_children(tree, node))
        self.lines += 1 + (self.hidden[node.thought.id] > 0)


def select(tree: Tree, lines: int) -> Selection:
    """Return the most promising thoughts, with the branches that lead there, that fit into `lines`."""
    answer_line = _line_of(tree, tree.answer) if tree.answer else []
    on_answer_line = {node.thought.id for node in answer_line}

    def promise(node: Node) -> tuple[bool, bool, bool, float, int]:
        alive = node.status in (Status.OPEN, Status.ANSWER)
        return node.thought.id in on_answer_line, alive, node.draws > 0, node.score, node.thought.depth

    root = tree[tree.root.id]
    selection = Selection()
    for node in [root, *answer_line, *heapq.nlargest(lines, tree, key=promise)]:
        branch = [each for each in _line_of(tree, node) if each.thought.id not in selection.hidden]
        # A new branch takes its own lines, one that counts what it hides, and perhaps none of its parent's.
        if node is root or node in answer_line or selection.lines + len(branch) + 1 <= lines:
            for each in branch:
                selection.add(tree, each)
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
