"""What Sudoku asks of a language model, in two styles.

`PromptStyle.FEW_SHOT` is for general models: the rules, and small examples of our own. `PromptStyle.BARE` is the same
format without them, for a model that was trained on it; the embedded one was not. A board is shown in rows, with spaces
between the cells. Stable text comes first and what differs last, so that an engine's prefix cache is reused.
"""

from services.core.task import PromptStyle
from services.tasks.sudoku.board import rows

_RULES = """\
Fill the empty cells (.) of a Sudoku so that each row, each column and each box has each digit once. \
A board of 4 by 4 has the digits 1 to 4 and boxes of 2 by 2, one of 9 by 9 the digits 1 to 9 and boxes of 3 by 3. \
r1c2 is the second cell of the first row.
"""

_PROPOSE = (
    _RULES
    + """\
Each line is one possible next step: a cell that can have only one digit, or a few such cells.

Board:
. 2 3 4
3 . . 2
2 3 . .
. . 2 3
Possible next steps:
r1c1 = 1
r2c2 = 4
r2c3 = 1, r3c4 = 1
r4c1 = 4, r4c2 = 1

Board:
1 . . .
. . 3 .
. 4 . .
. . . 2
Possible next steps:
r2c2 = 2
r3c3 = 1
r1c2 = 3
r4c3 = 4, r4c2 = 1
r1c3 = 2, r1c4 = 4, r2c4 = 1

"""
)

_VALUE = """\
Evaluate if the board can be completed, with each digit once in each row, column and box (sure/likely/impossible)
Board:
. 2 3 4
3 4 1 2
2 1 4 3
4 3 2 1
only r1c1 is empty, and 1 fits
sure
Board:
1 2 3 .
. . . 4
. . . .
. . . .
r1c4 can only be 4, but its column has 4
impossible
Board:
1 . . .
. . 3 .
. 4 . .
. . . 2
each empty cell has a digit that fits, and I see no contradiction
likely
Board:
1 3 . .
. . 1 .
. . 2 .
. . 4 .
r1c3 can only be 2 or 4, but its column has both
impossible
"""

_CHAIN = (
    _RULES
    + """\
Each step fills a few cells; the answer is the full board, row by row.

Board:
. 2 3 4
3 . . 2
2 3 . .
. . 2 3
Steps:
r1c1 = 1
r2c2 = 4, r2c3 = 1
r3c4 = 1, r3c3 = 4
r4c1 = 4, r4c2 = 1
Answer: 1234 3412 2341 4123

"""
)

_DIRECT = (
    _RULES
    + """\
The answer is the full board, row by row.

Board:
. 2 3 4
3 . . 2
2 3 . .
. . 2 3
Answer: 1234 3412 2341 4123

"""
)


def propose(board: str, style: PromptStyle) -> str:
    """Ask for cells to fill."""
    if style is PromptStyle.BARE:
        return f"{_show(board)}Next:\n"
    return f"{_PROPOSE}{_show(board)}Possible next steps:\n"


def value(board: str, style: PromptStyle) -> str:
    """Ask whether the board can be completed: the label is the first token (bare) or the last line (few-shot)."""
    if style is PromptStyle.BARE:
        return f"{_show(board)}Value:"
    return f"{_VALUE}{_show(board)}"


def chain(board: str, steps: tuple[str, ...], style: PromptStyle) -> str:
    """Ask to go on from `steps` to the line `Answer: ROWS`."""
    tail = "".join(f"{step}\n" for step in steps)
    return f"{'' if style is PromptStyle.BARE else _CHAIN}{_show(board)}Steps:\n{tail}"


def direct(board: str, style: PromptStyle) -> str:
    """Ask for the full board at once."""
    return f"{'' if style is PromptStyle.BARE else _DIRECT}{_show(board)}Answer:"


def _show(board: str) -> str:
    return "Board:\n" + "".join(f"{' '.join(row)}\n" for row in rows(board))
