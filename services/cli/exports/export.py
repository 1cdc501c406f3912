"""`kot export`: solves as lines of JSON."""

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path

import typer

from services.cli.client import connect
from services.cli.exports.examples import Unread, preferences, right_steps
from services.cli.exports.solve import StoredSolve
from services.cli.exports.whole import records
from services.cli.output import output_to
from services.core.errors import InvalidInput


async def export(
    solve_ids: Sequence[str], form: str, *, margin: float | None, output: Path | None, target: str | None
) -> None:
    """Write the solves in a form: jsonl, dpo or sft. Raises `KotError`.

    Only solves with an answer give examples; those that have none are counted on standard error.
    """
    if margin is not None and form != "dpo":
        raise InvalidInput("--margin is for --format dpo")
    unread = Unread()
    skipped = []
    with output_to(output) as out:
        async with connect(target, with_model=False) as client:
            solves = [await StoredSolve.find(client, solve_id) for solve_id in dict.fromkeys(solve_ids)]
            for solve in solves:
                if form != "jsonl" and solve.state != "SOLVED":
                    skipped.append(solve.solve_id)
                    continue
                async with aclosing(_lines(solve, form, margin, unread)) as lines:
                    async for line in lines:
                        out.write(json.dumps(line, ensure_ascii=False))
    if skipped:
        said = f"{len(skipped)} of {len(solves)} solves are skipped, for they have no answer: {', '.join(skipped)}"
        typer.echo(said, err=True)
    if unread.steps:
        typer.echo(f"{unread.steps:,} steps are skipped: their task, as it is here, does not read them", err=True)


def _lines(
    solve: StoredSolve, form: str, margin: float | None, unread: Unread
) -> AsyncGenerator[dict[str, object], None]:
    match form:
        case "dpo":
            return preferences(solve, margin, unread)
        case "sft":
            return right_steps(solve, unread)
        case _:
            return records(solve)
