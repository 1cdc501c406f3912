"""Sudoku as a task: a state is a board, a thought fills a few cells, the full board is the answer.

The order in which cells are filled leaves no trace in the board, so branches that fill the same cells merge (a graph of
thoughts, Besta et al. 2023, arXiv 2308.09687). A search fills in and goes back, as in Long 2023 (arXiv 2305.08291).
Puzzles may have more than one solution: any is right.
"""

import re

from services.core.errors import InvalidInput
from services.core.task import IllegalThought, InvalidProblem, MalformedThought, Method, Prompt, PromptStyle
from services.core.thought import Label, Proposal, State, Verdict
from services.tasks._replies import LABELS, read_label, read_solution, refuse_longer
from services.tasks.sudoku import prompts
from services.tasks.sudoku.board import (
    EMPTY,
    cell_name,
    conflict,
    digits,
    is_complete,
    is_stuck,
    read_board,
    rows,
    side_of,
)

MOST_FILLS = 9
"""Cells that one thought fills at most."""
MOST_STEPS = 64
"""As many as a search goes down; a puzzle of 9 by 9 with a single solution has no more empty cells (McGuire, Tugemann,
Civario 2012, arXiv 1201.0749)."""
MAX_LINE_LENGTH = 100
MAX_ANSWER_LENGTH = 200
MAX_SOLUTION_LENGTH = 4000

_FILL = r"r([1-9])\s*c([1-9])\s*=\s*([1-9])"
_FILLS = re.compile(rf"\s*{_FILL}(?:\s*,\s*{_FILL})*\s*", re.IGNORECASE | re.ASCII)
_EACH_FILL = re.compile(_FILL, re.IGNORECASE | re.ASCII)

Fill = tuple[int, str]
"""Where, and which digit."""


class Sudoku:
    """Fill the empty cells so that each row, column and box has each digit once."""

    name = "sudoku"
    version = "1"
    summary = "Sudoku of 4 by 4 or 9 by 9 cells: fill each row, column and box with each digit once."
    example = "..1. 3... 4... ..2."
    depth = MOST_STEPS
    checked = True
    longest_thought = MAX_LINE_LENGTH

    def normalize(self, problem: str) -> str:
        """Return the cells row by row, empty ones as dots: the usual line of 81 characters, or 16."""
        try:
            board = read_board(problem)
        except ValueError as error:
            raise InvalidProblem(f"{error}, such as {self.example!r}") from error
        if reason := conflict(board):
            raise InvalidProblem(f"the given digits cannot stand together: {reason}")
        if is_complete(board):
            raise InvalidProblem("no cell is empty: nothing is left to do")
        return board

    def propose_prompt(self, state: State, style: PromptStyle, method: Method = Method.STEP) -> Prompt:
        """Ask for cells to fill, or for the whole board."""
        board = _board(state)
        if method is Method.DIRECT:
            return Prompt(prompts.direct(board, style), stop=("\n",))
        if method is Method.CHAIN:
            return Prompt(prompts.chain(read_board(state.problem), state.steps, style), stop=("\n\n",))
        return Prompt(prompts.propose(board, style), stop=("\n\n",))

    def parse_thought(self, state: State, line: str, *, trust: bool) -> Proposal:
        """Read `r1c2 = 3` or several of these, with commas; with `trust`, digits may clash with others."""
        refuse_longer(line, MAX_LINE_LENGTH)
        board = _board(state)
        fills = _read_fills(board, line)
        try:
            filled = _filled(board, fills)
        except ValueError as error:
            raise IllegalThought(str(error)) from error
        if not trust and (reason := conflict(filled)):
            raise IllegalThought(reason)
        text = ", ".join(f"{cell_name(board, cell)} = {digit}" for cell, digit in sorted(fills))
        return Proposal(text, filled, answer=_show(filled) if is_complete(filled) else None)

    def parse_solution(self, state: State, text: str) -> Proposal:
        """Read the board at the end of a chain, or the board alone."""
        try:
            board = read_board(read_solution(text, answer_limit=MAX_ANSWER_LENGTH, limit=MAX_SOLUTION_LENGTH))
        except ValueError as error:
            raise MalformedThought(f"no board: {error}") from error
        return Proposal(text.strip(), f"{state.problem}\n{board}", answer=_show(board))

    def value_prompt(self, state: State, style: PromptStyle) -> Prompt:
        """Ask whether the board can be completed."""
        text = prompts.value(_board(state), style)
        if style is PromptStyle.BARE:
            return Prompt(text, labels=LABELS)
        return Prompt(text, stop=("\n\n",))

    def parse_value(self, text: str) -> Label | None:
        """Read the last label in the text."""
        return read_label(text)

    def value_by_rule(self, state: State) -> Label | None:
        """Find a board impossible where its rules are broken or a cell or digit has no place; and sure where full."""
        board = _board(state)
        if conflict(board) or is_stuck(board):
            return Label.IMPOSSIBLE
        return Label.SURE if is_complete(board) else None

    def validate(self, problem: str, answer: str) -> tuple[Verdict, str]:
        """Check that the board is full, keeps what was given, and has each digit once in each row, column and box."""
        given = self.normalize(problem)
        try:
            refuse_longer(answer, MAX_ANSWER_LENGTH)
            board = read_board(answer)
        except (MalformedThought, ValueError) as error:
            return Verdict.IMPOSSIBLE, f"no board: {error}"
        if reason := _difference(given, board) or conflict(board):
            return Verdict.IMPOSSIBLE, reason
        return Verdict.CERTAIN, "each row, column and box has each digit once"


def _board(state: State) -> str:
    """Return the board that the steps lead to. `InvalidInput` if there is none."""
    try:
        board = read_board(state.problem)
        for step in state.steps:
            board = _filled(board, _read_fills(board, step))
    except (ValueError, MalformedThought, IllegalThought) as error:
        raise InvalidInput(f"the state has no board: {error}", field="state") from error
    return board


def _read_fills(board: str, line: str) -> list[Fill]:
    """Read which cells a line fills, and with what. Raises `MalformedThought` or `IllegalThought`."""
    if len(line) > MAX_LINE_LENGTH or _FILLS.fullmatch(line) is None:
        raise MalformedThought("not of the form r1c2 = 3, or several of these with commas")
    found = _EACH_FILL.findall(line)
    if len(found) > MOST_FILLS:
        raise IllegalThought(f"fills more than {MOST_FILLS} cells")
    side = side_of(board)
    for row, column, digit in found:
        if not {row, column, digit} <= set(digits(side)):
            raise IllegalThought(f"r{row}c{column} = {digit} is not on a board of {side} by {side}")
    return [((int(row) - 1) * side + int(column) - 1, digit) for row, column, digit in found]


def _filled(board: str, fills: list[Fill]) -> str:
    """Return the board with the cells filled; `ValueError` if one is not empty."""
    cells = list(board)
    for cell, digit in fills:
        if cells[cell] != EMPTY:
            raise ValueError(f"{cell_name(board, cell)} is filled")
        cells[cell] = digit
    return "".join(cells)


def _show(board: str) -> str:
    return " ".join(rows(board))


def _difference(given: str, board: str) -> str | None:
    """Say where a board is not one that completes what was given; None if it is."""
    if len(board) != len(given):
        return f"has {len(board)} cells, not {len(given)}"
    for cell, (wanted, found) in enumerate(zip(given, board, strict=True)):
        if found == EMPTY:
            return f"{cell_name(board, cell)} is empty"
        if wanted not in (EMPTY, found):
            return f"{cell_name(board, cell)} is {found}, but was given as {wanted}"
    return None
