"""Boards of Sudoku and their rules. A board is a text of its cells, row by row; an empty cell is a dot."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from math import isqrt

EMPTY = "."
SIDES = (4, 9)

_EMPTY_TOO = str.maketrans("0_", "..")
_FRAME = str.maketrans("", "", "|+-/,;")


@dataclass(frozen=True, slots=True)
class Unit:
    """A row, a column or a box: its name, and where its cells are."""

    name: str
    cells: tuple[int, ...]


def read_board(text: str) -> str:
    """Read a board: digits, and `.`, `0` or `_` for empty cells; spaces, lines and frames are ignored.

    `ValueError` if it is none.
    """
    board = "".join(text.split()).translate(_FRAME).translate(_EMPTY_TOO)
    side = isqrt(len(board))
    if side not in SIDES or side * side != len(board):
        raise ValueError(f"{len(board)} cells where 16 or 81 are wanted")
    for cell in board:
        if cell not in EMPTY + digits(side):
            raise ValueError(f"{cell!r} is no digit from 1 to {side}, and no empty cell")
    return board


def side_of(board: str) -> int:
    """Return how many cells a row has."""
    return isqrt(len(board))


def digits(side: int) -> str:
    """Return the digits that a board of this side is filled with."""
    return "123456789"[:side]


def rows(board: str) -> list[str]:
    """Return the rows."""
    side = side_of(board)
    return [board[start : start + side] for start in range(0, len(board), side)]


def cell_name(board: str, cell: int) -> str:
    """Return how a cell is called: `r1c2` is the second of the first row."""
    row, column = divmod(cell, side_of(board))
    return f"r{row + 1}c{column + 1}"


def is_complete(board: str) -> bool:
    """Tell whether no cell is empty."""
    return EMPTY not in board


def conflict(board: str) -> str | None:
    """Name a digit that a row, column or box has twice; None if there is none."""
    for unit in _units(side_of(board)):
        present = [board[cell] for cell in unit.cells if board[cell] != EMPTY]
        for digit in present:
            if present.count(digit) > 1:
                return f"{unit.name} has {digit} twice"
    return None


def is_stuck(board: str) -> bool:
    """Tell whether an empty cell has no candidate left, or a row, column or box no place for a digit.

    This looks at the board as it is: nothing is tried out.
    """
    side = side_of(board)
    candidates = {cell: _candidates(board, cell) for cell, digit in enumerate(board) if digit == EMPTY}
    if not all(candidates.values()):
        return True
    return any(
        not any(digit == board[cell] or digit in candidates.get(cell, "") for cell in unit.cells)
        for unit in _units(side)
        for digit in digits(side)
    )


def _candidates(board: str, cell: int) -> str:
    """Return the digits that none of the cell's row, column and box has."""
    seen = {board[other] for other in _peers(side_of(board))[cell]}
    return "".join(digit for digit in digits(side_of(board)) if digit not in seen)


@cache
def _units(side: int) -> tuple[Unit, ...]:
    return tuple(_rows_columns_boxes(side))


def _rows_columns_boxes(side: int) -> Iterator[Unit]:
    box = isqrt(side)
    for i in range(side):
        yield Unit(f"row {i + 1}", tuple(i * side + k for k in range(side)))
        yield Unit(f"column {i + 1}", tuple(k * side + i for k in range(side)))
        top, left = i // box * box, i % box * box
        yield Unit(f"box {i + 1}", tuple((top + k // box) * side + left + k % box for k in range(side)))


@cache
def _peers(side: int) -> tuple[frozenset[int], ...]:
    """Return, for each cell, the other cells of its row, column and box."""
    return tuple(
        frozenset(other for unit in _units(side) if cell in unit.cells for other in unit.cells) - {cell}
        for cell in range(side * side)
    )
