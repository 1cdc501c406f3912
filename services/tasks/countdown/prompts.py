"""What Countdown asks of a language model, in two styles.

`PromptStyle.FEW_SHOT` is for general models: an instruction and examples of our own, in the line formats of the Game of
24. `PromptStyle.BARE` is the same without them, for a model that was trained on the format; the embedded one was not.
Stable text comes first and what differs last, so that an engine's prefix cache is reused.
"""

from services.core.task import PromptStyle

_RULES = (
    "Make the number after the arrow from the numbers before it with + - * /. "
    "Use each number at most once; numbers may stay unused.\n"
)

_PROPOSE = (
    _RULES
    + """\
Each line is one possible next step: it replaces two numbers by a new one.

Input: 2 3 7 25 -> 53
Possible next steps:
2 * 25 = 50 (left: 3 7 50)
3 + 25 = 28 (left: 2 7 28)
2 * 3 = 6 (left: 6 7 25)
7 * 25 = 175 (left: 2 3 175)
7 - 2 = 5 (left: 3 5 25)
25 / 2 = 25/2 (left: 3 7 25/2)

Input: 8 30 70 -> 310
Possible next steps:
8 * 30 = 240 (left: 70 240)
70 - 30 = 40 (left: 8 40)
8 * 70 = 560 (left: 30 560)
30 + 70 = 100 (left: 8 100)

Input: 4 30 -> 120
Possible next steps:
4 * 30 = 120 (left: 120)
4 + 30 = 34 (left: 34)
30 - 4 = 26 (left: 26)

"""
)

_VALUE = """\
Evaluate if some of the numbers can reach the number after the arrow (sure/likely/impossible)
3 7 50 -> 53
3 + 50 = 53
sure
6 9 -> 50
6 + 9 = 15
6 * 9 = 54
9 - 6 = 3
impossible
2 5 90 -> 95
5 + 90 = 95
sure
4 7 12 80 -> 531
7 * 80 = 560
560 - 12 = 548
I cannot reach 531 at once, but the numbers are of a good size
likely
1 2 3 -> 400
3 * 2 + 1 = 7
the numbers are all too small
impossible
"""

_CHAIN = (
    _RULES
    + """\
Each step replaces two numbers by a new one.

Input: 2 3 7 25 -> 53
Steps:
2 * 25 = 50 (left: 3 7 50)
3 + 50 = 53 (left: 7 53)
Answer: 2 * 25 + 3 = 53

Input: 5 8 30 70 -> 305
Steps:
8 * 30 = 240 (left: 5 70 240)
70 - 5 = 65 (left: 65 240)
65 + 240 = 305 (left: 305)
Answer: (70 - 5) + 8 * 30 = 305

"""
)

_DIRECT = (
    _RULES
    + """
Input: 2 3 7 25 -> 53
Answer: 2 * 25 + 3 = 53

Input: 5 8 30 70 -> 305
Answer: (70 - 5) + 8 * 30 = 305

"""
)


def propose(numbers: str, style: PromptStyle) -> str:
    """Ask for next steps from `NUMBERS -> TARGET`."""
    if style is PromptStyle.BARE:
        return f"Input: {numbers}\nNext:\n"
    return f"{_PROPOSE}Input: {numbers}\nPossible next steps:\n"


def value(numbers: str, style: PromptStyle) -> str:
    """Ask whether the target can be reached: the label is the first token (bare) or the last line (few-shot)."""
    if style is PromptStyle.BARE:
        return f"Input: {numbers}\nValue:"
    return f"{_VALUE}{numbers}\n"


def chain(problem: str, steps: tuple[str, ...], style: PromptStyle) -> str:
    """Ask to go on from `steps` to the line `Answer: EXPRESSION = TARGET`."""
    tail = "".join(f"{step}\n" for step in steps)
    return f"{'' if style is PromptStyle.BARE else _CHAIN}Input: {problem}\nSteps:\n{tail}"


def direct(problem: str, style: PromptStyle) -> str:
    """Ask for the equation at once."""
    return f"{'' if style is PromptStyle.BARE else _DIRECT}Input: {problem}\nAnswer:"
