"""Thoughts a second through the four services as processes, and a client that streams every event.

The model is the scripted one, which costs next to nothing; each thought is proposed, evaluated and streamed. The
puzzles have no answer; each solve is left after so many thoughts. Processor time is given beside, because it says the
same on a busy machine.
"""

import argparse
import asyncio
import statistics
import time

from common import four_processes, print_table, processor_seconds, unsolvable, write_json

from services.rpc.channel import dial
from services.rpc.convert import settings_to_struct
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.rpc.gen.kubeofthoughts.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub

SETTINGS = {
    "depth": 3,
    "beam_width": 1000,
    "evaluation_threshold": 0,
    "answer_samples": 6,
    "answer_attempts": 1,
    "rollouts": 0,
}
"""Nothing is left aside, and the search stops short of the answers: every thought is one that is judged."""


def request(puzzle: str) -> wire.SolveRequest:
    """Ask for a search that leaves nothing aside and spends as much as it likes."""
    return wire.SolveRequest(
        problem=puzzle,
        settings=settings_to_struct(SETTINGS),
        budget=wire.Budget(nodes=10**6, model_calls=10**6, completion_tokens=10**6, wall_seconds=600),
        event_detail=wire.EVENT_DETAIL_ALL,
        fresh=True,
        request_batch_size=64,
        strategy="bfs",
        concurrency=wire.CONCURRENCY_MODEL_LEVEL,
    )


async def thoughts_of(stub: OrchestratorServiceStub, puzzle: str, wanted: int) -> int:
    """Solve until so many thoughts were streamed as proposed and as judged; return how many were."""
    proposed, judged = set(), set()
    call = stub.Solve(request(puzzle))
    async for message in call:
        for event in message.thoughts.events:
            kind = event.WhichOneof("event")
            if kind == "proposed":
                proposed.add(event.thought_id)
            elif kind == "evaluated":
                judged.add(event.thought_id)
        if len(judged) >= wanted:
            break
    call.cancel()
    assert proposed == judged
    return len(judged)


async def measure(target: str, puzzles: list[str], wanted: int, parallel: int) -> tuple[int, float]:
    """Solve the puzzles, so many at a time; return thoughts and seconds."""
    gate = asyncio.Semaphore(parallel)

    async with dial(target) as channel:
        stub = OrchestratorServiceStub(channel)

        async def one(puzzle: str) -> int:
            async with gate:
                return await thoughts_of(stub, puzzle, wanted)

        await one(puzzles[0])
        begun = time.perf_counter()
        counts = await asyncio.gather(*map(one, puzzles))
        return sum(counts), time.perf_counter() - begun


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--puzzles", type=int, default=16, help="solves in one repeat")
    parser.add_argument("--thoughts", type=int, default=1000, help="thoughts after which one solve is left")
    parser.add_argument("--parallel", type=int, default=4, help="solves at a time")
    parser.add_argument("--json", help="write the figures to this file")
    options = parser.parse_args()
    rates, counts, costs = [], [], []
    with four_processes(KOT_MODEL="scripted") as services:
        for repeat in range(options.repeats):
            puzzles = unsolvable(options.puzzles, first=repeat * options.puzzles)
            before = processor_seconds(services)
            thoughts, seconds = asyncio.run(measure(services[0].target, puzzles, options.thoughts, options.parallel))
            costs.append((processor_seconds(services) - before) / thoughts * 1e6)
            counts.append(thoughts)
            rates.append(thoughts / seconds)
    figures = {
        "repeats": options.repeats,
        "thoughts": sum(counts),
        "median thoughts a second": round(statistics.median(rates)),
        "least": round(min(rates)),
        "most": round(max(rates)),
        "median processor microseconds a thought": round(statistics.median(costs)),
    }
    print_table("Four processes and a client, scripted model", figures)
    write_json(options.json, figures)


if __name__ == "__main__":
    main()
