"""The figures of `kot bench`: shares, their intervals, and what was spent."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from services.cli.options import Hyperparameters
from services.core.errors import InvalidInput
from services.core.thought import Verdict
from services.plugins import find_task
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire

Z95 = 1.959963984540054
"""The normal quantile of a two-sided 95 % interval."""


@dataclass(frozen=True, slots=True)
class Solved:
    """A puzzle and how its solve ended."""

    puzzle: str
    result: wire.SolveResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one strategy did with all puzzles; calls, tokens and seconds are totals unless they say otherwise."""

    strategy: str
    puzzles: int
    solved: int
    solved_share: float
    ci95: tuple[float, float]
    model_calls: int
    prompt_tokens: int
    completion_tokens: int
    seconds_per_puzzle: float
    """The mean time from acceptance to result; with several puzzles at a time, each waits for the others."""
    seconds: float
    seed: int
    trust_arithmetic: bool
    statuses: dict[str, int]
    false_answers: int | None
    """Answers that the task's own rules, applied once more here, reject; None if the task is not installed here."""


def count(strategy: str, solved: Sequence[Solved], options: Hyperparameters, *, seconds: float) -> Figures:
    """Add up what one strategy did. A false answer is no solution."""
    answered = [each for each in solved if each.result.status == wire.SOLVE_STATUS_SOLVED]
    false = _false_answers(answered, options.task)
    right = len(answered) - (false or 0)
    results = [each.result for each in solved]
    statuses = Counter(wire.SolveStatus.Name(result.status).removeprefix("SOLVE_STATUS_") for result in results)
    return Figures(
        strategy=strategy,
        puzzles=len(solved),
        solved=right,
        solved_share=right / len(solved),
        ci95=wilson_interval(right, len(solved)),
        model_calls=sum(result.usage.model_calls for result in results),
        prompt_tokens=sum(result.usage.prompt_tokens for result in results),
        completion_tokens=sum(result.usage.completion_tokens for result in results),
        seconds_per_puzzle=sum(result.elapsed_seconds for result in results) / len(solved),
        seconds=seconds,
        seed=options.seed or 0,
        trust_arithmetic=options.trust_arithmetic,
        statuses=dict(statuses),
        false_answers=false,
    )


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of a share (Wilson 1927), each end from 0 to 1. `trials` is at least 1."""
    share, spread = successes / trials, Z95**2 / trials
    centre = share + spread / 2
    half = Z95 * math.sqrt(share * (1 - share) / trials + spread / (4 * trials))
    return max(0.0, (centre - half) / (1 + spread)), min(1.0, (centre + half) / (1 + spread))


def show_figures(console: Console, figures: Sequence[Figures]) -> None:
    """Print one row a strategy."""
    caption = "95 % interval; calls and tokens of all; seconds a puzzle"
    table = Table("strategy", "solved", "95 %", "calls", "in", "out", "s", box=SIMPLE, caption=caption)
    for column in table.columns:
        column.no_wrap = True
        column.justify = "left" if column.header == "strategy" else "right"
    for each in figures:
        table.add_row(
            each.strategy,
            f"{each.solved:,}/{each.puzzles:,}",
            f"{each.ci95[0]:.0%} to {each.ci95[1]:.0%}",
            f"{each.model_calls:,}",
            f"{each.prompt_tokens:,}",
            f"{each.completion_tokens:,}",
            f"{each.seconds_per_puzzle:.2f}",
        )
    console.print(table)
    if wrong := sum(each.false_answers or 0 for each in figures):
        console.print(f"{wrong} answers are false", style="bold red")


def _false_answers(answered: Sequence[Solved], task: str | None) -> int | None:
    try:
        # With no task in it, a request means this one.
        validate = find_task(task or "game24").validate
    except InvalidInput:
        return None
    verdicts = [validate(each.puzzle, each.result.answer)[0] for each in answered]
    return sum(verdict is not Verdict.CERTAIN for verdict in verdicts)
