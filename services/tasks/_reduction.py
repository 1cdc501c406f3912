"""Steps that replace two numbers by one, and expressions that stand for all of them.

A step's line is `a op b = c (left: ...)`, as in the Tree of Thoughts paper (Yao et al. 2023, arXiv 2305.10601,
section 4.1). The numbers left are a state of their own: nothing else has to be read to go on.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from services.core.errors import InvalidInput
from services.core.task import IllegalThought, MalformedThought
from services.core.thought import State, Verdict
from services.tasks._arithmetic import NUMBER, OPERATORS, ExpressionError, evaluate, read, show, shows
from services.tasks._replies import refuse_longer

MAX_LINE_LENGTH = 200

Numbers = tuple[Fraction, ...]
"""In ascending order."""

_STEP = re.compile(
    rf"\s*({NUMBER})\s*([-+*/])\s*({NUMBER})\s*=\s*({NUMBER})\s*\(left:\s*({NUMBER}(?:\s+{NUMBER})*)\s*\)"
)
_LEFT = re.compile(r"\(left: ([^)]*)\)$")


@dataclass(frozen=True, slots=True)
class Step:
    """A step: its line in normal form, and the numbers that it leaves."""

    text: str
    left: Numbers


def read_step(line: str, numbers: Numbers, *, trust: bool) -> Step:
    """Read a step from `numbers`; with `trust`, what it says is left is believed.

    Raises `MalformedThought` or `IllegalThought`.
    """
    match = _STEP.match(line)
    if match is None:
        raise MalformedThought("not of the form a op b = c (left: ...)")
    try:
        left = _trusted(match) if trust else _checked(match, numbers)
    except ValueError as error:
        raise IllegalThought(str(error)) from error
    if not all(re.fullmatch(NUMBER, show(number)) for number in left):
        raise IllegalThought("leaves a number of too many digits")
    a, operator, b, result, _ = match.groups()
    text = f"{a} {operator} {b} = {result} (left: {show_all(left)})"
    # A decimal may be short for a long fraction.
    refuse_longer(text, MAX_LINE_LENGTH)
    return Step(text, left)


def numbers_left(given: str, state: State) -> Numbers:
    """Return the numbers that a state has left, where `given` are the problem's. `InvalidInput` if it has none."""
    left = _LEFT.search(state.steps[-1]) if state.steps else None
    if state.steps and left is None:
        raise InvalidInput("the last step does not say which numbers are left", field="state.steps")
    try:
        numbers = tuple(sorted(map(read, (left[1] if left else given).split())))
    except ValueError as error:
        raise InvalidInput(f"the state has no numbers: {error}", field="state") from error
    if not numbers:
        raise InvalidInput("the state has no numbers", field="state")
    return numbers


def show_all(numbers: Numbers) -> str:
    """Write the numbers, separated by spaces."""
    return " ".join(map(show, numbers))


def judge_expression(
    answer: str, given: Sequence[int], goal: Fraction, may_use: Callable[[Sequence[int]], bool]
) -> tuple[Verdict, str]:
    """Check that `EXPRESSION` or `EXPRESSION = goal` makes the goal of numbers that it may use."""
    expression, equals, result = answer.partition("=")
    try:
        value, used = evaluate(expression)
    except ExpressionError as error:
        return Verdict.IMPOSSIBLE, f"no expression: {error}"
    if equals and result.strip() != show(goal):
        return Verdict.IMPOSSIBLE, f"claims to make {result.strip()[:20]!r}"
    numbers = " ".join(map(str, given))
    if not may_use(used):
        return Verdict.IMPOSSIBLE, f"uses {' '.join(map(str, sorted(used)))}, not {numbers}"
    if value != goal:
        return Verdict.IMPOSSIBLE, f"makes {show(value)}, not {show(goal)}"
    return Verdict.CERTAIN, f"makes {show(goal)} of {numbers}"


def expression_of(given: str, steps: Sequence[str]) -> str:
    """Write steps as one expression of the given numbers: each number that was made, as it was made.

    The steps need not be right: a number that is neither given nor made stands as it is. `ValueError` if a step cannot
    be read.
    """
    made = [(read(word), word) for word in given.split()]
    expression = ""
    for step in steps:
        match = _STEP.match(step)
        if match is None:
            raise ValueError(f"{step[:20]!r} is no step")
        a, operator, b, result, _ = match.groups()
        (left, left_text), (right, right_text) = _take(made, a), _take(made, b)
        expression = f"{left_text} {operator} {right_text}"
        exact = OPERATORS[operator](left, right) if right or operator != "/" else None
        value = exact if exact is not None and shows(result, exact) else read(result)
        made.append((value, f"({expression})"))
    return expression


def _take(made: list[tuple[Fraction, str]], operand: str) -> tuple[Fraction, str]:
    """Remove what an operand stands for: the same number that `_checked` takes."""
    fitting = [item for item in made if shows(operand, item[0])]
    if not fitting:
        return read(operand), operand
    taken = min(fitting)
    made.remove(taken)
    return taken


def _trusted(step: re.Match[str]) -> Numbers:
    return tuple(sorted(map(read, step[5].split())))


def _checked(step: re.Match[str], numbers: Numbers) -> Numbers:
    """Return the numbers that a step truly leaves; `ValueError` says what is wrong with it."""
    a, operator, b, result, claimed = step.groups()
    rest = list(numbers)
    used = []
    for operand in (a, b):
        fitting = [number for number in rest if shows(operand, number)]
        if not fitting:
            raise ValueError(f"{operand} is not among the numbers left")
        rest.remove(fitting[0])
        used.append(fitting[0])
    if operator == "/" and used[1] == 0:
        raise ValueError("divides by zero")
    value = OPERATORS[operator](*used)
    if not shows(result, value):
        raise ValueError(f"{a} {operator} {b} is {show(value)}, not {result}")
    left = tuple(sorted((*rest, value)))
    claims = sorted(claimed.split(), key=read)
    if len(claims) != len(left) or not all(shows(text, number) for text, number in zip(claims, left, strict=True)):
        raise ValueError(f"leaves {show_all(left)}, not {claimed}")
    return left
