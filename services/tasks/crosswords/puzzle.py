"""The clues of a crossword, and its board. A board is a text of its cells, row by row; an empty cell is an underscore.

The places of words have the paper's names: `h1` to `h5` across, from top to bottom, and `v1` to `v5` down, from left to
right.
"""

import re
from collections.abc import Mapping

SIDE = 5
EMPTY = "_"
BLANK = EMPTY * SIDE * SIDE
PLACES = {
    **{f"h{row + 1}": tuple(row * SIDE + i for i in range(SIDE)) for row in range(SIDE)},
    **{f"v{column + 1}": tuple(i * SIDE + column for i in range(SIDE)) for column in range(SIDE)},
}
"""Where the letters of each word are, in the order of the clues."""
MAX_CLUE_LENGTH = 200
MAX_PUZZLE_LENGTH = 4000

_PLACE = re.compile(r"(?:^|(?<=[ ;]))([hv][1-5])\.", re.IGNORECASE | re.ASCII)
_FRAME = str.maketrans("", "", "|/,;")

Clues = Mapping[str, str]
"""For each place, in their order."""


def read_clues(text: str) -> Clues:
    """Read `h1. CLUE; h2. CLUE; ... v5. CLUE`, in one line or in several; `ValueError` says what is wrong."""
    if len(text) > MAX_PUZZLE_LENGTH:
        raise ValueError(f"longer than {MAX_PUZZLE_LENGTH:,} characters")
    before, *parts = _PLACE.split(" ".join(text.split()))
    if before or [name.lower() for name in parts[::2]] != list(PLACES):
        raise ValueError("not ten clues, h1. to h5. and then v1. to v5.")
    clues = {name: part.strip(" ;") for name, part in zip(PLACES, parts[1::2], strict=True)}
    for name, clue in clues.items():
        if not any(map(str.isalnum, clue)):
            raise ValueError(f"the clue of {name} says nothing")
        if len(clue) > MAX_CLUE_LENGTH:
            raise ValueError(f"the clue of {name} is longer than {MAX_CLUE_LENGTH} characters")
        if not clue.isprintable():
            raise ValueError(f"the clue of {name} has a character that cannot be printed")
    return clues


def show_clues(clues: Clues) -> str:
    """Return the clues in one line, to be read again."""
    return "; ".join(f"{name}. {clue}" for name, clue in clues.items())


def read_board(text: str) -> str:
    """Read a full board: its letters in rows; spaces, lines and frames are ignored. `ValueError` if it is none."""
    board = "".join(text.split()).translate(_FRAME).upper()
    if len(board) != len(BLANK):
        raise ValueError(f"{len(board)} letters where {len(BLANK)} are wanted")
    for cell in board:
        if not ("A" <= cell <= "Z"):
            raise ValueError(f"{cell!r} is no letter from A to Z")
    return board


def show_board(board: str) -> str:
    """Return the rows with spaces between them, to be read again."""
    return " ".join(word_at(board, f"h{row + 1}") for row in range(SIDE))


def word_at(board: str, name: str) -> str:
    """Return the word at a place, as far as it is known."""
    return "".join(board[cell] for cell in PLACES[name])


def is_full(text: str) -> bool:
    """Tell whether a board, or a word, has no empty cell."""
    return EMPTY not in text


def write(board: str, name: str, word: str) -> str:
    """Return the board with the word at a place; `ValueError` if all its letters, or others, are there already."""
    found = word_at(board, name)
    if is_full(found):
        raise ValueError(f"{name} is filled")
    cells = list(board)
    for cell, known, letter in zip(PLACES[name], found, word, strict=True):
        if known not in (EMPTY, letter):
            raise ValueError(f"{name} has {found}, which {word} does not fit")
        cells[cell] = letter
    return "".join(cells)
