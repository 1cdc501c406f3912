"""`kot list`: the solves that are kept."""

import json
from collections.abc import AsyncGenerator

from rich.console import Console
from rich.text import Text

from services.cli.client import Client, connect
from services.cli.wording import one_line, state_of, usage_of
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire

PAGE = 1000
"""Solves that are asked for at a time."""

_COLOURS = {"SOLVED": "green", "FAILED": "red", "RUNNING": "cyan"}


async def show_solves(console: Console, target: str | None, *, limit: int, before: str, as_json: bool) -> None:
    """Print solves, the newest first. Raises `KotError`."""
    async with connect(target, with_model=False) as client:
        solves = [solve async for solve in _solves(client, limit + 1, before)]
    solves, rest = solves[:limit], solves[limit:]
    following = solves[-1].solve_id if rest else None
    if as_json:
        document = {"solves": [_to_json(solve) for solve in solves], "next": following}
        console.out(json.dumps(document, indent=2), highlight=False)
        return
    for solve in solves:
        for line in _describe(solve):
            console.print(line, soft_wrap=not console.is_terminal, highlight=False)
    if following:
        console.print(Text(f"there are more: --before {following}", style="bright_black"), soft_wrap=True)


async def _solves(client: Client, limit: int, before: str) -> AsyncGenerator[wire.SolveDescription, None]:
    while limit > 0:
        request = wire.ListSolvesRequest(page_size=min(limit, PAGE), page_token=before)
        page: wire.ListSolvesResponse = await client.ask(client.stub.ListSolves(request))
        for solve in page.solves:
            yield solve
        limit, before = limit - len(page.solves), page.next_page_token
        if not before:
            return


def _describe(solve: wire.SolveDescription) -> tuple[Text, Text]:
    """Return two lines: what it is, and what was asked and found."""
    state = state_of(solve)
    begun = solve.begun.ToDatetime().isoformat(" ", "minutes")
    tokens = f"{solve.usage.prompt_tokens + solve.usage.completion_tokens:,} tokens"
    first = Text.assemble(
        (solve.solve_id, "bold"),
        f"  {begun} UTC  ",
        (state.lower(), _COLOURS.get(state, "yellow")),
        f"  {one_line(solve.task)}  {one_line(solve.strategy)}",
        f"  {tokens}" if state != "RUNNING" else "",
    )
    found = solve.answer or solve.message
    second = Text.assemble(
        "    ", one_line(solve.problem), (f"  ➜  {one_line(found)}" if found else "", "bright_black")
    )
    return first, second


def _to_json(solve: wire.SolveDescription) -> dict[str, object]:
    return {
        "solve_id": solve.solve_id,
        "begun": solve.begun.ToDatetime().isoformat() + "Z",
        "problem": solve.problem,
        "task": solve.task,
        "strategy": solve.strategy,
        "status": state_of(solve),
        "answer": solve.answer or None,
        "message": solve.message or None,
        "usage": usage_of(solve.usage),
        "elapsed_seconds": round(solve.elapsed_seconds, 6),
    }
