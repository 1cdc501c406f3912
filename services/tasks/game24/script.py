"""A scripted player of the Game of 24, for tests and benchmarks: it answers the task's prompts without any model.

It is seeded, legal most of the time, judges well but not perfectly, and knows its own mistakes as little as a model
does. It may look ahead by enumeration, which nothing of the product does: it stands for the model, not for the search.
"""

import random
import re
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate, combinations
from zlib import crc32

from services.core.task import PromptStyle
from services.core.thought import Label
from services.tasks._arithmetic import NUMBER, OPERATORS, read, show
from services.tasks.game24.task import GOAL

SLIP = 0.1
"""Chance that a proposed line, a label or an answer is wrong."""
LINES = 8
"""Lines that a few-shot proposal lists."""

_STEP = re.compile(rf"({NUMBER}) ([-+*/]) ({NUMBER}) = ({NUMBER}) \(left")

Numbers = tuple[Fraction, ...]


def answer(prompt: str, seed: int) -> str:
    """Continue a prompt of `services.tasks.game24.prompts`; the same prompt and seed give the same text."""
    chance = random.Random(crc32(prompt.encode(), seed))
    body = prompt.rpartition("Input: ")[2]
    style = PromptStyle.BARE if prompt.startswith("Input: ") and prompt.count("Input: ") == 1 else PromptStyle.FEW_SHOT
    if prompt.endswith(("Next:\n", "Possible next steps:\n")):
        return _propose(_read(body), style, chance)
    if prompt.endswith("Answer:"):
        steps = _walk(_read(body), style, chance)
        return _write_answer(steps, chance).removeprefix("Answer:")
    if body.endswith("Steps:\n"):
        steps = _walk(_read(body), style, chance)
        return f"{steps}{_write_answer(steps, chance)}"
    if "Steps:\n" in body:
        left = _read(body.rpartition("(left: ")[2].partition(")")[0])
        steps = _walk(left, style, chance)
        return f"{steps}{_write_answer(body + steps, chance)}"
    if prompt.endswith("Value:") or "can reach 24" in prompt:
        return _judge(_read(body if style is PromptStyle.BARE else prompt.rstrip().rpartition("\n")[2]), style, chance)
    return ""


@lru_cache(maxsize=50_000)
def _read(text: str) -> Numbers:
    return tuple(sorted(map(read, text.partition("\n")[0].split())))


@lru_cache(maxsize=50_000)
def moves(numbers: Numbers) -> tuple[tuple[str, Numbers], ...]:
    """Return every legal step: its line, and the numbers that it leaves."""
    steps: dict[str, Numbers] = {}
    for i, j in combinations(range(len(numbers)), 2):
        rest = [number for k, number in enumerate(numbers) if k not in (i, j)]
        for a, b in ((numbers[i], numbers[j]), (numbers[j], numbers[i])):
            for sign, apply in OPERATORS.items():
                if (sign in "+*" and a > b) or (sign == "/" and b == 0) or (sign == "-" and a < b):
                    continue
                left = tuple(sorted([*rest, apply(a, b)]))
                steps[f"{show(a)} {sign} {show(b)} = {show(apply(a, b))} (left: {' '.join(map(show, left))})"] = left
    return tuple(steps.items())


@lru_cache(maxsize=50_000)
def wins(numbers: Numbers) -> int:
    """Count the steps that keep 24 in reach; for one number, 1 if it is 24."""
    if len(numbers) == 1:
        return int(numbers[0] == GOAL)
    return sum(wins(left) > 0 for _, left in moves(numbers))


def _propose(numbers: Numbers, style: PromptStyle, chance: random.Random) -> str:
    options, weights = _weighted_lines(numbers)
    if not options:
        return "nothing can be done"
    lines = chance.choices(options, cum_weights=weights, k=1 if style is PromptStyle.BARE else LINES)
    return "\n".join(_spoil(line) if chance.random() < SLIP else line for line in lines)


@lru_cache(maxsize=50_000)
def _weighted_lines(numbers: Numbers) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Return every legal line, and the weights up to each: what keeps 24 in reach is said twice as often."""
    options = moves(numbers)
    weights = accumulate(2.0 if wins(left) else 1.0 for _, left in options)
    return tuple(line for line, _ in options), tuple(weights)


def _walk(numbers: Numbers, style: PromptStyle, chance: random.Random) -> str:
    """Go the whole way by steps as good as any that it proposes."""
    steps = ""
    while len(numbers) > 1:
        line = _propose(numbers, style, chance).partition("\n")[0]
        steps += f"{line}\n"
        numbers = _read(line.partition("(left: ")[2].rstrip(")"))
    return steps


def _spoil(line: str) -> str:
    return line.replace("= ", "= 9", 1)


def _judge(numbers: Numbers, style: PromptStyle, chance: random.Random) -> str:
    truth = (Label.IMPOSSIBLE, Label.LIKELY, Label.SURE)[min(wins(numbers), 2)]
    label = chance.choice(list(Label)) if chance.random() < SLIP else truth
    return f" {label}" if style is PromptStyle.BARE else f"let me see\n{label}"


def _write_answer(body: str, chance: random.Random) -> str:
    """Substitute each step's result by its operation, the last step first."""
    made: list[tuple[str, str]] = []
    for a, sign, b, result in _STEP.findall(body):
        made.append((result, f"({_take(made, a)} {sign} {_take(made, b)})"))
    expression = made[-1][1][1:-1] if made else "24"
    return f"Answer: {_spoil('= ' + expression)[2:] if chance.random() < SLIP else expression} = 24"


def _take(made: list[tuple[str, str]], number: str) -> str:
    for index, (result, expression) in enumerate(made):
        if result == number:
            del made[index]
            return expression
    return number
