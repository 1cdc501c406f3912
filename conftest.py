"""Skips that count: with --strict-skips, a skip fails the run unless `tests/allowed-skips.txt` lists it."""

from collections.abc import Generator
from pathlib import Path

import pytest

ALLOWED = Path(__file__).parent / "tests" / "allowed-skips.txt"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --strict-skips."""
    parser.addoption("--strict-skips", action="store_true", help=f"fail on skips that {ALLOWED.name} does not list")


def _allowed() -> list[str]:
    """Return the ids, or beginnings of ids, that may skip; each line is `id: reason`."""
    lines = (line.strip() for line in ALLOWED.read_text().splitlines())
    return [line.partition(": ")[0] for line in lines if line and not line.startswith("#")]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip that is not allowed into a failure."""
    report = yield
    if report.skipped and item.config.getoption("--strict-skips") and not hasattr(report, "wasxfail"):
        if not item.nodeid.startswith(tuple(_allowed()) or ("\0",)):
            report.outcome = "failed"
            report.longrepr = f"skipped, which {ALLOWED.name} does not allow: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn a skip of a whole module that is not allowed into a failure."""
    report = yield
    if report.outcome == "skipped" and collector.config.getoption("--strict-skips"):
        if not collector.nodeid.startswith(tuple(_allowed()) or ("\0",)):
            report.outcome = "failed"
            report.longrepr = f"skipped, which {ALLOWED.name} does not allow: {report.longrepr}"
    return report
