"""The page of patterns names all of them, and nothing that is not there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "patterns.md"
PATTERNS = {
    *("functional decomposition", "task parallelism", "divide and conquer", "early termination"),
    *("memoization", "spatial locality", "lazy initialization", "distributed cache", "state externalization"),
    *("small local models", "graph database", "de-duplication of partial solutions", "stateless modules"),
    *("exponential backoff", "retry with jitter", "rate limiting", "caching"),
    *("event-driven parallelism", "competing consumers", "scatter-gather", "load balancing", "orchestrator-worker"),
    "asynchronous processing",
    *("operator", "autoscaling to zero and back", "horizontal scaling", "batch prompting"),
}
LINK = re.compile(r"\]\(([^)#]*)(?:#([^)]+))?\)")
TEST = re.compile(r"`([\w/]+\.py)::(\w+)`")


def rows() -> dict[str, list[str]]:
    """The cells of each pattern: where, test, figure."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and "---" not in line]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {first: rest for first, *rest in cells if first != "pattern"}


def anchors(page: Path) -> set[str]:
    """What the headings of a page can be linked by."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def broken(text: str) -> list[str]:
    """The links of a text that lead nowhere."""
    found = []
    for path, anchor in LINK.findall(text):
        page = (PAGE.parent / path).resolve() if path else PAGE
        if not page.exists() or (anchor and anchor not in anchors(page)):
            found.append(f"{path}#{anchor}")
    return found


def missing(text: str) -> list[str]:
    """The tests in a text that do not exist."""
    return [
        f"{path}::{name}"
        for path, name in TEST.findall(text)
        if not (ROOT / path).exists() or not re.search(rf"def {name}\(", (ROOT / path).read_text())
    ]


def test_every_pattern_is_there_once() -> None:
    listed = re.findall(r"^\| ([^|]+) \|", PAGE.read_text(), re.MULTILINE)
    assert sorted(name for name in listed if name != "pattern" and "---" not in name) == sorted(PATTERNS)


@pytest.mark.parametrize("pattern", sorted(PATTERNS))
def test_its_code_its_test_and_its_figure_exist(pattern: str) -> None:
    where, test, figure = rows()[pattern]
    assert broken(where + figure) == missing(test) == []
    assert TEST.search(test)
    assert re.search(r"\d", figure)
    assert LINK.search(figure)
    assert LINK.search(where) or pattern in {"retry with jitter", "caching"}, "these are where their neighbours are"


def test_what_does_not_exist_is_found() -> None:
    assert broken("[a](../no/file.py) [b](settings.md#no-heading)") == ["../no/file.py#", "settings.md#no-heading"]
    assert missing("`tests/unit/test_patterns.py::test_no`") == ["tests/unit/test_patterns.py::test_no"]
