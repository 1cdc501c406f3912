"""Sorting as a task: a state is the list in parts, a thought splits, sorts, merges or fixes parts.

The example of Graph of Thoughts (Besta et al. 2023, arXiv 2308.09687, section 5.1): models lose numbers of long lists
and sort short ones well. There the graph of operations is drawn beforehand; here the search finds its way, and branches
that come to the same parts merge. The rule counts mistakes, so that a model is asked what a state is worth only where a
solve believes its steps.
"""

from services.core.errors import InvalidInput
from services.core.task import IllegalThought, InvalidProblem, MalformedThought, Method, Prompt, PromptStyle
from services.core.thought import Label, Proposal, State, Verdict
from services.tasks._replies import LABELS, read_label, read_solution, refuse_longer
from services.tasks.sorting import prompts
from services.tasks.sorting.parts import (
    MOST_NUMBERS,
    Numbers,
    Parts,
    apply,
    mistakes,
    read_numbers,
    read_step,
    show,
    unsorted,
)

MOST_STEPS = 32
"""Enough to split 64 numbers into eight lists, sort and merge them, and fix each result."""
MAX_LINE_LENGTH = 700
MAX_ANSWER_LENGTH = 400
MAX_SOLUTION_LENGTH = 4000
NUMBERS_PER_MISTAKE = 4
"""A part with more than one mistake in so many numbers is better sorted again than fixed."""


class Sorting:
    """Put numbers into ascending order, by parts."""

    name = "sorting"
    version = "1"
    summary = "Sorting: put two to 64 whole numbers into ascending order, by splitting, sorting, merging and fixing."
    example = "3 1 4 1 5 9 2 6 5 3"
    depth = MOST_STEPS
    checked = True
    longest_thought = MAX_LINE_LENGTH

    def normalize(self, problem: str) -> str:
        """Return the numbers, separated by a space; commas and brackets are read too."""
        try:
            numbers = read_numbers(problem)
        except ValueError as error:
            raise InvalidProblem(f"{error}; wanted are numbers, such as {self.example!r}") from error
        if not 2 <= len(numbers) <= MOST_NUMBERS:
            raise InvalidProblem(f"2 to {MOST_NUMBERS} numbers are wanted, not {len(numbers)}")
        return show(numbers)

    def propose_prompt(self, state: State, style: PromptStyle, method: Method = Method.STEP) -> Prompt:
        """Ask for steps, or for the whole list in order."""
        parts = _parts(state)
        if method is Method.DIRECT:
            return Prompt(prompts.direct(state.problem, style), stop=("\n",))
        if method is Method.CHAIN:
            return Prompt(prompts.chain(state.problem, state.steps, style), stop=("\n\n",))
        return Prompt(prompts.propose(_show(parts), style), stop=("\n\n",))

    def parse_thought(self, state: State, line: str, *, trust: bool) -> Proposal:
        """Read a step; the one that leaves a single list in order is the answer.

        With `trust`, any single list is: that it was sorted or merged is believed.
        """
        refuse_longer(line, MAX_LINE_LENGTH)
        parts = _parts(state)
        step = read_step(line)
        after = apply(parts, step, trust=trust)
        last = after[0]
        if len(after) > 1 or not last.done or (last.mistakes and not trust):
            return Proposal(str(step), _show(after))
        answer = show(last.numbers)
        return Proposal(str(step), f"{state.problem}\n{answer}", answer=answer)

    def parse_solution(self, state: State, text: str) -> Proposal:
        """Read the list at the end of a chain, or the list alone."""
        answer = read_solution(text, answer_limit=MAX_ANSWER_LENGTH, limit=MAX_SOLUTION_LENGTH)
        try:
            answer = show(read_numbers(answer))
        except ValueError as error:
            raise MalformedThought(f"no list: {error}") from error
        return Proposal(text.strip(), f"{state.problem}\n{answer}", answer=answer)

    def value_prompt(self, state: State, style: PromptStyle) -> Prompt:
        """Ask whether the parts will make the whole list in order."""
        text = prompts.value(_show(_parts(state)), style)
        if style is PromptStyle.BARE:
            return Prompt(text, labels=LABELS)
        return Prompt(text, stop=("\n\n",))

    def parse_value(self, text: str) -> Label | None:
        """Read the last label in the text."""
        return read_label(text)

    def value_by_rule(self, state: State) -> Label | None:
        """Count mistakes: none is sure to lead to the answer, a few are likely to be fixed, many are not."""
        wrong = [part for part in _parts(state) if part.mistakes]
        if not wrong:
            return Label.SURE
        few = all(part.mistakes * NUMBERS_PER_MISTAKE <= len(part.of) for part in wrong)
        return Label.LIKELY if few else Label.IMPOSSIBLE

    def validate(self, problem: str, answer: str) -> tuple[Verdict, str]:
        """Check that the answer has the problem's numbers, in ascending order."""
        given = read_numbers(self.normalize(problem))
        try:
            refuse_longer(answer, MAX_ANSWER_LENGTH)
            numbers = read_numbers(answer)
        except (MalformedThought, ValueError) as error:
            return Verdict.IMPOSSIBLE, f"no list: {error}"
        if mistakes(numbers, given):
            return Verdict.IMPOSSIBLE, _complaint(numbers, given)
        return Verdict.CERTAIN, "has each number as often as given, in ascending order"


def _parts(state: State) -> Parts:
    """Return the parts that the steps lead to. `InvalidInput` if there are none."""
    try:
        parts: Parts = (unsorted(read_numbers(state.problem)),)
        for step in state.steps:
            refuse_longer(step, MAX_LINE_LENGTH)
            parts = apply(parts, read_step(step), trust=True)
    except (ValueError, MalformedThought, IllegalThought) as error:
        raise InvalidInput(f"the state has no parts: {error}", field="state") from error
    return parts


def _show(parts: Parts) -> str:
    return "\n".join(map(str, parts))


def _complaint(numbers: Numbers, given: Numbers) -> str:
    if sorted(numbers) != sorted(given):
        return f"has other numbers than {show(given)}"
    return "is not in ascending order"
