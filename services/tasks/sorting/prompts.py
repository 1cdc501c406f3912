"""What sorting by parts asks of a language model, in two styles.

`PromptStyle.FEW_SHOT` is for general models: what the steps are, and examples of our own. `PromptStyle.BARE` is the
same format without them, for a model that was trained on it; the embedded one was not. A part with mistakes is shown as
`wrong`, with what it should have the numbers of: so the model is told what to fix, as in Graph of Thoughts. Stable text
comes first and what differs last, so that an engine's prefix cache is reused.
"""

from services.core.task import PromptStyle

_RULES = """\
Put numbers into ascending order, by parts. Keep each number as often as it is there.
split LIST -> LIST | LIST ... divides an unsorted part, about eight numbers each.
sort LIST -> LIST sorts an unsorted part.
merge LIST | LIST -> LIST makes one sorted list of two.
fix LIST -> LIST corrects a wrong part: it must have the numbers after "of", in ascending order.
"""

_PROPOSE = (
    _RULES
    + """\
Each line is one possible next step.

Parts:
unsorted: 7 2 9 4 4 0 8 1 6 3 5 2
Possible next steps:
split 7 2 9 4 4 0 8 1 6 3 5 2 -> 7 2 9 4 4 0 | 8 1 6 3 5 2
split 7 2 9 4 4 0 8 1 6 3 5 2 -> 7 2 9 4 | 4 0 8 1 | 6 3 5 2

Parts:
unsorted: 8 1 6 3
unsorted: 9 0 9 2
sorted: 2 4 5 7
Possible next steps:
sort 8 1 6 3 -> 1 3 6 8
sort 9 0 9 2 -> 0 2 9 9

Parts:
sorted: 0 2 9 9
sorted: 1 3 6 8
sorted: 2 4 5 7
Possible next steps:
merge 0 2 9 9 | 1 3 6 8 -> 0 1 2 3 6 8 9 9
merge 1 3 6 8 | 2 4 5 7 -> 1 2 3 4 5 6 7 8
merge 0 2 9 9 | 2 4 5 7 -> 0 2 2 4 5 7 9 9

Parts:
wrong: 0 1 2 4 8 of 8 4 1 0 2 4
sorted: 3 5 6
Possible next steps:
fix 0 1 2 4 8 -> 0 1 2 4 4 8

"""
)

_VALUE = """\
Evaluate if the parts will make the whole list in order (sure/likely/impossible)
Parts:
unsorted: 8 1 6 3
sorted: 2 4 5 7
nothing is wrong
sure
Parts:
wrong: 0 1 2 4 8 of 8 4 1 0 2 4
sorted: 3 5 6
one 4 is missing, which can be fixed
likely
Parts:
unsorted: 8 1 6 3
wrong: 9 2 7 of 2 4 5 7
4 and 5 are missing, 9 was not there, and 9 comes before 2: too much is wrong
impossible
"""

_CHAIN = (
    _RULES
    + """\

Input: 7 2 9 4 4 0 8 1
Steps:
split 7 2 9 4 4 0 8 1 -> 7 2 9 4 | 4 0 8 1
sort 7 2 9 4 -> 2 4 7 9
sort 4 0 8 1 -> 0 1 4 8
merge 2 4 7 9 | 0 1 4 8 -> 0 1 2 4 4 7 8 9
Answer: 0 1 2 4 4 7 8 9

"""
)

_DIRECT = """\
Put numbers into ascending order. Keep each number as often as it is there.

Input: 7 2 9 4 4 0 8 1
Answer: 0 1 2 4 4 7 8 9

Input: 61 5 12 5 40
Answer: 5 5 12 40 61

"""


def propose(parts: str, style: PromptStyle) -> str:
    """Ask for next steps."""
    if style is PromptStyle.BARE:
        return f"Parts:\n{parts}\nNext:\n"
    return f"{_PROPOSE}Parts:\n{parts}\nPossible next steps:\n"


def value(parts: str, style: PromptStyle) -> str:
    """Ask whether the parts are right: the label is the first token (bare) or the last line (few-shot)."""
    if style is PromptStyle.BARE:
        return f"Parts:\n{parts}\nValue:"
    return f"{_VALUE}Parts:\n{parts}\n"


def chain(problem: str, steps: tuple[str, ...], style: PromptStyle) -> str:
    """Ask to go on from `steps` to the line `Answer: LIST`."""
    tail = "".join(f"{step}\n" for step in steps)
    return f"{'' if style is PromptStyle.BARE else _CHAIN}Input: {problem}\nSteps:\n{tail}"


def direct(problem: str, style: PromptStyle) -> str:
    """Ask for the list in order at once."""
    return f"{'' if style is PromptStyle.BARE else _DIRECT}Input: {problem}\nAnswer:"
