"""What the Game of 24 asks of a language model, in two styles.

`PromptStyle.FEW_SHOT` is for general chat models and keeps the line formats of the Tree of Thoughts paper (Yao et al.
2023, arXiv 2305.10601, appendix B) with examples of our own. `PromptStyle.BARE` is the terse format that the embedded
model was trained on: no instructions, no examples. Stable text comes first and what differs last, so that an engine's
prefix cache is reused.

Numbers are shown in ascending order, separated by spaces, fractions as `8/3`: states with the same numbers render the
same prompt.
"""

from services.core.task import PromptStyle

_PROPOSE_EXAMPLES = """\
Input: 3 3 5 12
Possible next steps:
3 + 3 = 6 (left: 5 6 12)
12 / 3 = 4 (left: 3 4 5)
5 - 3 = 2 (left: 2 3 12)
3 * 5 = 15 (left: 3 12 15)
12 - 5 = 7 (left: 3 3 7)
3 / 12 = 1/4 (left: 1/4 3 5)

Input: 2 5 10
Possible next steps:
2 + 10 = 12 (left: 5 12)
10 / 5 = 2 (left: 2 2)
2 * 5 = 10 (left: 10 10)
10 - 2 = 8 (left: 5 8)

Input: 4 20
Possible next steps:
4 + 20 = 24 (left: 24)
20 - 4 = 16 (left: 16)
4 * 20 = 80 (left: 80)
20 / 4 = 5 (left: 5)

"""

_VALUE_EXAMPLES = """\
Evaluate if given numbers can reach 24 (sure/likely/impossible)
9 15
9 + 15 = 24
sure
7 9
7 + 9 = 16
7 * 9 = 63
9 - 7 = 2
impossible
2 4 16
16 + 4 * 2 = 24
sure
3 7 9
3 * 7 = 21
21 + 9 = 30
9 - 7 = 2
I cannot reach 24 at once, but the numbers are of a good size
likely
1 1 2
(1 + 1) * 2 = 4
1 + 1 + 2 = 4
the numbers are all too small
impossible
"""

_CHAIN_INSTRUCTION = (
    "Use numbers and basic arithmetic operations (+ - * /) to obtain 24. "
    "Each step, you are only allowed to choose two of the remaining numbers to obtain a new number.\n"
)

_CHAIN_EXAMPLES = """\
Input: 3 3 5 12
Steps:
3 * 5 = 15 (left: 3 12 15)
15 - 3 = 12 (left: 12 12)
12 + 12 = 24 (left: 24)
Answer: (3 * 5 - 3) + 12 = 24

Input: 1 2 6 12
Steps:
2 * 6 = 12 (left: 1 12 12)
12 + 12 = 24 (left: 1 24)
1 * 24 = 24 (left: 24)
Answer: 1 * (2 * 6 + 12) = 24

Input: 2 6 7 9
Steps:
9 - 7 = 2 (left: 2 2 6)
2 * 2 = 4 (left: 4 6)
4 * 6 = 24 (left: 24)
Answer: (2 * (9 - 7)) * 6 = 24

"""

_DIRECT_INSTRUCTION = "Use numbers and basic arithmetic operations (+ - * /) to obtain 24.\n"

_DIRECT_EXAMPLES = """\
Input: 3 3 5 12
Answer: (3 * 5 - 3) + 12 = 24

Input: 2 6 7 9
Answer: (2 * (9 - 7)) * 6 = 24

"""


def propose(numbers: str, style: PromptStyle) -> str:
    """Ask for next steps: one a sample (bare), or a list of lines (few-shot)."""
    if style is PromptStyle.BARE:
        return f"Input: {numbers}\nNext:\n"
    return f"{_PROPOSE_EXAMPLES}Input: {numbers}\nPossible next steps:\n"


def value(numbers: str, style: PromptStyle) -> str:
    """Ask whether the numbers can reach 24: the label is the first token (bare) or the last line (few-shot)."""
    if style is PromptStyle.BARE:
        return f"Input: {numbers}\nValue:"
    return f"{_VALUE_EXAMPLES}{numbers}\n"


def chain(numbers: str, steps: tuple[str, ...], style: PromptStyle) -> str:
    """Ask to go on from `steps` to the line `Answer: EXPRESSION = 24`; no steps makes it a chain of thought."""
    tail = "".join(f"{step}\n" for step in steps)
    if style is PromptStyle.BARE:
        return f"Input: {numbers}\nSteps:\n{tail}"
    return f"{_CHAIN_INSTRUCTION}{_CHAIN_EXAMPLES}Input: {numbers}\nSteps:\n{tail}"


def direct(numbers: str, style: PromptStyle) -> str:
    """Ask for the expression at once (input-output prompting)."""
    if style is PromptStyle.BARE:
        return f"Input: {numbers}\nAnswer:"
    return f"{_DIRECT_INSTRUCTION}{_DIRECT_EXAMPLES}Input: {numbers}\nAnswer:"
