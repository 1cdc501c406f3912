"""Mini crosswords against their solutions: letters, words and games that are right, as in the Tree of Thoughts paper.

The file is JSON: a list of puzzles, each a list of ten clues (across, then down) and a list of 25 letters. The model is
what the environment says (`KOT_MODEL` and its settings). Where no answer was accepted, the deepest thought is counted.
Solutions are for counting alone: the search never sees them. The paper's GPT-4 had 78, 60 and 20 %.
"""

import argparse
import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from common import Figures, print_table, write_json

from services.cli.client import connect
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.rpc.gen.kubeofthoughts.v1 import thought_pb2
from services.tasks.crosswords import TASK
from services.tasks.crosswords.puzzle import BLANK, PLACES, show_clues, word_at, write
from services.telemetry import logs

PAPER = range(0, 100, 5)
"""The puzzles that the paper reports on."""
SEARCHES = ("dfs", "bfs", "best_first", "a_star", "mcts")
"""Each step of these is a word, so that what they have found can be counted without an answer too."""


@dataclass(frozen=True)
class Puzzle:
    """A problem as the task reads it, and its board."""

    problem: str
    truth: str


def read_crosswords(path: Path, indices: Iterable[int]) -> list[Puzzle]:
    """Return the puzzles at these places of the file."""
    puzzles = json.loads(path.read_text())
    return [
        Puzzle(TASK.normalize(show_clues(dict(zip(PLACES, clues, strict=True)))), "".join(letters).upper())
        for clues, letters in (puzzles[index] for index in indices)
    ]


def board_of(result: wire.SolveResult) -> str:
    """Return what the answer, or the best line of thought, has filled in."""
    if result.answer:
        return result.answer.replace(" ", "")
    board = BLANK
    for step in result.steps:
        board = write(board, *step.split(". "))
    return board


def score(boards: Sequence[str], puzzles: Sequence[Puzzle]) -> Figures:
    """Return the shares of letters, words and games that are right."""
    letters = words = games = 0
    for board, puzzle in zip(boards, puzzles, strict=True):
        letters += sum(found == right for found, right in zip(board, puzzle.truth, strict=True))
        words += sum(word_at(board, name) == word_at(puzzle.truth, name) for name in PLACES)
        games += board == puzzle.truth
    shares = {"letters": letters / len(BLANK), "words": words / len(PLACES), "games": games}
    return {f"{name} right, %": 100 * share / len(puzzles) for name, share in shares.items()}


async def solve_all(puzzles: Sequence[Puzzle], template: wire.SolveRequest) -> AsyncIterator[wire.SolveResult]:
    """Solve one puzzle after the other."""
    async with connect(None) as client:
        for puzzle in puzzles:
            request = wire.SolveRequest(problem=puzzle.problem)
            request.MergeFrom(template)
            yield await client.solve_to_end(request)


async def measure(puzzles: Sequence[Puzzle], template: wire.SolveRequest) -> Figures:
    """Return what is right, and what it cost."""
    results = [result async for result in solve_all(puzzles, template)]
    return {
        "puzzles": len(puzzles),
        **score([board_of(result) for result in results], puzzles),
        "answers that the model's own check accepted": sum(bool(result.answer) for result in results),
        "model calls a puzzle": sum(result.usage.model_calls for result in results) / len(results),
        "completion tokens a puzzle": sum(result.usage.completion_tokens for result in results) / len(results),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("puzzles", type=Path, help="a JSON file")
    parser.add_argument("--index", type=int, nargs="+", default=PAPER, help="which puzzles (default: the paper's)")
    parser.add_argument("--strategy", choices=SEARCHES, default=SEARCHES[0])
    parser.add_argument("--tokens", type=int, default=20_000, help="completion tokens a puzzle")
    parser.add_argument("--json", help="write the figures to this file")
    options = parser.parse_args()
    logs.configure(service="benchmark", pod="local", revision="local", level="error")
    template = wire.SolveRequest(
        fresh=True,
        task=TASK.name,
        strategy=options.strategy,
        prompt_style=thought_pb2.PROMPT_STYLE_FEW_SHOT,
        budget={"completion_tokens": options.tokens},
        event_detail=wire.EVENT_DETAIL_RESULT,
    )
    figures = asyncio.run(measure(read_crosswords(options.puzzles, options.index), template))
    print_table(f"Mini crosswords, {options.strategy}", figures)
    write_json(options.json, figures)


if __name__ == "__main__":
    main()
