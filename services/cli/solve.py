"""`kot solve`, `kot watch` and `kot resume`: one solve, its tree, its answer."""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager, nullcontext, suppress

import grpc
import typer
from rich.console import Console
from rich.text import Text

from services.cli.client import Client, Followable, connect
from services.cli.exits import Exit
from services.cli.interrupts import Interrupts
from services.cli.mirror import Mirror
from services.cli.wording import usage_of
from services.core.errors import TemporaryError, WorkerUnavailable
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.settings import StateSettings, read_settings

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
RESUMABLE = ENDS.keys() - {wire.SOLVE_STATUS_EXHAUSTED}
"""How solves end that can go on, some with a larger budget."""


async def show(request: Followable, *, target: str | None, as_json: bool, console: Console) -> Exit:
    """Begin, watch or resume a solve, show it, and return how it ended. Raises `KotError`.

    The first interruption ends the solve, with the best so far; of one that is only watched, it ends the watching.
    """
    interrupts = Interrupts()
    mirror = Mirror(request.problem if isinstance(request, wire.SolveRequest) else "")
    shown = _shown(console, mirror) if not as_json else _unseen()
    try:
        async with connect(target) as client, shown:
            await _follow(client, request, mirror, interrupts)
    except (TemporaryError, asyncio.CancelledError):
        if mirror.solve_id and _kept(target):
            typer.echo(f"`{_command('watch', mirror.solve_id, target)}` goes on with it", err=True)
        raise
    if mirror.result is None:
        raise WorkerUnavailable("the server ended the solve without a result")
    if as_json:
        console.out(to_json(mirror.strategy, mirror.result), highlight=False)
    else:
        report(console, mirror, mirror.result)
        if mirror.result.status in RESUMABLE and _kept(target):
            hint = f"`{_command('resume', mirror.solve_id, target)}` goes on from here"
            _say(console, Text(hint, style="bright_black"))
    return exit_of_result(mirror.result)


def exit_of_result(result: wire.SolveResult) -> Exit:
    """Return the exit code for a solve that came to its end."""
    if result.status == wire.SOLVE_STATUS_SOLVED:
        return Exit.ANSWER
    return Exit.INTERRUPTED if result.status == wire.SOLVE_STATUS_CANCELLED else Exit.NONE_WITHIN_BUDGET


async def _follow(client: Client, request: Followable, mirror: Mirror, interrupts: Interrupts) -> None:
    """Feed the mirror until the solve ends; the first interruption asks the server to end it."""
    async with aclosing(client.follow(request, on_break=lambda: mirror.awaited.add("server"))) as messages:
        with nullcontext() if isinstance(request, wire.WatchSolveRequest) else _ended_by(interrupts, client, request):
            async for message in messages:
                mirror.take(message)


@contextmanager
def _ended_by(
    interrupts: Interrupts, client: Client, request: wire.SolveRequest | wire.ResumeSolveRequest
) -> Iterator[None]:
    """Let the first interruption within this context end the solve."""
    solve_id = request.request_id if isinstance(request, wire.SolveRequest) else request.solve_id
    following = asyncio.current_task()
    ending: list[asyncio.Task[None]] = []

    async def end() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(CANCEL_SECONDS):
                while True:
                    # A solve that has not begun yet, or waits for a stage, is told once more.
                    with suppress(grpc.aio.AioRpcError):
                        await client.stub.CancelSolve(wire.CancelSolveRequest(solve_id=solve_id))
                    await asyncio.sleep(CANCEL_AGAIN_SECONDS)
        if following is not None:
            following.cancel()

    with interrupts.answered_by(lambda: ending.append(asyncio.create_task(end()))):
        try:
            yield
        finally:
            for task in ending:
                task.cancel()


def _kept(target: str | None) -> bool:
    """Return whether a solve can be gone on with later."""
    return target is not None or read_settings(StateSettings).log != "memory"


def _command(verb: str, solve_id: str, target: str | None) -> str:
    return f"kot {verb} {solve_id}" + (f" --target {target}" if target else "")


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
    document = {
        "solve_id": result.solve_id,
        "status": wire.SolveStatus.Name(result.status).removeprefix("SOLVE_STATUS_"),
        "answer": result.answer or None,
        "steps": list(result.steps),
        "strategy": strategy,
        "usage": usage_of(result.usage),
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
        f"{dropped.malformed:,} malformed, {dropped.illegal:,} illegal, {dropped.duplicate:,} duplicate; "
        f"solve {result.solve_id}"
    )


def _say(console: Console, text: Text) -> None:
    # In a file or a pipe a line stays a line.
    console.print(text, soft_wrap=not console.is_terminal, highlight=False)
