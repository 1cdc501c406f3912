"""`kot solve`: one problem, its tree, its answer."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager, suppress

import grpc
from rich.console import Console
from rich.text import Text

from services.cli.client import Client, connect
from services.cli.exits import Exit
from services.cli.interrupts import Interrupts
from services.cli.mirror import Mirror
from services.core.errors import WorkerUnavailable
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire

CANCEL_SECONDS = 3.0
"""How long a server has to end a search that it is told to end, before the call is cut."""
CANCEL_AGAIN_SECONDS = 0.1

ENDS = {
    wire.SOLVE_STATUS_EXHAUSTED: "not found within the search: the strategy has nothing more to try",
    wire.SOLVE_STATUS_NODES_SPENT: "not found within the budget of thoughts; --max-nodes raises it",
    wire.SOLVE_STATUS_DEPTH_SPENT: "not found within the limit of depth; --max-depth raises it",
    wire.SOLVE_STATUS_PROMPT_TOKENS_SPENT: "not found within the budget of prompt tokens; "
    "--max-prompt-tokens raises it",
    wire.SOLVE_STATUS_DOLLARS_SPENT: "not found within the budget of dollars; --max-dollars raises it",
    wire.SOLVE_STATUS_MODEL_CALLS_SPENT: "not found within the budget of model calls; --max-model-calls raises it",
    wire.SOLVE_STATUS_COMPLETION_TOKENS_SPENT: "not found within the budget of completion tokens; "
    "--max-completion-tokens raises it",
    wire.SOLVE_STATUS_WALL_TIME_SPENT: "not found within the budget of seconds; --max-seconds raises it",
    wire.SOLVE_STATUS_CANCELLED: "interrupted before an answer was found",
}


async def solve(request: wire.SolveRequest, *, target: str | None, as_json: bool, console: Console) -> Exit:
    """Solve, show it, and return how it ended. Raises `KotError`."""
    interrupts = Interrupts()
    mirror = Mirror(request.problem)
    shown = _shown(console, mirror) if not as_json else _unseen()
    async with connect(target) as client, shown:
        await _follow(client, request, mirror, interrupts)
    if mirror.result is None:
        raise WorkerUnavailable("the server ended the solve without a result")
    if as_json:
        console.out(to_json(mirror.strategy, mirror.result), highlight=False)
    else:
        report(console, mirror, mirror.result)
    return exit_of_result(mirror.result)


def exit_of_result(result: wire.SolveResult) -> Exit:
    """Return the exit code for a solve that came to its end."""
    if result.status == wire.SOLVE_STATUS_SOLVED:
        return Exit.ANSWER
    return Exit.INTERRUPTED if result.status == wire.SOLVE_STATUS_CANCELLED else Exit.NONE_WITHIN_BUDGET


async def _follow(client: Client, request: wire.SolveRequest, mirror: Mirror, interrupts: Interrupts) -> None:
    """Feed the mirror until the solve ends; the first interruption asks the server to end it."""
    following = asyncio.current_task()
    ending: list[asyncio.Task[None]] = []

    async def end() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(CANCEL_SECONDS):
                while True:
                    # A solve that has not begun yet, or waits for a stage, is told once more.
                    with suppress(grpc.aio.AioRpcError):
                        await client.stub.CancelSolve(wire.CancelSolveRequest(solve_id=request.request_id))
                    await asyncio.sleep(CANCEL_AGAIN_SECONDS)
        if following is not None:
            following.cancel()

    with interrupts.answered_by(lambda: ending.append(asyncio.create_task(end()))):
        try:
            async with aclosing(client.solve(request)) as messages:
                async for message in messages:
                    mirror.take(message)
        finally:
            for task in ending:
                task.cancel()


@asynccontextmanager
async def _shown(console: Console, mirror: Mirror) -> AsyncGenerator[None, None]:
    if not console.is_terminal or console.is_dumb_terminal:
        yield
        return
    from services.cli.display import live

    async with live(console, mirror):
        yield


@asynccontextmanager
async def _unseen() -> AsyncGenerator[None, None]:
    yield


def to_json(strategy: str, result: wire.SolveResult) -> str:
    """Return a result as the document that `--json` prints."""
    usage = result.usage
    document = {
        "solve_id": result.solve_id,
        "status": wire.SolveStatus.Name(result.status).removeprefix("SOLVE_STATUS_"),
        "answer": result.answer or None,
        "steps": list(result.steps),
        "strategy": strategy,
        "usage": {
            "model_calls": usage.model_calls,
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "cache_hits": usage.cache_hits,
            "dollars": usage.dollars,
        },
        "elapsed_seconds": round(result.elapsed_seconds, 6),
    }
    return json.dumps(document, indent=2)


def report(console: Console, mirror: Mirror, result: wire.SolveResult) -> None:
    """Print the answer, the steps to it, and what it took."""
    if result.status == wire.SOLVE_STATUS_SOLVED:
        _say(console, Text(result.answer, style="bold green"))
    else:
        _say(console, Text(ENDS.get(result.status, "not found within this search"), style="yellow"))
        if result.steps:
            _say(console, Text("best line of thought so far:"))
    for number, step in enumerate(result.steps, start=1):
        _say(console, Text.assemble((f"  {number}. ", "bright_black"), step))
    _say(console, Text(summarize(mirror, result), style="bright_black"))


def summarize(mirror: Mirror, result: wire.SolveResult) -> str:
    """Return what a solve took, on one line."""
    usage, progress, dropped = result.usage, result.progress, mirror.dropped
    price = f"{usage.dollars:.4f} dollars, " if usage.dollars else ""
    cached = f"{usage.cache_hits:,} answers from the cache, " if usage.cache_hits else ""
    return (
        f"{mirror.strategy}: {usage.model_calls:,} model calls, {cached}{usage.prompt_tokens:,} prompt tokens, "
        f"{usage.completion_tokens:,} completion tokens, {price}{result.elapsed_seconds:.2f} s; "
        f"{progress.nodes:,} thoughts, {progress.merged:,} merged; lines dropped: "
        f"{dropped.malformed:,} malformed, {dropped.illegal:,} illegal, {dropped.duplicate:,} duplicate"
    )


def _say(console: Console, text: Text) -> None:
    # In a file or a pipe a line stays a line.
    console.print(text, soft_wrap=not console.is_terminal, highlight=False)
