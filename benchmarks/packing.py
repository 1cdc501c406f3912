"""What packing saves: requests and tokens of solves with few-shot prompts, by how many requests a prompt is packed of.

The model is the scripted player of the Game of 24, which keeps to the form of packed prompts, except for the share of
answers that it is told to forget; a token is a word, and an answer takes a tenth of a second.
"""

import argparse
import asyncio
import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path

from common import print_table, read_puzzles, write_json

from services.adapters.llm import scripted
from services.cli.client import connect
from services.core.ports import CompletionDone, CompletionEvent, CompletionRequest, SampleDone
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.tasks.game24.script import answer
from services.telemetry import logs
from services.testing.faulty_model import FaultyModel
from services.testing.packed_script import obey

SECONDS = 0.1
SIZES = (1, 2, 4, 8, 16)


class Counted:
    """A `LanguageModel` that counts what it is asked and what that costs."""

    name = "counted"
    revision = "1"

    def __init__(self, model: FaultyModel) -> None:
        self.requests = 0
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self._model = model

    async def complete(self, request: CompletionRequest) -> AsyncGenerator[CompletionEvent, None]:
        """Draw the samples."""
        self.requests += 1
        async with aclosing(self._model.complete(request)) as events:
            async for event in events:
                match event:
                    case SampleDone(_, tokens):
                        self.completion_tokens += tokens
                    case CompletionDone(tokens):
                        self.prompt_tokens += tokens
                yield event

    async def close(self) -> None:
        """Hold nothing."""


async def measure(puzzles: Sequence[str], size: int, forget: frozenset[str]) -> dict[str, float]:
    """Solve the puzzles one after the other and return the means of a solve."""
    model = Counted(FaultyModel(script=partial(obey, tell=answer, forget=forget), delay=SECONDS))
    scripted.create = lambda _settings: model  # type: ignore[assignment, return-value]
    os.environ |= {"KOT_MODEL": "scripted", "KOT_PROMPT_STYLE": "few_shot", "KOT_PACK_REQUESTS": str(size)}
    async with connect(None) as client:
        results = [await client.solve_to_end(wire.SolveRequest(problem=puzzle, fresh=True)) for puzzle in puzzles]
    return {
        "solved": sum(result.status == wire.SOLVE_STATUS_SOLVED for result in results),
        "calls": round(sum(result.usage.model_calls for result in results) / len(puzzles), 1),
        "requests": round(model.requests / len(puzzles), 1),
        "prompt tokens": round(model.prompt_tokens / len(puzzles)),
        "completion tokens": round(model.completion_tokens / len(puzzles)),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("puzzles", type=Path, help="a CSV file with a column `puzzle`")
    parser.add_argument("--count", type=int, default=20, help="how many of them")
    parser.add_argument("--json", help="write the figures here")
    arguments = parser.parse_args()
    logs.configure(service="benchmark", pod="", revision="", level="error")
    puzzles = read_puzzles(arguments.puzzles)[: arguments.count]
    figures: dict[str, dict[str, float]] = {}
    for size in SIZES:
        figures[f"{size} in a prompt"] = asyncio.run(measure(puzzles, size, frozenset()))
        if size > 1:
            figures[f"{size}, the second forgotten"] = asyncio.run(measure(puzzles, size, frozenset({"2"})))
    rows = {name: ", ".join(f"{value} {what}" for what, value in each.items()) for name, each in figures.items()}
    print_table("Means of a solve", rows)
    write_json(arguments.json, figures)


if __name__ == "__main__":
    main()
