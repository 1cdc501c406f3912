"""The critical path of traces that are made by hand."""

from dataclasses import dataclass

import pytest
from critical_path import critical_path


@dataclass(frozen=True)
class Span:
    id: str
    parent: str
    start: int
    end: int


def own_times(*spans):
    return {span.id: own for span, own in critical_path(spans, spans[0])}


ROOT = Span("root", "", 0, 100)


@pytest.mark.parametrize(
    ("children", "own"),
    [
        ([], {"root": 100}),
        ([Span("a", "root", 10, 40), Span("b", "root", 50, 90)], {"root": 30, "b": 40, "a": 30}),
        # Of two at once, the one that ended last was waited for.
        ([Span("a", "root", 10, 80), Span("b", "root", 20, 90)], {"root": 30, "b": 70}),
        ([Span("a", "root", 10, 90), Span("b", "a", 20, 30)], {"root": 20, "a": 70, "b": 10}),
        # Cut off by the end of what it was for.
        ([Span("a", "root", 10, 90), Span("b", "root", 50, 101)], {"root": 20, "a": 80}),
        ([Span("a", "root", 0, 100)], {"root": 0, "a": 100}),
    ],
)
def test_what_was_waited_for_is_on_the_path(children, own):
    assert own_times(ROOT, *children) == own
    assert sum(own.values()) == ROOT.end


def test_a_span_that_begins_before_its_parent_shows():
    assert sum(own_times(ROOT, Span("a", "root", -20, 90)).values()) > ROOT.end
    assert sum(own_times(ROOT, Span("a", "root", 50, 90), Span("b", "a", 30, 80)).values()) > ROOT.end
