"""What the tests that kill have in common: the table that they end with."""

import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
pytest.register_assert_rewrite("chaos_fleet")


class Table:
    """Point by point: kills, calls of the model that they cut off, and those of them that were made again."""

    def __init__(self):
        self.rows = defaultdict(Counter)
        self.seeds = set()

    def add(self, victim, calls, seed):
        """Add what one test has counted."""
        self.seeds.add(seed)
        for number, point in enumerate(calls.kills):
            self.rows[victim, point].update(kills=1, cut=calls.cut[number], repeated=calls.repeated[number])
        self.rows[victim, "of so many calls"]["made"] = calls.made


_table = Table()


@pytest.fixture
def chaos_table():
    """The table of this run."""
    return _table


def pytest_terminal_summary(terminalreporter):
    """Print the table."""
    if not _table.rows:
        return
    terminalreporter.section(f"kills, with CHAOS_SEED={min(_table.seeds)}")
    line = "{:<14}{:<44}{:>8}{:>12}{:>12}".format
    terminalreporter.line(line("killed", "when", "kills", "calls cut", "made again"))
    for (victim, point), row in _table.rows.items():
        if "made" in row:
            terminalreporter.line(line(victim, f"all calls: {row['made']}", "", "", ""))
        else:
            terminalreporter.line(line(victim, point, row["kills"], row["cut"], row["repeated"]))
