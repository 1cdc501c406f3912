"""Sudoku of 4 by 4 or 9 by 9 cells: each row, column and box has each digit once."""

from services.tasks.sudoku.task import Sudoku

TASK = Sudoku()
