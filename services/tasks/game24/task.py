"""The Game of 24 as a task: states are the numbers left, thoughts are steps, answers are expressions.

Three steps each replace two numbers by one; the fourth writes the whole as one expression.
"""

from fractions import Fraction

from services.core.task import InvalidProblem, Method, Prompt, PromptStyle
from services.core.thought import Label, Proposal, State, Verdict
from services.tasks._reduction import MAX_LINE_LENGTH, Numbers, judge_expression, numbers_left, read_step, show_all
from services.tasks._replies import LABELS, read_answer, read_label, read_solution, refuse_longer
from services.tasks.game24 import prompts

GOAL = Fraction(24)
NUMBERS = 4
LARGEST_NUMBER = 199
MAX_SOLUTION_LENGTH = 1000


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
            return Prompt(prompts.direct(show_all(_numbers(state)), style), stop=("\n",))
        if method is Method.CHAIN:
            return Prompt(prompts.chain(state.problem, state.steps, style), stop=("\n\n",))
        if _numbers(state) != (GOAL,):
            return Prompt(prompts.propose(show_all(_numbers(state)), style), stop=("\n\n",))
        return Prompt(prompts.chain(state.problem, state.steps, style), stop=("\n\n",))

    def parse_thought(self, state: State, line: str, *, trust: bool) -> Proposal:
        """Read a step; or, where 24 alone is left, the answer."""
        refuse_longer(line, MAX_LINE_LENGTH)
        numbers = _numbers(state)
        if numbers == (GOAL,):
            answer = read_answer(line, limit=MAX_LINE_LENGTH)
            text = f"Answer: {answer}"
            return Proposal(text, _path_key(State(state.problem, (*state.steps, text))), answer=answer)
        step = read_step(line, numbers, trust=trust)
        return Proposal(step.text, _key(State(state.problem, (*state.steps, step.text)), step.left))

    def parse_solution(self, state: State, text: str) -> Proposal:
        """Read the answer at the end of a chain, or the answer alone."""
        answer = read_solution(text, answer_limit=MAX_LINE_LENGTH, limit=MAX_SOLUTION_LENGTH)
        return Proposal(text.strip(), f"{state.problem}\n{answer}", answer=answer)

    def value_prompt(self, state: State, style: PromptStyle) -> Prompt:
        """Ask whether the numbers left can reach 24."""
        text = prompts.value(show_all(_numbers(state)), style)
        if style is PromptStyle.BARE:
            return Prompt(text, labels=LABELS)
        return Prompt(text, stop=("\n\n",))

    def parse_value(self, text: str) -> Label | None:
        """Read the last label in the text."""
        return read_label(text)

    def value_by_rule(self, state: State) -> Label | None:
        """One number is 24 or it is not."""
        numbers = _numbers(state)
        if len(numbers) > 1:
            return None
        return Label.SURE if numbers[0] == GOAL else Label.IMPOSSIBLE

    def validate(self, problem: str, answer: str) -> tuple[Verdict, str]:
        """Check that the expression makes 24 of exactly the problem's numbers."""
        given = [int(word) for word in self.normalize(problem).split()]
        return judge_expression(answer, given, GOAL, lambda used: sorted(used) == given)


def _numbers(state: State) -> Numbers:
    return numbers_left(state.problem, state)


def _key(state: State, left: Numbers) -> str:
    """States of several numbers are interchangeable; one number's answer prompt reads the path, so it is part."""
    return show_all(left) if len(left) > 1 else _path_key(state)


def _path_key(state: State) -> str:
    return "\n".join((state.problem, *state.steps))
