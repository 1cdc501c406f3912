"""Puzzles without an answer: that none is found, and the tokens and seconds until the search gives up."""

import argparse
import asyncio
import statistics
from pathlib import Path

from common import print_table, read_puzzles, write_json

from services.cli.all_in_one import all_in_one
from services.rpc.channel import dial
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.rpc.gen.kubeofthoughts.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub
from services.settings import ModelSettings
from services.telemetry import logs


async def solve_all(puzzles: list[str], strategy: str) -> list[wire.SolveResult]:
    """Solve each puzzle with the embedded model and the default budgets, one after the other."""
    results = []
    async with all_in_one(ModelSettings()) as target, dial(target) as channel:
        stub = OrchestratorServiceStub(channel)
        for puzzle in puzzles:
            request = wire.SolveRequest(
                problem=puzzle, strategy=strategy, event_detail=wire.EVENT_DETAIL_RESULT, fresh=True
            )
            results += [message.result async for message in stub.Solve(request) if message.HasField("result")]
    return results


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("puzzles", type=Path, help="a CSV file with a column `puzzle`, none of which has an answer")
    parser.add_argument("--limit", type=int, help="take so many puzzles only")
    parser.add_argument("--strategy", default="bfs")
    parser.add_argument("--json", help="write the figures to this file")
    options = parser.parse_args()
    logs.configure(service="benchmark", pod="local", revision="local", level="error")
    results = asyncio.run(solve_all(read_puzzles(options.puzzles, options.limit), options.strategy))
    tokens = [result.usage.completion_tokens for result in results]
    seconds = [result.elapsed_seconds for result in results]
    figures = {
        "puzzles": len(results),
        "false answers": sum(bool(result.answer) for result in results),
        "completion tokens until it gives up, median": statistics.median(tokens),
        "completion tokens, most": max(tokens),
        "seconds until it gives up, median": statistics.median(seconds),
        "seconds, most": max(seconds),
        "how it ended": ", ".join(sorted({wire.SolveStatus.Name(result.status) for result in results})),
    }
    print_table(f"Puzzles without an answer, {options.strategy}: not found within the budget", figures)
    write_json(options.json, figures)


if __name__ == "__main__":
    main()
