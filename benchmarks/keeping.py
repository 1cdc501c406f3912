"""What it costs to keep solves: the same work with a log and trees, and with neither.

Processor time a thought, with the four services as processes, the scripted model and searches that leave nothing aside,
as in `throughput.py`; wall time of the default search on a model server with honest latency, in pairs.
"""

import argparse
import asyncio
import os
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from common import four_processes, print_table, processor_seconds, read_puzzles, unsolvable, write_json
from model_server import ModelServer, add_arguments, model_server
from throughput import measure

from services.cli.client import Client, connect
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.telemetry import logs

KEPT = {"KOT_LOG": "sqlite", "KOT_TREE": "sqlite"}
LOGGED = {"KOT_LOG": "sqlite", "KOT_TREE": "none"}
NOT_KEPT = {"KOT_LOG": "memory", "KOT_TREE": "none"}
PARALLEL = 4


def microseconds(how: Mapping[str, str], puzzles: Sequence[str], thoughts: int) -> float:
    """Return the processor time of a thought."""
    with four_processes(KOT_MODEL="scripted", **how) as services:
        asyncio.run(measure(services[0].target, list(puzzles[:2]), 100, PARALLEL))
        before = processor_seconds(services)
        counted, _ = asyncio.run(measure(services[0].target, list(puzzles), thoughts, PARALLEL))
        return (processor_seconds(services) - before) / counted * 1e6


async def seconds(client: Client, puzzles: Sequence[str]) -> float:
    """Return how long the puzzles take, one after the other."""
    begun = time.monotonic()
    for puzzle in puzzles:
        await client.solve_to_end(wire.SolveRequest(problem=puzzle, event_detail=1, fresh=True))
    return time.monotonic() - begun


async def pairs(server: ModelServer, puzzles: Sequence[str], count: int) -> list[float]:
    """Return how much longer the same puzzles take when they are kept, pair by pair; who begins changes."""
    ratios = []
    os.environ.update(server.environment())
    os.environ.update(KEPT)
    async with connect(None) as kept:
        os.environ.update(NOT_KEPT)
        async with connect(None) as not_kept:
            for client in (kept, not_kept):
                await seconds(client, puzzles[:1])
            for number in range(count):
                order = (kept, not_kept) if number % 2 else (not_kept, kept)
                took = {client: await seconds(client, puzzles) for client in order}
                ratios.append(took[kept] / took[not_kept])
    return ratios


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("puzzles", type=Path, help="a CSV file with a column `puzzle`")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--thoughts", type=int, default=1000, help="thoughts after which one solve is left")
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--limit", type=int, default=3, help="puzzles of one side of a pair")
    parser.add_argument("--json", help="write the figures to this file")
    add_arguments(parser)
    options = parser.parse_args()
    logs.configure(service="benchmark", pod="local", revision="local", level="error")
    costs: dict[str, list[float]] = {"log and trees": [], "log alone": [], "neither": []}
    for repeat in range(options.repeats):
        wide = unsolvable(8, first=8 * repeat)
        for name, how in zip(costs, (KEPT, LOGGED, NOT_KEPT), strict=True):
            costs[name].append(microseconds(how, wide, options.thoughts))
    figures: dict[str, object] = {
        f"{name}: median processor microseconds a thought": round(statistics.median(each))
        for name, each in costs.items()
    }
    with model_server(options.server, scale=options.scale) as server:
        ratios = asyncio.run(pairs(server, read_puzzles(options.puzzles, options.limit), options.pairs))
    figures |= {
        "pairs on the latency server": len(ratios),
        "median of wall time kept over not kept": statistics.median(ratios),
        "quartiles": " to ".join(f"{each:.3f}" for each in statistics.quantiles(ratios, n=4)[::2]),
    }
    print_table("Keeping solves", figures)
    write_json(options.json, figures | {"ratios": ratios, "costs": costs})


if __name__ == "__main__":
    main()
