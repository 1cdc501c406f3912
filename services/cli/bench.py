"""`kot bench`: solves every puzzle of a file with each strategy, and counts."""

import asyncio
import csv
import json
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from services.cli.client import Client, connect
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
    """Write one object a strategy."""
    try:
        path.write_text(json.dumps([asdict(each) for each in figures], indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class Bench:
    """Which puzzles to solve, and how."""

    puzzles: Sequence[str]
    strategies: Sequence[str]
    options: Hyperparameters
    parallel: int
    """Puzzles solved at a time."""

    async def run(self, target: str | None, console: Console) -> list[Figures]:
        """Return the figures of each strategy. Raises the `KotError` of the first solve that is refused."""
        Interrupts()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        bar = Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console)
        async with connect(target) as client:
            await self._check(client)
            with bar if console.is_terminal else nullcontext():
                return [await self._measure(client, strategy, bar) for strategy in self.strategies]

    async def _check(self, client: Client) -> None:
        """Let the server refuse a wrong strategy or setting now, rather than after the puzzles of the one before."""
        for strategy in self.strategies:
            await self._solve(client, strategy, self.puzzles[0], replace(self.options, max_completion_tokens=1))

    async def _measure(self, client: Client, strategy: str, bar: Progress) -> Figures:
        task = bar.add_task(strategy, total=len(self.puzzles))
        begun = time.monotonic()
        solved = await self._solve_all(client, strategy, lambda: bar.advance(task))
        return count(strategy, solved, self.options, seconds=time.monotonic() - begun)

    async def _solve_all(self, client: Client, strategy: str, on_solved: Callable[[], None]) -> list[Solved]:
        places = asyncio.Semaphore(self.parallel)

        async def solve(puzzle: str) -> Solved:
            async with places:
                solved = await self._solve(client, strategy, puzzle, self.options)
            on_solved()
            return solved

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(solve(puzzle)) for puzzle in self.puzzles]
        except ExceptionGroup as failures:
            # Whatever failed first ended the rest.
            raise failures.exceptions[0] from failures
        return [task.result() for task in tasks]

    @staticmethod
    async def _solve(client: Client, strategy: str, puzzle: str, options: Hyperparameters) -> Solved:
        request = build_request(puzzle, strategy, options, wire.EVENT_DETAIL_RESULT)
        try:
            return Solved(puzzle, await client.solve_to_end(request))
        except InvalidInput as error:
            message = f"puzzle {puzzle[:64]!r}: {error}"
            raise InvalidInput(message, field=error.field, reason=error.reason) from error
