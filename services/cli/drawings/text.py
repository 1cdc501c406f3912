"""A tree as indented text. It is in memory as a whole, as numbers and bytes, until it is written branch by branch."""

from array import array
from collections.abc import Iterable, Iterator

from services.cli.drawings.captions import LEGEND, MERGED, caption_of
from services.cli.wording import one_line
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire

_NONE = 0xFFFF_FFFF


class Outline:
    """A `Drawing`: a line a thought, below its own parent, and one at each further parent that says where it is."""

    def __init__(self) -> None:
        self._lines: dict[int, int] = {}
        """The number of a thought's line, by its id, which is 64 bits."""
        self._captions = bytearray()
        self._ends = array("Q")
        self._parents = array("I")
        """By line; the root has none."""
        self._homeless: list[tuple[int, int]] = []
        """Lines below a parent that had not come yet, and its id."""

    def begin(self) -> Iterable[str]:
        """Return nothing: the first line is the root's."""
        return ()

    def take(self, thought: wire.TreeThought) -> Iterable[str]:
        """Keep a thought."""
        line = len(self._parents)
        self._lines[int(thought.thought_id, 16)] = line
        name = f"  #{line}" if thought.merged else ""
        self._add(caption_of(thought) + name, thought.parent_id)
        for way in thought.merged:
            self._add(f"{MERGED} {one_line(way.text)}  is #{line}", way.parent_id)
        return ()

    def end(self) -> Iterator[str]:
        """Yield the whole tree."""
        for line, parent_id in self._homeless:
            # A parent that is not drawn has no place to say it.
            self._parents[line] = self._lines.get(parent_id, _NONE)
        first, following = self._threads()
        yield self._caption(0)
        below = [(first[0], "")]
        while below:
            line, margin = below.pop()
            if line == _NONE:
                continue
            last = following[line] == _NONE
            yield f"{margin}{'└─' if last else '├─'} {self._caption(line)}"
            below.append((following[line], margin))
            below.append((first[line], margin + ("   " if last else "│  ")))
        yield ""
        yield LEGEND

    def _add(self, caption: str, parent_id: str) -> None:
        parent = _NONE
        if parent_id:
            parent = self._lines.get(int(parent_id, 16), _NONE)
            if parent == _NONE:
                self._homeless.append((len(self._parents), int(parent_id, 16)))
        self._parents.append(parent)
        self._captions += caption.encode(errors="replace")
        self._ends.append(len(self._captions))

    def _caption(self, line: int) -> str:
        return self._captions[self._ends[line - 1] if line else 0 : self._ends[line]].decode()

    def _threads(self) -> "tuple[array[int], array[int]]":
        """Return each line's first child, and each line's next sibling."""
        first = array("I", [_NONE]) * len(self._parents)
        following = array("I", [_NONE]) * len(self._parents)
        for line in range(len(self._parents) - 1, 0, -1):
            if (parent := self._parents[line]) != _NONE:
                following[line], first[parent] = first[parent], line
        return first, following
