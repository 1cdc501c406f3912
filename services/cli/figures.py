"""The figures of `kot bench`: shares, their intervals, and what was spent."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
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
    """Solves that ended with a right answer, of puzzles times seeds."""
    solved_share: float
    ci95: tuple[float, float]
    """A 95 % interval of the share, as `share_interval` makes it."""
    model_calls: int
    prompt_tokens: int
    completion_tokens: int
    seconds_per_puzzle: float
    """The mean time from acceptance to result; with several puzzles at a time, each waits for the others."""
    seconds: float
    seed: int
    """The first of the seeds."""
    seeds: int
    """Solves of each puzzle."""
    completion_token_budget: int | None
    """What a solve may spend; None is the server's default."""
    completion_tokens_per_puzzle: float
    """The mean that a solve has spent."""
    model_calls_per_puzzle: float
    """The mean of a solve, too."""
    trust_arithmetic: bool
    statuses: dict[str, int]
    false_answers: int | None
    """Answers that the task's own rules, applied once more here, reject; None if there are none here."""


def count(strategy: str, solved: Sequence[Solved], options: Hyperparameters, *, seeds: int, seconds: float) -> Figures:
    """Add up what one strategy did: `solved` has all puzzles under one seed, then all under the next.

    A false answer is no solution.
    """
    answered = [each.result.status == wire.SOLVE_STATUS_SOLVED for each in solved]
    holds = None if options.prompts else _rule(options.task)
    right = [said and (holds is None or holds(each)) for said, each in zip(answered, solved, strict=True)]
    results = [each.result for each in solved]
    statuses = Counter(wire.SolveStatus.Name(result.status).removeprefix("SOLVE_STATUS_") for result in results)
    model_calls = sum(result.usage.model_calls for result in results)
    completion_tokens = sum(result.usage.completion_tokens for result in results)
    puzzles = len(solved) // seeds
    return Figures(
        strategy=strategy,
        puzzles=puzzles,
        solved=sum(right),
        solved_share=sum(right) / len(solved),
        ci95=share_interval([sum(right[puzzle::puzzles]) for puzzle in range(puzzles)], seeds),
        model_calls=model_calls,
        prompt_tokens=sum(result.usage.prompt_tokens for result in results),
        completion_tokens=completion_tokens,
        seconds_per_puzzle=sum(result.elapsed_seconds for result in results) / len(solved),
        seconds=seconds,
        seed=options.seed or 0,
        seeds=seeds,
        completion_token_budget=options.max_completion_tokens,
        completion_tokens_per_puzzle=completion_tokens / len(solved),
        model_calls_per_puzzle=model_calls / len(solved),
        trust_arithmetic=options.trust_arithmetic,
        statuses=dict(statuses),
        false_answers=None if holds is None else sum(answered) - sum(right),
    )


def share_interval(solved: Sequence[int], seeds: int) -> tuple[float, float]:
    """Return a 95 % interval of the solved share from how often each puzzle was solved under so many seeds.

    Solves of one puzzle are not independent: a hard one is hard under every seed. So it is Wilson's interval for as
    many independent solves as would scatter like the means of the puzzles do (Korn and Graubard 1998): no fewer than
    there are puzzles, no more than there are solves. Where all or none are solved, nothing scatters: puzzles count.
    """
    puzzles = len(solved)
    means = [times / seeds for times in solved]
    share = sum(means) / puzzles
    scatter = sum((mean - share) ** 2 for mean in means)
    independent = share * (1 - share) * puzzles * (puzzles - 1)
    if scatter:
        trials = min(max(independent / scatter, puzzles), puzzles * seeds)
    else:
        trials = puzzles * seeds if independent else puzzles
    return wilson_interval(share * trials, trials)


def wilson_interval(successes: float, trials: float) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of a share (Wilson 1927), each end from 0 to 1. `trials` is at least 1."""
    share, spread = successes / trials, Z95**2 / trials
    centre = share + spread / 2
    half = Z95 * math.sqrt(share * (1 - share) / trials + spread / (4 * trials))
    return max(0.0, (centre - half) / (1 + spread)), min(1.0, (centre + half) / (1 + spread))


def show_figures(console: Console, figures: Sequence[Figures]) -> None:
    """Print one row for each strategy and budget."""
    caption = "budget in completion tokens; calls, tokens in and out and seconds are means of a puzzle"
    headers = ("strategy", "budget", "solved", "95 %", "calls", "in", "out", "s")
    table = Table(*headers, box=SIMPLE, padding=(0, 1, 0, 0), caption=caption)
    for column in table.columns:
        column.no_wrap = True
        column.justify = "left" if column.header == "strategy" else "right"
    for each in figures:
        table.add_row(
            each.strategy,
            "default" if each.completion_token_budget is None else f"{each.completion_token_budget:,}",
            f"{each.solved:,}/{each.puzzles * each.seeds:,}",
            f"{100 * each.ci95[0]:.0f} to {each.ci95[1]:.0%}",
            f"{each.model_calls_per_puzzle:,.1f}",
            f"{each.prompt_tokens / each.puzzles / each.seeds:,.0f}",
            f"{each.completion_tokens_per_puzzle:,.0f}",
            f"{each.seconds_per_puzzle:.2f}",
        )
    console.print(table)
    if wrong := sum(each.false_answers or 0 for each in figures):
        console.print(f"{wrong} answers are false", style="bold red")


def _rule(name: str | None) -> Callable[[Solved], bool] | None:
    """Return what the task's own rules say of an answer; None if it has none, or is not installed here."""
    try:
        # With no task in it, a request means this one.
        task = find_task(name or "game24")
    except InvalidInput:
        return None
    if not task.checked:
        return None

    def holds(each: Solved) -> bool:
        judged = task.validate(each.puzzle, each.result.answer)
        return judged is not None and judged[0] is Verdict.CERTAIN

    return holds
