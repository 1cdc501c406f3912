"""Countdown, the numbers round of the television game: any numbers, any target, and numbers may stay unused.

Each step replaces two numbers by one, as in the Game of 24. The step that makes the target ends the problem, however
many numbers are left over, and its answer is the expression that the steps add up to. Unlike on television, a number on
the way may be negative or a fraction.
"""

import re
from collections import Counter
from fractions import Fraction

from services.core.errors import InvalidInput
from services.core.task import IllegalThought, InvalidProblem, Method, Prompt, PromptStyle
from services.core.thought import Label, Proposal, State, Verdict
from services.tasks._arithmetic import MAX_DIGITS, MAX_EXPRESSION_LENGTH, read, show
from services.tasks._reduction import (
    MAX_LINE_LENGTH,
    Numbers,
    expression_of,
    judge_expression,
    numbers_left,
    read_step,
    show_all,
)
from services.tasks._replies import LABELS, read_label, read_solution, refuse_longer
from services.tasks.countdown import prompts

FEWEST_NUMBERS = 2
MOST_NUMBERS = 8
MAX_SOLUTION_LENGTH = 2000

_ARROW = re.compile(r"->|=>|→|=|:")


class Countdown:
    """Make the target of some of the numbers, each used at most once."""

    name = "countdown"
    version = "1"
    summary = "Countdown: make the target of two to eight whole numbers with + - * /, each used at most once."
    example = "25 50 75 100 3 6 -> 952"
    depth = MOST_NUMBERS - 1
    checked = True
    longest_thought = MAX_LINE_LENGTH

    def normalize(self, problem: str) -> str:
        """Return `NUMBERS -> TARGET`, the numbers in ascending order; `=>`, `=`, `:` and commas are read too."""
        parts = [part.replace(",", " ").split() for part in _ARROW.split(problem, maxsplit=2)]
        if len(parts) != 2 or len(parts[1]) != 1:
            raise InvalidProblem(f"numbers, an arrow and one target are wanted, such as {self.example!r}")
        words, (target,) = parts
        if not FEWEST_NUMBERS <= len(words) <= MOST_NUMBERS:
            raise InvalidProblem(f"{len(words)} numbers where {FEWEST_NUMBERS} to {MOST_NUMBERS} are wanted")
        numbers, goal = sorted(map(_whole_number, words)), _whole_number(target)
        if goal in numbers:
            raise InvalidProblem(f"the target {goal} is one of the numbers: nothing is left to do")
        return f"{' '.join(map(str, numbers))} -> {goal}"

    def propose_prompt(self, state: State, style: PromptStyle, method: Method = Method.STEP) -> Prompt:
        """Ask for steps, or for a whole solution."""
        numbers, goal = _read(state)
        if method is Method.DIRECT:
            return Prompt(prompts.direct(state.problem, style), stop=("\n",))
        if method is Method.CHAIN:
            return Prompt(prompts.chain(state.problem, state.steps, style), stop=("\n\n",))
        return Prompt(prompts.propose(_show(numbers, goal), style), stop=("\n\n",))

    def parse_thought(self, state: State, line: str, *, trust: bool) -> Proposal:
        """Read a step; the one that makes the target is the answer."""
        refuse_longer(line, MAX_LINE_LENGTH)
        numbers, goal = _read(state)
        step = read_step(line, numbers, trust=trust)
        if goal not in step.left:
            return Proposal(step.text, show_all(step.left))
        answer = _answer(state, step.text, goal)
        return Proposal(step.text, f"{state.problem}\n{answer}", answer=answer)

    def parse_solution(self, state: State, text: str) -> Proposal:
        """Read the answer at the end of a chain, or the answer alone."""
        answer = read_solution(text, answer_limit=MAX_LINE_LENGTH, limit=MAX_SOLUTION_LENGTH)
        return Proposal(text.strip(), f"{state.problem}\n{answer}", answer=answer)

    def value_prompt(self, state: State, style: PromptStyle) -> Prompt:
        """Ask whether some of the numbers left can reach the target."""
        text = prompts.value(_show(*_read(state)), style)
        if style is PromptStyle.BARE:
            return Prompt(text, labels=LABELS)
        return Prompt(text, stop=("\n\n",))

    def parse_value(self, text: str) -> Label | None:
        """Read the last label in the text."""
        return read_label(text)

    def value_by_rule(self, state: State) -> Label | None:
        """Tell if the target is there, or a single other number is all that is left."""
        numbers, goal = _read(state)
        if goal in numbers:
            return Label.SURE
        return None if len(numbers) > 1 else Label.IMPOSSIBLE

    def validate(self, problem: str, answer: str) -> tuple[Verdict, str]:
        """Check that the expression makes the target of the problem's numbers, each used at most once."""
        numbers, _, target = self.normalize(problem).partition(" -> ")
        given = [int(word) for word in numbers.split()]
        return judge_expression(answer, given, Fraction(target), lambda used: Counter(used) <= Counter(given))


def _whole_number(word: str) -> int:
    if not (word.isascii() and word.isdigit() and len(word) <= MAX_DIGITS):
        raise InvalidProblem(f"{word[:20]!r} is no whole number of at most {MAX_DIGITS} digits")
    return int(word)


def _read(state: State) -> tuple[Numbers, Fraction]:
    """Return the numbers that a state has left, and the target. `InvalidInput` if it does not say."""
    given, _, target = state.problem.partition(" -> ")
    try:
        return numbers_left(given, state), read(target)
    except ValueError as error:
        raise InvalidInput(f"the state has no target: {error}", field="state") from error


def _show(numbers: Numbers, goal: Fraction) -> str:
    return f"{show_all(numbers)} -> {show(goal)}"


def _answer(state: State, last: str, goal: Fraction) -> str:
    """Return the equation that the steps add up to; steps that were believed may add up to none."""
    try:
        expression = expression_of(state.problem.partition(" -> ")[0], (*state.steps, last))
    except ValueError as error:
        raise IllegalThought(f"the steps are no expression: {error}") from error
    if len(expression) > MAX_EXPRESSION_LENGTH:
        raise IllegalThought(f"the steps are an expression of more than {MAX_EXPRESSION_LENGTH} characters")
    return f"{expression} = {show(goal)}"
