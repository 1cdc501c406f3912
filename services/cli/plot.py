"""The plot of `kot bench`: solved shares against the completion tokens that were spent, a line for each strategy."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

from services.cli.figures import Figures
from services.core.errors import InvalidInput

# No date, so that the same figures are the same file.
METADATA: dict[str, dict[str, None]] = {".svg": {"Date": None}, ".png": {}}
"""What is written into a file of each kind."""
MARKERS = "osD^vP*X<>dph"


def check_plot(path: Path) -> None:
    """Raise `InvalidInput` if nothing could be plotted there: better now than after the last puzzle."""
    if path.suffix.lower() not in METADATA:
        raise InvalidInput(f"{path} must end in {' or '.join(METADATA)}")
    try:
        import matplotlib.figure  # noqa: F401 - asked for before it is needed
    except ImportError as error:
        raise InvalidInput("--plot needs more packages: pip install 'kube-of-thoughts[plot]'") from error


def plot_figures(path: Path, figures: Sequence[Figures], *, title: str) -> None:
    """Draw each strategy's points, with their 95 % intervals, from its least to its largest budget."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter

    # Ids within an SVG are hashes, random unless salted.
    with rc_context({"svg.hashsalt": "kot"}):
        drawing = Figure(figsize=(9, 5.5), layout="constrained", facecolor="white")
        axes = drawing.subplots()
        for marker, (strategy, points) in zip(cycle(MARKERS), _lines(figures).items(), strict=False):
            tokens, shares, errors = zip(*map(_point, points), strict=True)
            axes.errorbar(
                tokens, shares, tuple(zip(*errors, strict=True)), label=strategy, marker=marker, markersize=5,
                linewidth=1, elinewidth=0.8, capsize=2, alpha=0.85,
            )  # fmt: skip
        axes.set(xscale="log", xlabel="completion tokens spent on a puzzle", ylabel="solved %", title=title)
        axes.set_ylim(-2, 103)
        # Numbers as they are read, not powers of ten, and several where tokens span less than one power.
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.grid(alpha=0.3)
        drawing.legend(loc="outside right upper", fontsize="small")
        try:
            drawing.savefig(path, metadata=METADATA[path.suffix.lower()])
        except OSError as error:
            raise InvalidInput(f"{path} cannot be written: {error.strerror}") from error


def _lines(figures: Sequence[Figures]) -> dict[str, list[Figures]]:
    lines: dict[str, list[Figures]] = defaultdict(list)
    for each in sorted(figures, key=lambda each: each.completion_token_budget or 0):
        lines[each.strategy].append(each)
    # As they were asked for.
    return {each.strategy: lines[each.strategy] for each in figures}


def _point(each: Figures) -> tuple[float, float, tuple[float, float]]:
    """Return tokens, solved % and how far its interval reaches down and up."""
    low, high = each.ci95
    # A budget that pays for nothing spends nothing, which a logarithmic axis does not have.
    tokens = max(each.completion_tokens_per_puzzle, 1.0)
    # Rounding can put the share outside of its interval.
    errors = max(0.0, 100 * (each.solved_share - low)), max(0.0, 100 * (high - each.solved_share))
    return tokens, 100 * each.solved_share, errors
