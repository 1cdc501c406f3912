"""Every task that ships keeps the contract of tasks. A new task needs an entry in `PATHS`."""

import pytest

from services.plugins import TASKS
from services.testing.task_suite import TaskSuite

PATHS = {
    "countdown": (
        (
            "75 * 3 = 225 (left: 6 25 50 100 225)",
            "6 + 100 = 106 (left: 25 50 106 225)",
            "106 * 225 = 23850 (left: 25 50 23850)",
            "23850 - 50 = 23800 (left: 25 23800)",
            "23800 / 25 = 952 (left: 952)",
        ),
        (
            "6 + 100 = 106 (left: 3 25 50 75 106)",
            "3 * 75 = 225 (left: 25 50 106 225)",
        ),
        ("25 / 75 = 0.33 (left: 0.33 3 6 50 100)", "100 * 0.33 = 33.33 (left: 3 6 33.33 50)"),
    ),
    "creative_writing": (
        (
            "Plan:\nA keeper comes home.\n1. the dark tower\n2. the cat knows\n\n3. a meal\n4. the ticket",
            "Passage:\nHe came by boat. The lighthouse had been dark for eleven years.\n\n"
            "They all guessed why. Nobody had thought of asking the cat.\n\n"
            "A cook was found. By noon the soup was cold on purpose.\n \n"
            "Then his aunt left. She still keeps the ticket in her left shoe.\n",
        ),
        ("A cat tells the whole story.",),
        ("Two tourists fight about lunch.",),
    ),
    "crosswords": (
        ("h1. CRIME", "v5. enter (certain)", "h3. INPUT (high)", "h4. FALSE", "h2. LEMON", "h5. FLYER"),
        ("v5. ENTER", "h1. CRIME", "v2. RENAL", "h3. INPUT"),
        ("h2. PEACH (low)", "v1. APRIL"),
    ),
    "game24": (
        (
            "11 + 11 = 22 (left: 1 1 22)",
            "1 + 1 = 2 (left: 2 22)",
            "2 + 22 = 24 (left: 24)",
            "Answer: (1 + 1) + (11 + 11) = 24",
        ),
        (
            "1 + 1 = 2 (left: 2 11 11)",
            "11 + 11 = 22 (left: 2 22)",
            "22 + 2 = 24 (left: 24)",
            "Answer: 11 + 11 + (1 + 1)",
        ),
        ("1 / 11 = 0.09 (left: 1 11 0.09)", "11 * 1 = 11 (left: 0.09 11)", "11 / 0.09 = 121 (left: 121)"),
        ("11 - 1 = 10 (left: 1 10 11)",),
    ),
    "sorting": (
        (
            "split 3 1 4 1 5 9 2 6 5 3 -> 3 1 4 1 5 | 9 2 6 5 3",
            "sort 3 1 4 1 5 -> 1 1 3 4 5",
            "sort 9 2 6 5 3 -> 2 3 5 6 9",
            "merge 1 1 3 4 5 | 2 3 5 6 9 -> 1 1 2 3 3 4 5 5 6 9",
        ),
        (
            "split 3 1 4 1 5 9 2 6 5 3 -> 3 1 4 1 5 | 9 2 6 5 3",
            "sort 9 2 6 5 3 -> 2 3 5 6 9",
            "sort 3 1 4 1 5 -> 1 1 3 4 5",
        ),
        ("sort 3 1 4 1 5 9 2 6 5 3 -> 1 1 2 3 3 4 5 5 6 9",),
        ("split 3 1 4 1 5 9 2 6 5 3 -> 3 1 4 | 1 5 9 | 2 6 5 3", "sort 1 5 9 -> 1 5 9", "sort 2 6 5 3 -> 2 3 5 6"),
    ),
    "sudoku": (
        (
            "r1c1 = 2",
            "r1c2 = 4, r1c4 = 3",
            "r2c2 = 1, r2c3 = 4, r2c4 = 2",
            "r3c2 = 2, r3c3 = 3, r3c4 = 1",
            "r4c1 = 1, r4c2 = 3, r4c4 = 4",
        ),
        ("r1c2 = 4, r1c4 = 3", "r1c1 = 2"),
        ("r4c4 = 3",),
    ),
}
"""For each task, lines that lead from its example towards an answer."""

INVALID = {
    "countdown": ("", "1 2 3", "1 2 -> x", "1 -> 5", "1 2 3 4 5 6 7 8 9 -> 10", "1 2 -> 2", "1 ٢ -> 3"),
    "crosswords": (
        "",
        "h1. Theft",
        "; ".join(f"{place}{i}. clue" for i in range(1, 6) for place in "hv"),
        "; ".join(f"{place}{i}. {'?' if i == 5 else 'clue'}" for place in "hv" for i in range(1, 6)),
    ),
    "creative_writing": (
        "",
        "One. Two. Three.",
        "A\nB\nC\nD\nE",
        "One. Two. Three. ?!\n",
        "a\nb\nc\n...",
        "a\nb\nc\n" + "d" * 401,
    ),
    "sorting": ("", "7", "1 " * 65, "one two", "3 1000", "3 -1", "3 ٤"),
    "sudoku": ("", "....", "." * 36, "1" * 16, "." * 15 + "٢", "." * 15 + "5", "1234 3412 2143 4321"),
    "game24": (
        "",
        "1 2 3",
        "1 2 3 4 5",
        "one two three four",
        "0 1 2 3",
        "1 2 3 200",
        "1 2 3 -4",
        "1 2 3 4.0",
        "1 2 3 ٤",
    ),
}
"""For each task, problems that it refuses."""


def _suite_of(name):
    members = {
        "task": TASKS.load(name).TASK,
        "paths": PATHS.get(name, ()),
        "invalid_problems": INVALID.get(name, ("",)),
    }
    return type(f"Test_{name}", (TaskSuite,), members)


for _name in TASKS.names():
    globals()[f"Test_{_name}"] = _suite_of(_name)


@pytest.mark.parametrize("name", TASKS.names())
def test_a_task_is_called_as_its_module_and_has_paths_to_test(name):
    assert TASKS.load(name).TASK.name == name
    assert PATHS.get(name), f"add lines that solve the example of {name} to PATHS"
