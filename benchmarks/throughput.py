"""Thoughts a second through the four services as processes, and a client that streams every event.

The model is the scripted one, which costs next to nothing; each thought is proposed, evaluated and streamed. The
puzzles have no answer, so that every solve spends its whole budget.
"""

import argparse
import asyncio
import statistics
import time

from common import four_processes, print_table, unsolvable, write_json

from services.rpc.channel import dial
from services.rpc.convert import settings_to_struct
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.rpc.gen.kubeofthoughts.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub


def request(puzzle: str, tokens: int) -> wire.SolveRequest:
    """Ask for a search that leaves nothing aside, until its tokens are spent."""
    return wire.SolveRequest(
        problem=puzzle,
        settings=settings_to_struct({"beam_width": 64, "evaluation_threshold": 0}),
        budget=wire.Budget(nodes=10**6, model_calls=10**6, completion_tokens=tokens, wall_seconds=600),
        event_detail=wire.EVENT_DETAIL_ALL,
        request_batch_size=64,
    )


async def thoughts_of(stub: OrchestratorServiceStub, puzzle: str, tokens: int) -> int:
    """Solve and count the thoughts that were streamed as proposed and as judged."""
    proposed, judged = set(), set()
    async for message in stub.Solve(request(puzzle, tokens)):
        for event in message.thoughts.events:
            kind = event.WhichOneof("event")
            if kind == "proposed":
                proposed.add(event.thought_id)
            elif kind in ("evaluated", "validated"):
                judged.add(event.thought_id)
    assert proposed == judged
    return len(proposed)


async def measure(target: str, puzzles: list[str], tokens: int, parallel: int) -> tuple[int, float]:
    """Solve the puzzles, so many at a time; return thoughts and seconds."""
    gate = asyncio.Semaphore(parallel)

    async with dial(target) as channel:
        stub = OrchestratorServiceStub(channel)

        async def one(puzzle: str) -> int:
            async with gate:
                return await thoughts_of(stub, puzzle, tokens)

        await one(puzzles[0])
        begun = time.perf_counter()
        counts = await asyncio.gather(*map(one, puzzles))
        return sum(counts), time.perf_counter() - begun


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--puzzles", type=int, default=16, help="solves in one repeat")
    parser.add_argument("--tokens", type=int, default=60_000, help="completion tokens that one solve spends")
    parser.add_argument("--parallel", type=int, default=4, help="solves at a time")
    parser.add_argument("--json", help="write the figures to this file")
    options = parser.parse_args()
    rates, counts = [], []
    with four_processes(KOT_MODEL="scripted") as target:
        for repeat in range(options.repeats):
            puzzles = unsolvable(options.puzzles, first=repeat * options.puzzles)
            thoughts, seconds = asyncio.run(measure(target, puzzles, options.tokens, options.parallel))
            counts.append(thoughts)
            rates.append(thoughts / seconds)
    figures = {
        "repeats": options.repeats,
        "thoughts": sum(counts),
        "median thoughts a second": round(statistics.median(rates)),
        "least": round(min(rates)),
        "most": round(max(rates)),
    }
    print_table("Four processes and a client, scripted model", figures)
    write_json(options.json, figures)


if __name__ == "__main__":
    main()
