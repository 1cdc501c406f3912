"""Whether one process and four give the same, in the deterministic concurrency model `level`.

With the scripted model every event of every solve is compared. With the embedded model, whose numbers depend on what is
decoded together, the share of puzzles with the same answer is printed.
"""

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path

from common import four_processes, print_table, read_puzzles, write_json

from services.cli.all_in_one import all_in_one
from services.core.tree import Event
from services.rpc.channel import dial
from services.rpc.convert import event_from_proto
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.rpc.gen.kubeofthoughts.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub
from services.settings import ModelSettings
from services.telemetry import logs

Solve = tuple[str, list[Event | None]]
"""An answer, and the events that led to it; which pods they come from makes no difference."""


async def solve_all(target: str, puzzles: Sequence[str]) -> list[Solve]:
    """Solve each puzzle, one after the other."""
    solves = []
    async with dial(target) as channel:
        for puzzle in puzzles:
            request = wire.SolveRequest(
                problem=puzzle,
                event_detail=wire.EVENT_DETAIL_ALL,
                concurrency=wire.CONCURRENCY_MODEL_LEVEL,
                fresh=True,
            )
            events: list[Event | None] = []
            answer = ""
            async for message in OrchestratorServiceStub(channel).Solve(request):
                events += map(event_from_proto, message.thoughts.events)
                answer = message.result.answer
            solves.append((answer, events))
    return solves


async def in_one_process(model: str, puzzles: Sequence[str]) -> list[Solve]:
    """Solve all in this process."""
    async with all_in_one(ModelSettings(model=model)) as target:
        return await solve_all(target, puzzles)


def compare(model: str, puzzles: Sequence[str]) -> tuple[int, int]:
    """Return how many puzzles have the same answer, and how many the same events."""
    here = asyncio.run(in_one_process(model, puzzles))
    with four_processes(KOT_MODEL=model) as services:
        there = asyncio.run(solve_all(services[0].target, puzzles))
    pairs = list(zip(here, there, strict=True))
    return sum(one[0] == other[0] for one, other in pairs), sum(one[1] == other[1] for one, other in pairs)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("puzzles", type=Path, help="a CSV file with a column `puzzle`")
    parser.add_argument("--limit", type=int, help="take so many puzzles only")
    parser.add_argument("--json", help="write the figures to this file")
    options = parser.parse_args()
    logs.configure(service="benchmark", pod="local", revision="local", level="error")
    puzzles = read_puzzles(options.puzzles, options.limit)
    scripted, embedded = compare("scripted", puzzles), compare("embedded", puzzles)
    figures = {
        "puzzles": len(puzzles),
        "scripted model, share with the same events": scripted[1] / len(puzzles),
        "embedded model, share with the same answer": embedded[0] / len(puzzles),
    }
    print_table("One process and four", figures)
    write_json(options.json, figures)


if __name__ == "__main__":
    main()
