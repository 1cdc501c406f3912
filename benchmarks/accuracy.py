"""Accuracy at equal token budgets, with the embedded model: what each strategy solves, and for how many tokens.

Runs `kot bench` for one subject after the other and writes what is done so far to `benchmarks/results`: a run that was
ended goes on from there. Remove the file to measure anew. Never point it at `paper_test.csv` to choose a setting.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from services.cli.figures import Figures
from services.cli.plot import plot_figures
from services.plugins import STRATEGIES

HERE = Path(__file__).parent
SEEDS = 3


@dataclass(frozen=True)
class Study:
    """What is compared: the options of `kot bench` for each subject, and the completion tokens a puzzle."""

    subjects: dict[str, list[str]]
    budgets: tuple[int, ...]


def strategy(name: str, *options: str) -> list[str]:
    """Return the options for a strategy, with settings as `NAME=VALUE`."""
    return ["--strategy", name, *(word for option in options for word in ("--set", option))]


STUDIES = {
    "accuracy": Study(
        {
            **{name: strategy(name) for name in ("auto", *STRATEGIES.names())},
            # As many as its paper draws, about 2,100 tokens; more are dear and change little.
            "cot_sc": strategy("cot_sc", "votes=40"),
            "bfs, rollouts=0": strategy("bfs", "rollouts=0"),
            "auto, trusted": [*strategy("auto"), "--trust-arithmetic"],
            "dfs, trusted": [*strategy("dfs"), "--trust-arithmetic"],
        },
        (1_000, 5_000, 20_000),
    ),
    "beam-options": Study(
        {
            "bfs, rollouts=0": strategy("bfs", "rollouts=0"),
            "bfs, rollouts=2": strategy("bfs", "rollouts=2"),
            "bfs, rollouts=4": strategy("bfs", "rollouts=4"),
            "bfs, rollouts=0, sibling_penalty=0.05": strategy("bfs", "rollouts=0", "sibling_penalty=0.05"),
            "bfs, rollouts=0, sibling_penalty=0.2": strategy("bfs", "rollouts=0", "sibling_penalty=0.2"),
        },
        (1_000, 5_000),
    ),
    "settings": Study(
        {
            "the default": strategy("bfs"),
            "beam_width=1": strategy("bfs", "beam_width=1"),
            "beam_width=10": strategy("bfs", "beam_width=10"),
            "samples=4": strategy("bfs", "samples=4"),
            "samples=16": strategy("bfs", "samples=16"),
            "answer_samples=1": strategy("bfs", "answer_samples=1"),
            "rollouts=0": strategy("bfs", "rollouts=0"),
            "rollouts=3": strategy("bfs", "rollouts=3"),
            "evaluation_threshold=0.2": strategy("bfs", "evaluation_threshold=0.2"),
            "temperature 0.5": [*strategy("bfs"), "--temperature", "0.5"],
            "temperature 1.5": [*strategy("bfs"), "--temperature", "1.5"],
            "3 value samples": [*strategy("bfs"), "--value-samples", "3"],
            "trusted arithmetic": [*strategy("bfs"), "--trust-arithmetic"],
            "level": [*strategy("bfs"), "--concurrency", "level"],
        },
        (20_000,),
    ),
    "small-budgets": Study(
        {
            "bfs, rollouts=0": strategy("bfs", "rollouts=0"),
            "bfs, rollouts=0, beam_width=1": strategy("bfs", "rollouts=0", "beam_width=1"),
            "dfs": strategy("dfs"),
            "sample_until_valid": strategy("sample_until_valid"),
        },
        (300, 500),
    ),
    "concurrency": Study(
        {f"auto, {model}": [*strategy("auto"), "--concurrency", model] for model in ("async", "level")},
        (1_000,),
    ),
}


def measure(puzzles: Path, flags: list[str], budgets: tuple[int, ...], parallel: int) -> list[Figures]:
    """Return what `kot bench` says of one subject at each budget."""
    with TemporaryDirectory() as folder:
        out = Path(folder) / "figures.json"
        options = ["--puzzles", puzzles, "--json", out, "--seeds", SEEDS, "--parallel", parallel, *flags]
        # Puzzles wait for each other; tokens are to end a solve, not the clock.
        options += ["--max-seconds", 3600, *(word for budget in budgets for word in ("--budget", budget))]
        bench = [sys.executable, "-m", "services.cli.main", "bench", *map(str, options)]
        subprocess.run(bench, check=True, stdout=subprocess.DEVNULL)
        return [Figures(**each) for each in json.loads(out.read_text())]


def table(study: Study, figures: list[Figures]) -> str:
    """Write the figures in Markdown: solved % with its interval, then tokens and calls of a puzzle."""
    cells = {(each.strategy, each.completion_token_budget): cell(each) for each in figures}
    lines = [
        "| | " + " | ".join(f"{budget:,} tokens" for budget in study.budgets) + " |",
        "| --- |" + " --- |" * len(study.budgets),
    ]
    rows = {subject: " | ".join(cells[subject, budget] for budget in study.budgets) for subject in study.subjects}
    return "\n".join(lines + [f"| {subject} | {row} |" for subject, row in rows.items()])


def cell(each: Figures) -> str:
    """Write what one subject does at one budget."""
    low, high = (100 * end for end in each.ci95)
    spent = f"{each.completion_tokens_per_puzzle:,.0f}; {each.model_calls_per_puzzle:.1f}"
    return f"{100 * each.solved_share:.1f} ({low:.1f} to {high:.1f}); {spent}"


def statements(figures: list[Figures]) -> list[str]:
    """Say how the default does against sampling, and whether it solves nearly all."""
    found = {(each.strategy, each.completion_token_budget): each for each in figures}
    said = []
    for budget in STUDIES["accuracy"].budgets:
        ours, theirs = found["auto", budget], found["sample_until_valid", budget]
        holds = "yes" if ours.solved >= theirs.solved else "NO"
        said.append(
            f"At {budget:,} tokens auto solves {ours.solved} of {ours.puzzles * ours.seeds}, sample_until_valid "
            f"{theirs.solved}. At least as many: {holds}."
        )
    most = found["auto", 20_000]
    said.append(
        f"At 20,000 tokens auto solves {most.solved_share:.1%}. At least 99 %: "
        f"{'yes' if most.solved_share >= 0.99 else 'NO'}."
    )
    return said


def main() -> None:
    """Measure what is missing and print the table; plot the strategies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", nargs="?", choices=STUDIES, default="accuracy")
    parser.add_argument("--puzzles", type=Path, default=HERE.parent / "models" / "puzzles" / "dev.csv")
    parser.add_argument("--parallel", type=int, default=4, help="puzzles solved at a time")
    options = parser.parse_args()
    study = STUDIES[options.study]
    out = HERE / "results" / f"{options.study}-{options.puzzles.stem}.json"
    out.parent.mkdir(exist_ok=True)
    done = json.loads(out.read_text()) if out.exists() else {}
    for subject, flags in study.subjects.items():
        if subject not in done:
            print(subject, file=sys.stderr, flush=True)
            measured = measure(options.puzzles, flags, study.budgets, options.parallel)
            done[subject] = [asdict(each) for each in measured]
            out.write_text(json.dumps(done, indent=2) + "\n")
    figures = [replace(Figures(**each), strategy=subject) for subject in study.subjects for each in done[subject]]
    print(table(study, figures))
    if options.study == "accuracy":
        print("", *statements(figures), sep="\n")
        plot_figures(out.with_suffix(".svg"), figures, title=f"Game of 24, {options.puzzles.name}, {SEEDS} seeds")


if __name__ == "__main__":
    main()
