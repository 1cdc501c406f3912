"""`kot tree`: the tree of one solve, drawn."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import typer

from services.cli.client import connect
from services.cli.drawings.graph import Dot, Mermaid
from services.cli.drawings.svg import Svg
from services.cli.drawings.text import Outline
from services.cli.output import output_to
from services.core.errors import InvalidInput
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire


class Drawing(Protocol):
    """Draws a tree; parents are taken before their children. Each call returns the next lines, without their ends."""

    def begin(self) -> Iterable[str]:
        """Return what comes first."""
        ...

    def take(self, thought: wire.TreeThought) -> Iterable[str]:
        """Add one thought. Raises `InvalidInput` if that is too much."""
        ...

    def end(self) -> Iterable[str]:
        """Return what is left."""
        ...


@dataclass(slots=True)
class Extent:
    """How much of a tree is drawn."""

    depth: int | None = None
    """Steps from the root; None is all."""
    answer_only: bool = False
    left_out: int = 0

    @property
    def whole(self) -> bool:
        """Whether nothing is to be left out."""
        return self.depth is None and not self.answer_only

    def has(self, thought: wire.TreeThought) -> bool:
        """Tell whether a thought is drawn, and count it if not."""
        drawn = (self.depth is None or thought.depth <= self.depth) and (thought.on_answer_path or not self.answer_only)
        self.left_out += not drawn
        return drawn


def make_drawing(form: str, *, whole: bool) -> Drawing:
    """Return a drawing of a form: text, mermaid, dot or svg; of the whole tree, or of some of it."""
    match form:
        case "text":
            return Outline()
        case "mermaid":
            return Mermaid(whole=whole)
        case "dot":
            return Dot(whole=whole)
        case "svg":
            return Svg()
        case _:
            raise InvalidInput(f"no drawing is called {form!r}")


async def draw(solve_id: str, form: str, extent: Extent, *, output: Path | None, target: str | None) -> None:
    """Write the drawing. Raises `KotError`."""
    drawing = make_drawing(form, whole=extent.whole)
    with output_to(output) as out:
        async with connect(target, with_model=False) as client, aclosing(client.thoughts(solve_id)) as thoughts:
            async for line in _lines(drawing, thoughts, extent):
                out.write(line)
    if extent.depth is not None and extent.left_out:
        typer.echo(f"{extent.left_out:,} thoughts are left out", err=True)
    if extent.answer_only and not out.lines:
        typer.echo("there is no answer yet", err=True)


async def _lines(
    drawing: Drawing, thoughts: AsyncGenerator[wire.TreeThought, None], extent: Extent
) -> AsyncGenerator[str, None]:
    begun = False
    async for thought in thoughts:
        if not extent.has(thought):
            continue
        if not begun:
            for line in drawing.begin():
                yield line
            begun = True
        for line in drawing.take(thought):
            yield line
    if begun:
        for line in drawing.end():
            yield line
