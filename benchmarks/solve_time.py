"""How long the embedded model takes once it runs, on one core: loading the weights, and a solve with the defaults."""

import argparse
import asyncio
import os
import statistics
import time
from pathlib import Path

from common import print_table, read_puzzles, write_json

from services.adapters.llm import create_model
from services.cli.all_in_one import all_in_one
from services.rpc.channel import dial
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.rpc.gen.kubeofthoughts.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub
from services.settings import ModelSettings
from services.telemetry import logs


def load_seconds(repeats: int) -> list[float]:
    """Time the loading of the weights, the import of the engine not counted."""
    times = []
    for _ in range(repeats + 1):
        begun = time.perf_counter()
        model = create_model(ModelSettings())
        times.append(time.perf_counter() - begun)
        asyncio.run(model.close())
    return times[1:]


async def solve_seconds(puzzles: list[str], strategy: str) -> list[float]:
    """Time each solve, from acceptance to result, one after the other."""
    times = []
    async with all_in_one(ModelSettings()) as target, dial(target) as channel:
        stub = OrchestratorServiceStub(channel)
        for puzzle in puzzles:
            request = wire.SolveRequest(
                problem=puzzle, strategy=strategy, event_detail=wire.EVENT_DETAIL_RESULT, fresh=True
            )
            times += [m.result.elapsed_seconds async for m in stub.Solve(request) if m.HasField("result")]
    return times


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("puzzles", type=Path, help="a CSV file with a column `puzzle`")
    parser.add_argument("--strategy", default="", help="the server's default if left out")
    parser.add_argument("--json", help="write the figures to this file")
    options = parser.parse_args()
    logs.configure(service="benchmark", pod="local", revision="local", level="error")
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    loads = load_seconds(11)
    solves = sorted(asyncio.run(solve_seconds(read_puzzles(options.puzzles), options.strategy)))
    figures = {
        "puzzles": len(solves),
        "weights load, median s": round(statistics.median(loads), 3),
        "solve, median s": round(statistics.median(solves), 3),
        "solve, 9 of 10 within s": round(solves[len(solves) * 9 // 10], 3),
        "solve, most s": round(solves[-1], 3),
    }
    print_table("One core, embedded model", figures)
    write_json(options.json, figures)


if __name__ == "__main__":
    main()
