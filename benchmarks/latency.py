"""How much wall time a search wastes, on a model server with honest latency.

Each run solves the same puzzles one after the other. Its bound is what its own requests would take if each half of a
round (all proposals of a depth, then all values) went out at once and were waited for: no client that waits for each
half can be faster. The paper's search, without early stop, is run in `level` and `async`; then the product's default.
"""

import argparse
import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from common import print_table, read_puzzles, write_json
from model_server import ModelServer, Row, add_arguments, model_server

from services.cli.client import Client, connect
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.telemetry import logs

UNBOUNDED = {"completion_tokens": 1_000_000, "model_calls": 1_000_000, "wall_seconds": 600}
"""The paper's search has no budget."""
RUNS = {
    "paper_bfs, level": {"strategy": "paper_bfs", "budget": UNBOUNDED, "concurrency": "CONCURRENCY_MODEL_LEVEL"},
    "paper_bfs, async": {"strategy": "paper_bfs", "budget": UNBOUNDED, "concurrency": "CONCURRENCY_MODEL_ASYNC"},
    "default": {},
    "default, level": {"concurrency": "CONCURRENCY_MODEL_LEVEL"},
}


@dataclass(frozen=True)
class Run:
    """What a run took; seconds are those at full scale."""

    solved: int
    requests: int
    completion_tokens: int
    seconds: float
    bound: float

    @property
    def ratio(self) -> float:
        """Seconds over the bound."""
        return self.seconds / self.bound


async def run(client: Client, server: ModelServer, puzzles: Sequence[str], scale: float, **options: object) -> Run:
    """Solve the puzzles one after the other."""
    solved, requests, tokens, seconds, bound = 0, 0, 0, 0.0, 0.0
    for puzzle in puzzles:
        await server.reset()
        begun = time.monotonic()
        result = await client.solve_to_end(wire.SolveRequest(problem=puzzle, event_detail=1, fresh=True, **options))
        seconds += (time.monotonic() - begun) / scale
        solved += result.status == wire.SOLVE_STATUS_SOLVED
        rows = await settled(server)
        requests += len(rows)
        tokens += sum(row["completion_tokens"] for row in rows)
        bound += server.bound(rows)
    return Run(solved, requests, tokens, seconds, bound)


async def settled(server: ModelServer) -> list[Row]:
    """Return the log once nothing is under way: what was aborted is logged too."""
    while (await server.stats())["in_flight"]:  # noqa: ASYNC110 - it is another process
        await asyncio.sleep(0.01)
    return await server.log()


async def measure(server: ModelServer, puzzles: Sequence[str], scale: float) -> dict[str, Run]:
    """Run all, one after the other."""
    os.environ.update(server.environment())
    async with connect(None) as client:
        await client.solve_to_end(wire.SolveRequest(problem=puzzles[0], fresh=True))  # connections and imports
        return {name: await run(client, server, puzzles, scale, **options) for name, options in RUNS.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("puzzles", type=Path, help="a CSV file with a column `puzzle`")
    parser.add_argument("--limit", type=int, default=20, help="take so many puzzles only")
    parser.add_argument("--json", help="write the figures to this file")
    add_arguments(parser)
    options = parser.parse_args()
    logs.configure(service="benchmark", pod="local", revision="local", level="error")
    puzzles = read_puzzles(options.puzzles, options.limit)
    with model_server(options.server, scale=options.scale) as server:
        runs = asyncio.run(measure(server, puzzles, options.scale))
    figures: dict[str, object] = {"puzzles": len(puzzles)}
    for name, each in runs.items():
        figures |= {
            f"{name}: solved": each.solved,
            f"{name}: requests": each.requests,
            f"{name}: completion tokens": each.completion_tokens,
            f"{name}: seconds": each.seconds,
            f"{name}: seconds over own bound": each.ratio,
        }
    paper = runs["paper_bfs, level"]
    for name in ("default", "default, level"):
        figures[f"{name}: seconds over the paper's bound"] = runs[name].seconds / paper.bound
        figures[f"{name}: requests over the paper's"] = runs[name].requests / paper.requests
    print_table("Latency", figures)
    write_json(options.json, figures | {"runs": {name: asdict(each) for name, each in runs.items()}})


if __name__ == "__main__":
    main()
