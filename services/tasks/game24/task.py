"""The Game of 24 as a task: states are the numbers left, thoughts are steps, answers are expressions.

Three steps each replace two numbers by one; the fourth writes the whole as one expression. A step's line is
`a op b = c (left: ...)`, as in the Tree of Thoughts paper (Yao et al. 2023, arXiv 2305.10601, section 4.1).
"""

import re
from fractions import Fraction

from services.core.errors import InvalidInput
from services.core.task import IllegalThought, InvalidProblem, MalformedThought, Method, Prompt, PromptStyle
from services.core.thought import Label, Proposal, State, Verdict
from services.tasks.game24 import prompts
from services.tasks.game24.arithmetic import NUMBER, OPERATORS, ExpressionError, evaluate, read, show, shows

GOAL = Fraction(24)
NUMBERS = 4
LARGEST_NUMBER = 199
MAX_LINE_LENGTH = 200
MAX_SOLUTION_LENGTH = 1000

_STEP = re.compile(
    rf"\s*({NUMBER})\s*([-+*/])\s*({NUMBER})\s*=\s*({NUMBER})\s*\(left:\s*({NUMBER}(?:\s+{NUMBER})*)\s*\)"
)
_ANSWER = re.compile(r"\s*answer:\s*(\S.*)", re.IGNORECASE)
_LEFT = re.compile(r"\(left: ([^)]*)\)$")
_LABEL = re.compile(rf"\b({'|'.join(prompts.LABELS)})\b", re.IGNORECASE | re.ASCII)


class Game24:
    """Use each of four numbers once, with + - * /, to make 24."""

    name = "game24"
    version = "1"
    summary = "Game of 24: use each of four whole numbers once, with + - * /, to make 24."
    example = "1 1 11 11"
    depth = NUMBERS
    checked = True
    longest_thought = MAX_LINE_LENGTH

    def normalize(self, problem: str) -> str:
        """Return the four numbers in ascending order, separated by a space."""
        words = problem.replace(",", " ").split()
        if len(words) != NUMBERS:
            raise InvalidProblem(f"{len(words)} words where {NUMBERS} numbers are wanted, such as {self.example!r}")
        for word in words:
            if not (word.isascii() and word.isdigit() and len(word) <= len(str(LARGEST_NUMBER))):
                raise InvalidProblem(f"{word[:20]!r} is no whole number from 1 to {LARGEST_NUMBER}")
            if not 1 <= int(word) <= LARGEST_NUMBER:
                raise InvalidProblem(f"{word} is not from 1 to {LARGEST_NUMBER}")
        return " ".join(str(number) for number in sorted(map(int, words)))

    def propose_prompt(self, state: State, style: PromptStyle, method: Method = Method.STEP) -> Prompt:
        """Ask for steps, or, where 24 alone is left, for the expression that the steps add up to."""
        if method is Method.DIRECT:
            return Prompt(prompts.direct(_show_all(_numbers(state)), style), stop=("\n",))
        if method is Method.CHAIN:
            return Prompt(prompts.chain(state.problem, state.steps, style), stop=("\n\n",))
        if _numbers(state) != (GOAL,):
            return Prompt(prompts.propose(_show_all(_numbers(state)), style), stop=("\n\n",))
        return Prompt(prompts.chain(state.problem, state.steps, style), stop=("\n\n",))

    def parse_thought(self, state: State, line: str, *, trust: bool) -> Proposal:
        """Read a step; or, where 24 alone is left, the answer."""
        if len(line) > MAX_LINE_LENGTH:
            raise MalformedThought(f"longer than {MAX_LINE_LENGTH} characters")
        numbers = _numbers(state)
        if numbers == (GOAL,):
            return _parse_answer(state, line)
        step = _STEP.match(line)
        if step is None:
            raise MalformedThought("not of the form a op b = c (left: ...)")
        try:
            left = _trusted(step) if trust else _checked(step, numbers)
        except ValueError as error:
            raise IllegalThought(str(error)) from error
        if not all(re.fullmatch(NUMBER, show(number)) for number in left):
            raise IllegalThought("leaves a number of too many digits")
        text = f"{step[1]} {step[2]} {step[3]} = {step[4]} (left: {_show_all(left)})"
        return Proposal(text, _key(State(state.problem, (*state.steps, text)), left))

    def parse_solution(self, state: State, text: str) -> Proposal:
        """Read the answer at the end of a chain, or the answer alone."""
        *_, last = text.strip().splitlines() or [""]
        if len(text) > MAX_SOLUTION_LENGTH:
            raise MalformedThought(f"longer than {MAX_SOLUTION_LENGTH} characters")
        answer = _parse_answer(state, f"Answer: {last.rpartition('Answer:')[2]}").answer
        return Proposal(text.strip(), f"{state.problem}\n{answer}", answer=answer)

    def value_prompt(self, state: State, style: PromptStyle) -> Prompt:
        """Ask whether the numbers left can reach 24."""
        text = prompts.value(_show_all(_numbers(state)), style)
        if style is PromptStyle.BARE:
            return Prompt(text, labels=prompts.LABELS)
        return Prompt(text, stop=("\n\n",))

    def parse_value(self, text: str) -> Label | None:
        """Read the last label in the text."""
        labels = _LABEL.findall(text)
        return Label(labels[-1].lower()) if labels else None

    def value_by_rule(self, state: State) -> Label | None:
        """One number is 24 or it is not."""
        numbers = _numbers(state)
        if len(numbers) > 1:
            return None
        return Label.SURE if numbers[0] == GOAL else Label.IMPOSSIBLE

    def validate(self, problem: str, answer: str) -> tuple[Verdict, str]:
        """Check that the expression makes 24 of exactly the problem's numbers."""
        expression, equals, result = answer.partition("=")
        try:
            value, used = evaluate(expression)
        except ExpressionError as error:
            return Verdict.IMPOSSIBLE, f"no expression: {error}"
        if equals and result.strip() != show(GOAL):
            return Verdict.IMPOSSIBLE, f"claims to make {result.strip()[:20]!r}"
        given = [int(word) for word in self.normalize(problem).split()]
        if sorted(used) != given:
            return Verdict.IMPOSSIBLE, f"uses {' '.join(map(str, sorted(used)))}, not {problem}"
        if value != GOAL:
            return Verdict.IMPOSSIBLE, f"makes {show(value)}, not {show(GOAL)}"
        return Verdict.CERTAIN, f"makes {show(GOAL)} of {problem}"


def _numbers(state: State) -> tuple[Fraction, ...]:
    """Return the numbers that a state has left, ascending. `InvalidInput` if it does not say."""
    left = _LEFT.search(state.steps[-1]) if state.steps else None
    if state.steps and left is None:
        raise InvalidInput("the last step does not say which numbers are left", field="state.steps")
    try:
        numbers = tuple(sorted(map(read, (left[1] if left else state.problem).split())))
    except ValueError as error:
        raise InvalidInput(f"the state has no numbers: {error}", field="state") from error
    if not numbers:
        raise InvalidInput("the state has no numbers", field="state")
    return numbers


def _show_all(numbers: tuple[Fraction, ...]) -> str:
    return " ".join(map(show, numbers))


def _trusted(step: re.Match[str]) -> tuple[Fraction, ...]:
    return tuple(sorted(map(read, step[5].split())))


def _checked(step: re.Match[str], numbers: tuple[Fraction, ...]) -> tuple[Fraction, ...]:
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
        raise ValueError(f"leaves {_show_all(left)}, not {claimed}")
    return left


def _parse_answer(state: State, line: str) -> Proposal:
    match = _ANSWER.match(line)
    if match is None:
        raise MalformedThought("not of the form Answer: expression = 24")
    answer = " ".join(match[1].split())
    text = f"Answer: {answer}"
    if len(text) > MAX_LINE_LENGTH:
        raise MalformedThought(f"longer than {MAX_LINE_LENGTH} characters")
    return Proposal(text, _path_key(State(state.problem, (*state.steps, text))), answer=answer)


def _key(state: State, left: tuple[Fraction, ...]) -> str:
    """States of several numbers are interchangeable; one number's answer prompt reads the path, so it is part."""
    return _show_all(left) if len(left) > 1 else _path_key(state)


def _path_key(state: State) -> str:
    return "\n".join((state.problem, *state.steps))
