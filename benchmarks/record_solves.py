"""Records real solves, call by call, for the simulation of autoscaling: which stage was asked, when, and for how long.

The orchestrator runs in this process; generator, evaluator and validator are processes of their own, and the evaluator
asks the generator for its model, as on a cluster. One solve runs at a time, so that nothing waits for another. A call
is recorded with the news that came last before it: in the simulation, where calls may wait, it begins after that news.
"""

import argparse
import asyncio
import json
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import TypeVar

from cluster import CALLS, orchestrator, workers
from common import print_table, read_puzzles
from model_server import ModelServer, add_arguments, model_server

from services.adapters.stages import RemoteEvaluator, RemoteProposer, RemoteValidator
from services.core.ports import (
    EvaluateRequest,
    EvaluateUpdate,
    ProposeRequest,
    ProposeUpdate,
    ValidateRequest,
    ValidateUpdate,
)
from services.orchestrator.wiring import keep
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.settings import StateSettings
from services.telemetry import logs

OUT = Path(__file__).parent / "autoscaling" / "recorded.json"
BEGINNING = (-1, 0)
"""What comes before the first call of a solve."""

Update = TypeVar("Update", ProposeUpdate, EvaluateUpdate, ValidateUpdate)


class Tape:
    """The calls of the solve that runs."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Forget the last solve."""
        self.calls: list[dict[str, object]] = []
        self._news, self._heard = BEGINNING, time.perf_counter()

    async def record(
        self, stage: str, requests: int, answer: AsyncGenerator[Sequence[Update], None]
    ) -> AsyncGenerator[Sequence[Update], None]:
        """Note a call and its updates: when each came, and how many model calls it reports. Some calls are left."""
        begun = time.perf_counter()
        call: dict[str, object] = {"stage": stage, "requests": requests}
        call |= {"after": self._news, "gap": round(begun - self._heard, 4)}
        number, updates = len(self.calls), []
        call |= {"updates": updates, "left": True}
        self.calls.append(call)
        async with aclosing(answer) as ready:
            async for heard in ready:
                now = time.perf_counter()
                updates.extend((round(now - begun, 4), update.usage.model_calls) for update in heard)
                self._news, self._heard = (number, len(updates) - 1), now
                yield heard
        del call["left"]

    def end(self) -> dict[str, object]:
        """Return the calls, and which news ended the solve."""
        return {"ended": {"after": self._news, "gap": round(time.perf_counter() - self._heard, 4)}, "calls": self.calls}


class RecordedProposer(RemoteProposer):
    """The generator, recorded."""

    tape: Tape

    def propose(self, batch: Sequence[ProposeRequest]) -> AsyncGenerator[Sequence[ProposeUpdate], None]:
        """Record a batch."""
        return self.tape.record(self.name, len(batch), super().propose(batch))


class RecordedEvaluator(RemoteEvaluator):
    """The evaluator, recorded."""

    tape: Tape

    def evaluate(self, batch: Sequence[EvaluateRequest]) -> AsyncGenerator[Sequence[EvaluateUpdate], None]:
        """Record a batch."""
        return self.tape.record(self.name, sum(len(each.states) for each in batch), super().evaluate(batch))


class RecordedValidator(RemoteValidator):
    """The validator, recorded."""

    tape: Tape

    def validate(self, batch: Sequence[ValidateRequest]) -> AsyncGenerator[Sequence[ValidateUpdate], None]:
        """Record a batch."""
        return self.tape.record(self.name, len(batch), super().validate(batch))


async def record(targets: dict[str, str], puzzles: Sequence[str], server: ModelServer) -> list[dict[str, object]]:
    """Solve the puzzles one after the other; return what was recorded of each."""
    tape, solves = Tape(), []
    stages = (
        RecordedProposer(targets["generator"], **CALLS),
        RecordedEvaluator(targets["evaluator"], **CALLS),
        RecordedValidator(targets["validator"], **CALLS),
    )
    for stage in stages:
        stage.tape = tape
    async with AsyncExitStack() as resources:
        keeping = keep(resources, StateSettings(log="memory", tree="none"))
        client = await resources.enter_async_context(orchestrator(stages, keeping))
        await client.solve_to_end(wire.SolveRequest(problem=puzzles[0], fresh=True))  # connections and imports
        for puzzle in puzzles:
            await server.reset()
            tape.begin()
            begun = time.perf_counter()
            result = await client.solve_to_end(wire.SolveRequest(problem=puzzle, event_detail=1, fresh=True))
            solves.append(
                {
                    "puzzle": puzzle,
                    "status": wire.SolveStatus.Name(result.status).removeprefix("SOLVE_STATUS_"),
                    "seconds": round(time.perf_counter() - begun, 4),
                    "model_calls": result.usage.model_calls,
                    "prompt_tokens": result.usage.prompt_tokens,
                    "completion_tokens": result.usage.completion_tokens,
                }
                | tape.end()
            )
    return solves


def main() -> None:
    """Record and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("puzzles", type=Path, help="a CSV file with a column `puzzle`")
    parser.add_argument("--every", type=int, default=4, help="of the puzzles, which are in order of difficulty")
    parser.add_argument("--out", type=Path, default=OUT)
    add_arguments(parser)
    options = parser.parse_args()
    logs.configure(service="benchmark", pod="local", revision="local", level="error")
    puzzles = read_puzzles(options.puzzles)[:: options.every]
    with model_server(options.server, scale=options.scale) as server, workers(**server.environment()) as found:
        solves = asyncio.run(record({name: each.target for name, each in found.items()}, puzzles, server))
    lines = ",\n".join(json.dumps(solve, separators=(",", ":")) for solve in solves)
    options.out.write_text(f"[\n{lines}\n]\n")
    seconds = sorted(float(str(solve["seconds"])) for solve in solves)
    figures = {
        "solves": len(solves),
        "solved": sum(solve["status"] == "SOLVED" for solve in solves),
        "median seconds": seconds[len(seconds) // 2],
        "longest": seconds[-1],
    }
    print_table("Recorded", figures)


if __name__ == "__main__":
    main()
