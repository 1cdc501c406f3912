"""The tree of thoughts, growing in a terminal."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text
from rich.tree import Tree as Branch

from services.cli.mirror import Mirror
from services.cli.selection import Selection, own_children, select
from services.core.thought import Value
from services.core.tree import Node, Status, Tree

FRAMES_PER_SECOND = 10
LINES_BELOW = 4
"""Lines that a growing tree leaves free: an empty one, the state of the search, the legend, the cursor's."""
LINES_AFTER = 10
"""Lines that the last tree leaves free, for the answer and its steps."""
LEAST_LINES = 6
MOST_LINES = 40
"""A taller tree is no easier to read."""

SURE, LIKELY, IMPOSSIBLE = "green", "yellow", "red"


@asynccontextmanager
async def live(console: Console, mirror: Mirror) -> AsyncGenerator[None, None]:
    """Draw the mirror's tree while the context lasts; its last state stays on the screen."""
    picture = _Picture(console, mirror)
    with Live(console=console, get_renderable=picture.draw, auto_refresh=False) as screen:

        async def refresh() -> None:
            while True:
                # Drawn by the loop itself, never by a thread: the tree changes between two draws only.
                screen.refresh()
                await asyncio.sleep(1 / FRAMES_PER_SECOND)

        drawing = asyncio.create_task(refresh())
        try:
            yield
        finally:
            drawing.cancel()
            picture.growing = False


class _Picture:
    """What is on the screen."""

    def __init__(self, console: Console, mirror: Mirror) -> None:
        self.growing = True
        self._console = console
        self._mirror = mirror
        self._begun = time.monotonic()
        self._spinner = Spinner("dots", style="cyan")

    def draw(self) -> RenderableType:
        """Return the tree; while it grows, also the state of the search."""
        free = self._console.height - (LINES_BELOW if self.growing else LINES_AFTER)
        tree = draw_tree(self._mirror.tree, max(LEAST_LINES, min(free, MOST_LINES)))
        if not self.growing:
            return Group(tree, Text())
        self._spinner.update(text=self._state())
        return Group(tree, Text(), self._spinner, _LEGEND)

    def _state(self) -> Text:
        if self._mirror.awaited:
            return Text(f"waiting for the {' and the '.join(sorted(self._mirror.awaited))} to wake up")
        progress, seconds = self._mirror.progress, time.monotonic() - self._begun
        parts = (
            f"{progress.nodes:,} thoughts",
            f"{progress.merged:,} merged",
            f"depth {progress.depth}",
            f"{progress.usage.model_calls:,} model calls",
            f"{progress.usage.completion_tokens:,} tokens",
            f"{seconds:.1f} s",
        )
        return Text(" · ".join(parts), no_wrap=True, overflow="ellipsis")


_LEGEND = Text.assemble(
    "  ",
    ("● ", SURE),
    "sure  ",
    ("● ", LIKELY),
    "likely  ",
    ("● ", IMPOSSIBLE),
    "impossible  ○ pruned  ⇄ reached again",
    style="dim",
    no_wrap=True,
    overflow="ellipsis",
)


def draw_tree(tree: Tree, lines: int) -> Branch:
    """Return the best branches in at most `lines` lines; what is left out is counted."""
    solution = set(_solution(tree))
    # A problem of several lines takes one, as every thought does.
    problem = Text(" ".join(tree.root.text.splitlines()), style="bold", no_wrap=True, overflow="ellipsis")
    root = Branch(problem, guide_style="bright_black")
    _draw_children(root, tree, tree[tree.root.id], select(tree, lines), solution)
    return root


def _draw_children(branch: Branch, tree: Tree, node: Node, selection: Selection, solution: set[str]) -> None:
    children = own_children(tree, node)
    for child in children:
        if child.thought.id in selection.hidden:
            line = _describe(child, on_solution=child.thought.id in solution)
            _draw_children(branch.add(line), tree, child, selection, solution)
    folded = [child for child in children if child.thought.id not in selection.hidden]
    if folded:
        pruned = sum(child.status is Status.PRUNED for child in folded)
        counts = [f"{len(folded) - pruned} more"] * (len(folded) > pruned) + [f"{pruned} pruned"] * (pruned > 0)
        branch.add(Text(f"… {', '.join(counts)}", style="bright_black"))


def _solution(tree: Tree) -> list[str]:
    """Return the ids from the answer up; nothing while there is none."""
    ids = []
    at = tree.answer.thought.id if tree.answer else None
    while at is not None:
        ids.append(at)
        at = tree[at].thought.parent_id
    return ids


def _describe(node: Node, *, on_solution: bool) -> Text:
    """Return one thought as one line: a mark, the step, its score and what became of it."""
    text = node.thought.text
    again = f"  ⇄ {len(node.parents)}" if len(node.parents) > 1 else ""
    score = f"  {node.score:.2f}" if node.value else ""
    match node.status:
        case Status.ANSWER:
            line = Text.assemble(("✔ ", "bold green"), (text, "bold green"))
        case Status.REJECTED:
            line = Text.assemble(("✘ ", "red"), (text, "bright_black"), ("  rejected", "red"))
        case Status.FAILED:
            line = Text.assemble(("! ", "red"), (text, "bright_black"), ("  failed", "red"))
        case Status.PRUNED:
            line = Text(f"○ {text}{score}{again}", style="bright_black")
        case Status.OPEN:
            colour = _colour(node.value)
            style = "bold green" if on_solution else "default" if node.draws else "bright_black"
            line = Text.assemble(("● ", colour), (text, style), (score, colour), (again, "cyan"))
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def _colour(value: Value | None) -> str:
    if value is None:
        return "bright_black"
    if value.votes is not None:
        return LIKELY
    labels = {SURE: value.sure, LIKELY: value.likely, IMPOSSIBLE: value.impossible}
    return max(labels, key=labels.__getitem__)
