"""A tree as a graph in the languages of Mermaid and of Graphviz. Written as it comes; nothing of it stays in memory."""

from collections.abc import Iterable, Iterator

from services.cli.drawings.captions import mark_of, remarks_on
from services.cli.wording import one_line, thought_state_of
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire

COLOURS = {"answer": "#2da44e", "path": "#b7e4c7", "pruned": "#eeeeee", "rejected": "#ffd6d6", "failed": "#ffd6d6"}
"""What is filled, and how."""

_PLAIN = frozenset(" +=/(),:.")


class _Graph:
    """A `Drawing`. Where not all is drawn, edges are held back: one from a thought that is left out would draw it."""

    def __init__(self, *, whole: bool) -> None:
        self._whole = whole
        self._drawn: set[str] = set()
        self._further: list[tuple[str, str]] = []
        """Further parents and their children, where not all is drawn."""

    def take(self, thought: wire.TreeThought) -> Iterator[str]:
        """Yield a node, and the edges to it."""
        yield self._node(thought)
        if thought.parent_id:
            yield self._edge(thought.parent_id, thought.thought_id, further=False)
        further = [(way.parent_id, thought.thought_id) for way in thought.merged]
        if self._whole:
            yield from (self._edge(*ends, further=True) for ends in further)
            return
        self._drawn.add(thought.thought_id)
        self._further += further

    def _rest(self) -> Iterator[str]:
        for parent_id, thought_id in self._further:
            if parent_id in self._drawn:
                yield self._edge(parent_id, thought_id, further=True)

    def _node(self, thought: wire.TreeThought) -> str:
        raise NotImplementedError

    def _edge(self, parent_id: str, thought_id: str, *, further: bool) -> str:
        raise NotImplementedError


def _kind(thought: wire.TreeThought) -> str:
    state = thought_state_of(thought)
    return "path" if thought.on_answer_path and state != "answer" else state


class Mermaid(_Graph):
    """A flowchart: https://mermaid.js.org/syntax/flowchart.html."""

    def begin(self) -> Iterable[str]:
        """Return the head."""
        return ["flowchart LR", *(f"  classDef {kind} fill:{colour}" for kind, colour in COLOURS.items())]

    def end(self) -> Iterable[str]:
        """Return the edges that had to wait."""
        return self._rest()

    def _node(self, thought: wire.TreeThought) -> str:
        lines = (f"{mark_of(thought)} {_mermaid(one_line(thought.text))}", _mermaid(remarks_on(thought)))
        label = "<br/>".join(line for line in lines if line)
        kind = _kind(thought)
        return f'  t{thought.thought_id}["{label}"]' + (f":::{kind}" if kind in COLOURS else "")

    def _edge(self, parent_id: str, thought_id: str, *, further: bool) -> str:
        return f"  t{parent_id} {'-.->' if further else '-->'} t{thought_id}"


def _mermaid(text: str) -> str:
    """Return a text as a label's: what may mean something to Mermaid, or to a browser, is written by its code."""
    return "".join(sign if sign.isalnum() or sign in _PLAIN else f"#{ord(sign)};" for sign in text)


class Dot(_Graph):
    """A graph for Graphviz: https://graphviz.org/doc/info/lang.html."""

    def begin(self) -> Iterable[str]:
        """Return the head."""
        return ["digraph thoughts {", "  rankdir=LR", '  node [shape=box style=filled fillcolor="#ffffff"]']

    def end(self) -> Iterable[str]:
        """Return the edges that had to wait, and the end."""
        return [*self._rest(), "}"]

    def _node(self, thought: wire.TreeThought) -> str:
        lines = (f"{mark_of(thought)} {one_line(thought.text)}", remarks_on(thought))
        label = r"\n".join(_dot(line) for line in lines if line)
        colour = COLOURS.get(_kind(thought))
        filled = f' fillcolor="{colour}"' if colour else ""
        return f'  "{thought.thought_id}" [label="{label}"{filled}]'

    def _edge(self, parent_id: str, thought_id: str, *, further: bool) -> str:
        return f'  "{parent_id}" -> "{thought_id}"' + (" [style=dashed constraint=false]" if further else "")


def _dot(text: str) -> str:
    """Return a text as it stands in a label between quotes: escapes and entities of HTML lose their meaning."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")
