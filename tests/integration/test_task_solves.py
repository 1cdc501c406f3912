"""Every task but the Game of 24, end to end: a small scripted player, two strategies, both styles, a right answer."""

import random
from fractions import Fraction
from itertools import permutations

import pytest
from fleet import fleet, solve

from services.adapters.llm.scripted import ScriptedModel
from services.core.thought import Verdict
from services.plugins import find_task
from services.tasks._arithmetic import OPERATORS

STRATEGIES = ("bfs", "dfs")
STYLES = ("BARE", "FEW_SHOT")
LINES = 8


def _say(prompt, options, chance):
    """Some of the lines: one in the bare style, several in the few-shot style, now and then one that is none."""
    return "\n".join(chance.choices([*options, "I do not know"], k=LINES if "possible" in prompt.lower() else 1))


def play_countdown(prompt, seed):
    """Any step, good or bad."""
    if "(sure/likely/impossible)" in prompt or prompt.endswith("Value:"):
        return " likely"
    numbers = prompt.rpartition("Input: ")[2].partition(" -> ")[0].split()
    lines = []
    for i, j in permutations(range(len(numbers)), 2):
        a, b = Fraction(numbers[i]), Fraction(numbers[j])
        left = [number for k, number in enumerate(numbers) if k not in (i, j)]
        lines += [
            f"{a} {sign} {b} = {made} (left: {' '.join([*left, str(made)])})"
            for sign, made in ((sign, apply(a, b)) for sign, apply in OPERATORS.items() if b or sign != "/")
        ]
    return _say(prompt, lines, random.Random(f"{seed} {prompt}"))


def play_sudoku(prompt, seed):
    """A digit that fits in the row, mostly of the emptiest cells; the rest is up to the rules."""
    if "(sure/likely/impossible)" in prompt or prompt.endswith("Value:"):
        return " likely"
    rows = [line.split() for line in prompt.rpartition("Board:\n")[2].splitlines()[:-1]]
    lines = [
        f"r{r}c{c} = {digit}"
        for r, row in enumerate(rows, 1)
        for c, cell in enumerate(row, 1)
        for digit in map(str, range(1, len(rows) + 1))
        if cell == "." and digit not in row and digit not in (other[c - 1] for other in rows)
    ]
    return _say(prompt, lines, random.Random(f"{seed} {prompt}"))


GAMES = {
    "countdown": (play_countdown, ("25 2 7 3 -> 53", "1 3 7 9 -> 30")),
    "sudoku": (play_sudoku, ("..1. 3... 4... ..2.", "1234 341. 2143 43..")),
}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("name", GAMES)
async def test_a_search_finds_a_right_answer(name, strategy, style):
    play, problems = GAMES[name]
    task = find_task(name)
    async with fleet(ScriptedModel(play)) as target:
        for problem in problems:
            run = await solve(target, problem, task=name, strategy=strategy, prompt_style=f"PROMPT_STYLE_{style}",
                              budget={"completion_tokens": 200_000})  # fmt: skip
            assert run.status == "SOLVED", run.result
            assert task.validate(run.accepted.problem, run.result.answer)[0] is Verdict.CERTAIN
            assert len(run.result.steps) <= task.depth


@pytest.mark.parametrize("name", GAMES)
async def test_a_problem_that_cannot_be_read_is_refused(name):
    async with fleet() as target:
        with pytest.raises(Exception, match="INVALID_ARGUMENT"):
            await solve(target, "no problem of this task", task=name)
