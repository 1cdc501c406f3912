"""Countdown: make a target of some of the given numbers, with + - * /."""

from services.tasks.countdown.task import Countdown

TASK = Countdown()
