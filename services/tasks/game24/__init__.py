"""The Game of 24: use each of four numbers once, with + - * /, to make 24."""

from services.tasks.game24.task import Game24

TASK = Game24()
