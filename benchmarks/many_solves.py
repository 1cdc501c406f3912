"""Two hundred solves at once on one orchestrator, against a model server that serves so many requests at a time.

The model server is the bottleneck on purpose: what counts is how much of it is used, whether equal work takes equal
time, and how much memory the orchestrator needs meanwhile. Services run as four processes. Every solve is of the same
puzzle with the same seed and waits for each level, so that all have the same work.
"""

import argparse
import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from common import Service, four_processes, print_table, write_json
from model_server import ModelServer, Row, add_arguments, model_server

from services.rpc.channel import dial
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.rpc.gen.kubeofthoughts.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub

PATIENCE = 900
"""Seconds that a solve may take: most of that it waits for its turn."""


@dataclass(frozen=True)
class Solved:
    """One solve, as its client saw it."""

    seconds: float
    status: str
    model_calls: int


async def solve(stub: OrchestratorServiceStub, puzzle: str) -> Solved:
    """Solve and wait for the result."""
    request = wire.SolveRequest(
        problem=puzzle,
        event_detail=wire.EVENT_DETAIL_RESULT,
        concurrency=wire.CONCURRENCY_MODEL_LEVEL,
        budget=wire.Budget(wall_seconds=PATIENCE),
        fresh=True,
    )
    begun = time.monotonic()
    async for message in stub.Solve(request):
        result = message.result
    status = wire.SolveStatus.Name(result.status).removeprefix("SOLVE_STATUS_")
    return Solved(time.monotonic() - begun, status, result.usage.model_calls)


async def solve_all(target: str, puzzle: str, count: int) -> list[Solved]:
    """Begin all at once."""
    async with dial(target) as channel:
        stub = OrchestratorServiceStub(channel)
        return await asyncio.gather(*(solve(stub, puzzle) for _ in range(count)))


def share_used(rows: Sequence[Row], places: int) -> float:
    """Return the mean share of the server's places in use, between a tenth and nine tenths of the run."""
    first, last = min(row["start"] for row in rows), max(row["out"] for row in rows)
    begin, end = first + 0.1 * (last - first), first + 0.9 * (last - first)
    used = sum(max(0.0, min(row["out"], end) - max(row["start"], begin)) for row in rows)
    return float(used / (places * (end - begin)))


def peak_bytes(service: Service) -> int:
    """Return the most memory that a process has had; read from /proc."""
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def measure(server: ModelServer, puzzle: str, count: int, places: int) -> dict[str, object]:
    """Return the figures."""
    patient = {"KOT_STAGE_TIMEOUT": str(PATIENCE), "KOT_MODEL_TIMEOUT": str(PATIENCE)}
    with four_processes(**server.environment(), **patient) as services:
        front = services[0]
        asyncio.run(solve_all(front.target, puzzle, 1))
        idle = peak_bytes(front)
        asyncio.run(server.reset())
        solved = asyncio.run(solve_all(front.target, puzzle, count))
        busy = peak_bytes(front)
    rows = asyncio.run(server.log())
    seconds = sorted(each.seconds for each in solved)
    return {
        "solves at once": count,
        "solved": sum(each.status == "SOLVED" for each in solved),
        "requests that the model server serves at a time": places,
        "requests": len(rows),
        "share of the model server used": share_used(rows, places),
        "seconds, the fastest": seconds[0],
        "seconds, the slowest": seconds[-1],
        "slowest over fastest": seconds[-1] / seconds[0],
        "model calls a solve, least and most": f"{min(s.model_calls for s in solved)}, "
        f"{max(s.model_calls for s in solved)}",
        "orchestrator, MB after one solve": idle / 1e6,
        "orchestrator, MB at most": busy / 1e6,
        "orchestrator, kB a solve": (busy - idle) / count / 1e3,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--solves", type=int, default=200)
    parser.add_argument("--places", type=int, default=32, help="requests that the model server serves at a time")
    parser.add_argument("--puzzle", default="4 5 6 10")
    parser.add_argument("--json", help="write the figures to this file")
    add_arguments(parser)
    options = parser.parse_args()
    with model_server(options.server, scale=options.scale, max_concurrent=options.places) as server:
        figures = measure(server, options.puzzle, options.solves, options.places)
    print_table("Many solves at once", figures)
    write_json(options.json, figures)


if __name__ == "__main__":
    main()
