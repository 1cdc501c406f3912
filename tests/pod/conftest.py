"""What the tests of pods have in common: where their parts lie, and the table of the rolling restarts."""

import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "chaos"))

import hooks

pytest.register_assert_rewrite("pods", "queue_proxy")


class RollingTable:
    """Service by service, pods that were told to end and the calls that they had; what came of the model's calls."""

    def __init__(self):
        self.rows = defaultdict(Counter)
        self.said = ""

    def told_to_end(self, name, pod):
        """Note that a pod is about to be told to end."""
        self.rows[name].update(restarts=1, busy=pod.load > 0, had=pod.load)
        hooks.write_line("kill", name)

    def add(self, calls, *, solves, seconds):
        """Add what was counted."""
        made = f"{calls.made} calls of the model, {calls.cut.total()} cut off, {calls.repeated.total()} made again"
        self.said = f"{solves} solves in {seconds:.0f} s, all as if nothing had been; {made}"


_table = RollingTable()


@pytest.fixture
def rolling_table():
    """The table of this run."""
    return _table


def pytest_terminal_summary(terminalreporter):
    """Print the table."""
    if not _table.said:
        return
    terminalreporter.section("rolling restarts")
    line = "{:<14}{:>10}{:>24}{:>14}".format
    terminalreporter.line(line("service", "restarts", "while calls were there", "those calls"))
    for name, row in _table.rows.items():
        terminalreporter.line(line(name, row["restarts"], row["busy"], row["had"]))
    terminalreporter.line(_table.said)
