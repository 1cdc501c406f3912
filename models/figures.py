"""Draw the figures of one set of puzzles, as a table and as a plot: `python -m models.figures`.

Reads what `models.evaluate` wrote to `models/results`, and the files that `kot bench --json` wrote there as
`PUZZLES-bench-*.json`, one for each seed and setting.
"""

import argparse
import json
import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import matplotlib.pyplot as plt

RESULTS = Path(__file__).parent / "results"
Z95 = 1.96


@dataclass(frozen=True, slots=True)
class Run:
    """One method under one seed: how many puzzles it solved, and the mean completion tokens of a puzzle."""

    method: str
    puzzles: int
    solved: float
    tokens: float


@dataclass(frozen=True, slots=True)
class Row:
    """One method over all seeds; shares from 0 to 1."""

    method: str
    seeds: int
    solved: float
    low: float
    high: float
    tokens: float


def read_runs(puzzles: str) -> list[Run]:
    """Read the runs of plain sampling and of the searches."""
    sampled = json.loads((RESULTS / f"{puzzles}-sampling.json").read_text())
    runs = [Run(run["method"], run["puzzles"], run["solved"], run["tokens"]) for run in sampled]
    for path in sorted(RESULTS.glob(f"{puzzles}-bench-*.json")):
        # The name says what the file does not: PUZZLES-bench-SETTING-SEED.json.
        setting = path.stem.removeprefix(f"{puzzles}-bench-").rpartition("-")[0]
        for each in json.loads(path.read_text()):
            tokens = each["completion_tokens"] / each["puzzles"]
            runs.append(Run(setting.replace("_", " "), each["puzzles"], each["solved"], tokens))
    return runs


def summarize(runs: list[Run]) -> list[Row]:
    """Pool each method's seeds; the interval is Wilson's, for puzzles alone: the seeds share them."""
    by_method: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        by_method[run.method].append(run)
    rows = []
    for method, same in by_method.items():
        share = mean(run.solved / run.puzzles for run in same)
        low, high = wilson(share, same[0].puzzles)
        rows.append(Row(method, len(same), share, low, high, mean(run.tokens for run in same)))
    return sorted(rows, key=lambda row: row.tokens)


def wilson(share: float, trials: int) -> tuple[float, float]:
    """Return the 95 % score interval of a share (Wilson 1927)."""
    spread = Z95**2 / trials
    half = Z95 * math.sqrt(share * (1 - share) / trials + spread / (4 * trials))
    return (share + spread / 2 - half) / (1 + spread), (share + spread / 2 + half) / (1 + spread)


def table(rows: list[Row]) -> str:
    """Write the rows in Markdown."""
    lines = [
        "| method | seeds | solved % | 95 % interval | completion tokens a puzzle |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        interval = f"{row.low:.1%} to {row.high:.1%}".replace("%", "")
        lines.append(f"| {row.method} | {row.seeds} | {100 * row.solved:.1f} | {interval} | {row.tokens:,.0f} |")
    return "\n".join(lines)


def plot(rows: list[Row], title: str, path: Path) -> None:
    """Plot solved % against completion tokens, on a logarithmic axis."""
    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    for row in rows:
        search = row.method.startswith(("BFS", "DFS"))
        style = "o" if not search else "^" if "trusted" in row.method else "s"
        error = [[max(0.0, 100 * (row.solved - row.low))], [max(0.0, 100 * (row.high - row.solved))]]
        axes.errorbar(row.tokens, 100 * row.solved, yerr=error, fmt=style, capsize=2, label=row.method)
    axes.set(xscale="log", xlabel="completion tokens a puzzle", ylabel="solved %", ylim=(0, 103), title=title)
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", fontsize="small")
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Print the table and write the plot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--puzzles", default="dev", help="name of a file in models/puzzles")
    puzzles = parser.parse_args().puzzles
    rows = summarize(read_runs(puzzles))
    trusted = [row for row in rows if "trusted" in row.method]
    print(f"{table([row for row in rows if row not in trusted])}\n\nArithmetic trusted:\n\n{table(trusted)}")
    plot(rows, f"Game of 24, {puzzles}.csv", RESULTS / f"{puzzles}.svg")


if __name__ == "__main__":
    main()
