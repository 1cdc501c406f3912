"""Records real solves, call by call, for the simulation of autoscaling: which stage was asked, when, and for how long.

The orchestrator runs in this process; generator, evaluator and validator are processes of their own, and the evaluator
asks the generator for its model, as on a cluster. One solve runs at a time, so that nothing waits for another. A call
is recorded with the news that came last before it: in the simulation, where calls may wait, it begins after that news.
"""

import argparse
import asyncio
import json
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, aclosing, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TypeVar

from common import print_table, read_puzzles, service, wait_until_serving
from model_server import ModelServer, add_arguments, model_server

from services.adapters.stages import CallSettings, RemoteEvaluator, RemoteProposer, RemoteValidator
from services.cli.all_in_one import private_address
from services.cli.client import Client
from services.core.ports import (
    EvaluateRequest,
    EvaluateUpdate,
    ProposeRequest,
    ProposeUpdate,
    ValidateRequest,
    ValidateUpdate,
)
from services.orchestrator.servicer import OrchestratorServicer
from services.orchestrator.wiring import keep
from services.rpc.channel import dial
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.rpc.gen.kubeofthoughts.v1.orchestrator_service_pb2_grpc import add_OrchestratorServiceServicer_to_server
from services.rpc.server import Mount, serving
from services.settings import OrchestratorSettings, StateSettings
from services.telemetry import logs

OUT = Path(__file__).parent / "autoscaling" / "recorded.json"
CALLS = CallSettings(timeout=55, attempts=3, calls=256, absence=20)
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


@contextmanager
def workers(**environment: str) -> Iterator[dict[str, str]]:
    """Run generator, evaluator and validator as processes; gives their targets."""
    with ExitStack() as stack:
        generator = stack.enter_context(service("generator", **environment))
        remote = environment | {"KOT_MODEL": "remote", "KOT_MODEL_TARGET": generator.target}
        judges = {name: stack.enter_context(service(name, **remote)) for name in ("evaluator", "validator")}
        for each in (generator, *judges.values()):
            wait_until_serving(each)
        yield {"generator": generator.target} | {name: each.target for name, each in judges.items()}


@asynccontextmanager
async def recorded_orchestrator(targets: dict[str, str], tape: Tape) -> AsyncGenerator[Client, None]:
    """Serve an orchestrator whose calls are recorded; gives a client of it."""
    async with AsyncExitStack() as resources:
        stages = (
            RecordedProposer(targets["generator"], **CALLS),
            RecordedEvaluator(targets["evaluator"], **CALLS),
            RecordedValidator(targets["validator"], **CALLS),
        )
        for stage in stages:
            stage.tape = tape
            resources.push_async_callback(stage.close)
        state = StateSettings(log="memory", tree="none")
        settings = OrchestratorSettings(prompt_style="few_shot")
        servicer = OrchestratorServicer(*stages, settings, keep(resources, state), cold_start_timeout=20)
        resources.push_async_callback(servicer.close)
        mount = Mount("kubeofthoughts.v1.OrchestratorService", add_OrchestratorServiceServicer_to_server, servicer)
        address = private_address(resources)
        await resources.enter_async_context(serving([mount], address, drain_seconds=1))
        channel = await resources.enter_async_context(dial(address))
        yield Client(channel, "the recorded orchestrator")


async def record(targets: dict[str, str], puzzles: Sequence[str], server: ModelServer) -> list[dict[str, object]]:
    """Solve the puzzles one after the other; return what was recorded of each."""
    tape, solves = Tape(), []
    async with recorded_orchestrator(targets, tape) as client:
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
    with model_server(options.server, scale=options.scale) as server, workers(**server.environment()) as targets:
        solves = asyncio.run(record(targets, puzzles, server))
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
