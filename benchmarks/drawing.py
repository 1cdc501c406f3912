"""Drawings of the benchmarks, as SVG files that are the same for the same figures. Needs the extra `plot`."""

from collections.abc import Callable
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure


def save(path: Path, draw: Callable[[Figure], None], *, size: tuple[float, float]) -> None:
    """Write what `draw` draws; `size` is in inches."""
    # Ids within an SVG are hashes, random unless salted; a date would change with each run.
    with rc_context({"svg.hashsalt": "kot"}):
        figure = Figure(figsize=size, layout="constrained", facecolor="white")
        draw(figure)
        figure.savefig(path, metadata={"Date": None})
