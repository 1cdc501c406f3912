"""A task without code keeps the contract of tasks: the worked example of the documentation, and one without a mark."""

from dataclasses import replace
from pathlib import Path

from services.cli.definition import read_definition
from services.plugins import define_task
from services.testing.task_suite import TaskSuite

WORD_LADDER = read_definition(Path(__file__).resolve().parents[2] / "docs" / "examples" / "word-ladder.yaml")


class TestWordLadder(TaskSuite):
    task = define_task(WORD_LADDER)
    paths = (
        ("1. cord", "- card", "ward", "warm", "Answer: cold, cord, card, ward, warm"),
        ("* core", "care"),
    )
    invalid_problems = ("", " \n\t")


class TestWithoutAMark(TaskSuite):
    """Then all steps together are the answer."""

    task = define_task(replace(WORD_LADDER, answer="", depth=3))
    paths = (("cord", "card", "ward"), ("core",))
    invalid_problems = ("",)


class TestWithVotes(TaskSuite):
    """With a prompt for votes, steps are compared."""

    task = define_task(
        replace(WORD_LADDER, vote="From {problem}\nby {steps}\nto one of\n{choices}\nor {choices}?\nBest:")
    )
    paths = (("cord", "card", "ward", "warm", "Answer: cold, cord, card, ward, warm"), ("core", "care"))
    invalid_problems = ("",)
