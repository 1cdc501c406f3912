"""`kot bench`: solves every puzzle of a file with each strategy at each budget, and counts."""

import asyncio
import csv
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from services.cli.client import Client, connect
from services.cli.definition import read_definition
from services.cli.figures import Figures, Solved, count
from services.cli.interrupts import Interrupts
from services.cli.options import Hyperparameters
from services.cli.request import build_request
from services.core.errors import InvalidInput
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire

COLUMN = "puzzle"


def read_puzzles(path: Path, limit: int | None) -> list[str]:
    """Return the first puzzles of a CSV file, all without a limit; `InvalidInput` says what is wrong with the file."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            columns = rows.fieldnames or []
            if COLUMN not in columns:
                raise InvalidInput(f"{path} has no column {COLUMN!r}; it has: {', '.join(columns) or 'nothing'}")
            puzzles = [row[COLUMN].strip() for row in rows if row[COLUMN]]
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput(f"{path} is no CSV file in UTF-8: {error}") from error
    if not puzzles:
        raise InvalidInput(f"{path} has no puzzles below its header")
    return puzzles[:limit]


def check_writable(path: Path) -> None:
    """Raise `InvalidInput` if the figures could not be written there: better now than after the last puzzle."""
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise InvalidInput(f"{path} cannot be written: it is a folder, or its folder does not exist")


def write_figures(path: Path, figures: Sequence[Figures]) -> None:
    """Write one object for each strategy and budget."""
    try:
        path.write_text(json.dumps([asdict(each) for each in figures], indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class Bench:
    """Which puzzles to solve, and how. Raises `InvalidInput` if something is to be measured twice."""

    puzzles: Sequence[str]
    strategies: Sequence[str]
    options: Hyperparameters
    parallel: int
    """Puzzles solved at a time."""
    budgets: Sequence[int] = ()
    """Completion tokens a puzzle; with none, one run at what the options say."""
    seeds: int = 1
    """Solves of each puzzle; their seeds count up from that of the options."""

    def __post_init__(self) -> None:
        _refuse_repeated("--strategy", self.strategies)
        _refuse_repeated("--budget", self.budgets)
        if self.budgets and self.options.max_completion_tokens is not None:
            raise InvalidInput("--budget and --max-completion-tokens set the same limit; give one of them")
        if self.options.prompts is not None:
            # A wrong file is said before anything is served or sent.
            read_definition(self.options.prompts)

    async def run(self, target: str | None, console: Console) -> list[Figures]:
        """Return the figures of each strategy and budget. Raises the `KotError` of the first solve that is refused."""
        Interrupts()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        bar = Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console)
        limited = [replace(self.options, max_completion_tokens=budget) for budget in self.budgets] or [self.options]
        async with connect(target, keeps=False) as client:
            await self._check(client)
            with bar if console.is_terminal else nullcontext():
                return [
                    await self._measure(client, strategy, options, bar)
                    for strategy, options in product(self.strategies, limited)
                ]

    async def _check(self, client: Client) -> None:
        """Let the server refuse a wrong strategy, setting or seed now, rather than after the puzzles before it."""
        last = replace(self._seeded(self.options)[-1], max_completion_tokens=1)
        for strategy in self.strategies:
            await self._solve(client, strategy, self.puzzles[0], last)

    async def _measure(self, client: Client, strategy: str, options: Hyperparameters, bar: Progress) -> Figures:
        budget = options.max_completion_tokens
        name = strategy if budget is None else f"{strategy} {budget:,}"
        task = bar.add_task(name, total=len(self.puzzles) * self.seeds)
        begun = time.monotonic()
        solved = await self._solve_all(client, strategy, options, lambda: bar.advance(task))
        return count(strategy, solved, options, seeds=self.seeds, seconds=time.monotonic() - begun)

    async def _solve_all(
        self, client: Client, strategy: str, options: Hyperparameters, on_solved: Callable[[], None]
    ) -> list[Solved]:
        """Return all puzzles under the first seed, then all under the next."""
        places = asyncio.Semaphore(self.parallel)

        async def solve(seeded: Hyperparameters, puzzle: str) -> Solved:
            async with places:
                solved = await self._solve(client, strategy, puzzle, seeded)
            on_solved()
            return solved

        try:
            async with asyncio.TaskGroup() as group:
                solves = product(self._seeded(options), self.puzzles)
                tasks = [group.create_task(solve(seeded, puzzle)) for seeded, puzzle in solves]
        except ExceptionGroup as failures:
            # Whatever failed first ended the rest.
            raise failures.exceptions[0] from failures
        return [task.result() for task in tasks]

    def _seeded(self, options: Hyperparameters) -> list[Hyperparameters]:
        first = options.seed or 0
        return [replace(options, seed=first + number) for number in range(self.seeds)]

    @staticmethod
    async def _solve(client: Client, strategy: str, puzzle: str, options: Hyperparameters) -> Solved:
        request = build_request(puzzle, strategy, options, wire.EVENT_DETAIL_RESULT)
        # What is measured are models, not caches.
        request.fresh = True
        try:
            return Solved(puzzle, await client.solve_to_end(request))
        except InvalidInput as error:
            message = f"puzzle {puzzle[:64]!r}: {error}"
            raise InvalidInput(message, field=error.field, reason=error.reason) from error


def _refuse_repeated(flag: str, values: Sequence[object]) -> None:
    for value, times in Counter(values).items():
        if times > 1:
            raise InvalidInput(f"{flag} {value} is given {times} times; once is enough")
