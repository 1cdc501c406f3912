"""A tree as a picture for a browser: the root on the left, a row for each leaf, a parent in the middle of its children.

Further parents are joined by dashed lines. A tree that is too large to be looked at is refused.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from services.cli.drawings.captions import caption_of, mark_of
from services.cli.wording import one_line, thought_state_of
from services.core.errors import InvalidInput
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire

MOST_THOUGHTS = 3000
COLUMN, ROW, MARGIN = 320, 20, 12
"""Pixels."""
MOST_SIGNS = 40
"""Of a label; the whole text shows when it is pointed at."""

_STYLE = (
    "text{font:12px sans-serif;dominant-baseline:middle}path{fill:none;stroke:#bbb}path.on{stroke:#2da44e;"
    "stroke-width:2}path.further{stroke-dasharray:3 3}.answer,.on{fill:#1a7f37;font-weight:bold}path.on{fill:none}"
    ".pruned{fill:#999}.rejected,.failed{fill:#cf222e}"
)


@dataclass(slots=True)
class _Node:
    thought: wire.TreeThought
    children: list["_Node"] = field(default_factory=list)
    row: float = 0.0

    @property
    def x(self) -> int:
        return MARGIN + self.thought.depth * COLUMN

    @property
    def y(self) -> float:
        return MARGIN + (self.row + 0.5) * ROW


class Svg:
    """A `Drawing`."""

    def __init__(self) -> None:
        self._nodes: dict[str, _Node] = {}

    def begin(self) -> Iterable[str]:
        """Return nothing: the size of the picture is not known yet."""
        return ()

    def take(self, thought: wire.TreeThought) -> Iterable[str]:
        """Keep a thought. Raises `InvalidInput` if there are too many."""
        if len(self._nodes) == MOST_THOUGHTS:
            message = f"a picture of more than {MOST_THOUGHTS:,} thoughts is not drawn: "
            raise InvalidInput(f"{message}leave some out with --depth or --answer-only, or take --format text or dot")
        node = self._nodes[thought.thought_id] = _Node(thought)
        if parent := self._nodes.get(thought.parent_id):
            parent.children.append(node)
        return ()

    def end(self) -> Iterator[str]:
        """Yield the picture."""
        order = self._place()
        width = MARGIN + COLUMN * (1 + max(node.thought.depth for node in order))
        height = 2 * MARGIN + ROW * (1 + max(node.row for node in order))
        yield f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height:g}">'
        yield f"<style>{_STYLE}</style>"
        for node in order:
            yield from self._edges(node)
        for node in order:
            yield _label(node)
        yield "</svg>"

    def _place(self) -> list[_Node]:
        """Give each node its row; returns them branch by branch."""
        order, below = [], [next(iter(self._nodes.values()))]
        leaves = 0
        while below:
            node = below.pop()
            order.append(node)
            below += reversed(node.children)
            if not node.children:
                node.row, leaves = leaves, leaves + 1
        for node in reversed(order):
            if node.children:
                node.row = (node.children[0].row + node.children[-1].row) / 2
        return order

    def _edges(self, node: _Node) -> Iterator[str]:
        if parent := self._nodes.get(node.thought.parent_id):
            yield _edge(parent, node, "on" if node.thought.on_answer_path else "")
        for way in node.thought.merged:
            if further := self._nodes.get(way.parent_id):
                yield _edge(further, node, "further")


def _edge(parent: _Node, child: _Node, kind: str) -> str:
    begin, end = parent.x + COLUMN - 2 * MARGIN, child.x - 4
    middle = (begin + end) / 2
    curve = f"M{begin} {parent.y:g}C{middle:g} {parent.y:g} {middle:g} {child.y:g} {end} {child.y:g}"
    return f'<path d="{curve}"' + (f' class="{kind}"/>' if kind else "/>")


def _label(node: _Node) -> str:
    thought = node.thought
    state = thought_state_of(thought)
    kind = "on" if thought.on_answer_path and state != "answer" else state
    text = one_line(thought.text)
    shown = text if len(text) <= MOST_SIGNS else f"{text[: MOST_SIGNS - 1]}…"
    score = f" {thought.score:.2f}" if thought.HasField("value") else ""
    label, title = escape(f"{mark_of(thought)} {shown}{score}"), escape(caption_of(thought))
    return f'<text x="{node.x}" y="{node.y:g}" class="{kind}">{label}<title>{title}</title></text>'
