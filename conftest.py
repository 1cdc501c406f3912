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


def _fail_if_not_allowed(config: pytest.Config, report: pytest.TestReport | pytest.CollectReport) -> None:
    strict = config.getoption("--strict-skips") and not hasattr(report, "wasxfail")
    if report.outcome == "skipped" and strict and not any(map(report.nodeid.startswith, _allowed())):
        report.outcome = "failed"
        report.longrepr = f"skipped, which {ALLOWED.name} does not allow: {report.longrepr}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn the skip of a test that is not allowed into a failure."""
    report = yield
    _fail_if_not_allowed(item.config, report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn the skip of a whole module that is not allowed into a failure."""
    report = yield
    _fail_if_not_allowed(collector.config, report)
    return report
