"""Drawings of trees: every thought once, and a hostile text stays text."""

import re
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.cli.drawings.draw import make_drawing
from services.cli.drawings.svg import MOST_THOUGHTS
from services.cli.wording import one_line
from services.core.errors import InvalidInput
from services.core.history import Begun
from services.core.projection import Projection
from services.orchestrator.messages import thought_to_proto
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.testing.histories import HOSTILE, Shape, history

SVG = "{http://www.w3.org/2000/svg}"
TRICKS = (
    *HOSTILE,
    '"]; end\n  click t1 call alert(1)',
    "</text><script>alert(1)</script>",
    "]]>&lt;&#34;&quot;",
    '" shape=none URL="x',
    "\\N \\G \\E \\",
    "1. one\n- two `three` **four** #quot; %% five",
    "\x1b[2J\x1b]0;title\x07\x9b31m",
    "\u2028\u2029\u202e\u200b",
)


def thoughts_of(seed, **shape):
    """The tree of a history as `GetTree` sends it."""
    records = history(seed, Shape(texts=TRICKS, **shape))
    first = next(records)
    assert isinstance(first, Begun)
    projection = Projection("solve", first)
    projection.take(list(records))
    changes = projection.changes()
    ways = {}
    for step in changes.steps:
        ways.setdefault(step.thought_id, []).append(step)
    return [thought_to_proto(thought, ways.get(thought.id, [])) for thought in changes.thoughts]


def drawn(form, thoughts, *, whole=True):
    drawing = make_drawing(form, whole=whole)
    lines = [*drawing.begin()]
    for thought in thoughts:
        lines += drawing.take(thought)
    lines += drawing.end()
    # No text makes a line of its own.
    assert all("\n" not in line and "\r" not in line for line in lines)
    return lines


def family(*texts, **fields):
    """A root, and children of it."""
    root = wire.TreeThought(thought_id="0" * 16, text="root", status=wire.THOUGHT_STATUS_OPEN, on_answer_path=True)
    return [
        root,
        *(
            wire.TreeThought(
                thought_id=f"{number:016x}",
                parent_id="0" * 16,
                depth=1,
                text=text,
                status=wire.THOUGHT_STATUS_OPEN,
                **fields,
            )
            for number, text in enumerate(texts, start=1)
        ),
    ]


def test_marks_scores_and_reasons_are_shown():
    thoughts = family("one", "two", "three", "four", "five")
    _, open_, pruned, failed, rejected, answer = thoughts
    open_.value.sure, open_.score = 0.5, 0.5
    pruned.status, pruned.note = wire.THOUGHT_STATUS_PRUNED, "score 0 below 0.01"
    failed.status, failed.note = wire.THOUGHT_STATUS_FAILED, "the model broke"
    rejected.status, rejected.note = wire.THOUGHT_STATUS_REJECTED, "makes 23, not 24"
    answer.status, answer.on_answer_path = wire.THOUGHT_STATUS_ANSWER, True
    below = wire.TreeThought(
        thought_id="a" * 16, parent_id=open_.thought_id, depth=2, text="deep", status=wire.THOUGHT_STATUS_OPEN
    )
    below.merged.add(parent_id=answer.thought_id, text="another\nway")
    assert drawn("text", [*thoughts, below])[:-2] == [
        "◆ root",
        "├─ ● one  0.50",
        "│  └─ ● deep  #6",
        "├─ ○ two  pruned: score 0 below 0.01",
        "├─ ! three  failed: the model broke",
        "├─ ✘ four  rejected: makes 23, not 24",
        "└─ ✔ five",
        "   └─ ⇄ another ⏎ way  is #6",
    ]


def test_a_way_from_a_thought_that_comes_later_is_drawn_too():
    root, first, second = family("one", "two")
    first.merged.add(parent_id=second.thought_id, text="again")
    assert drawn("text", [root, first, second])[:-2] == ["◆ root", "├─ ● one  #1", "└─ ● two", "   └─ ⇄ again  is #1"]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_text_has_every_thought_and_every_way_once(seed):
    thoughts = thoughts_of(seed, thoughts=60)
    *lines, _, _ = drawn("text", thoughts)
    assert len(lines) == len(thoughts) + sum(len(thought.merged) for thought in thoughts)
    assert all(line.isprintable() for line in lines)
    # Depth is indentation.
    depths = sorted(len(re.match("[│ ├└─]*", line)[0]) // 3 for line in lines if "⇄" not in line)
    assert depths == sorted(thought.depth for thought in thoughts)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_svg_is_well_formed_and_shows_every_text_as_it_is(seed):
    thoughts = thoughts_of(seed, thoughts=60)
    picture = ElementTree.fromstring("\n".join(drawn("svg", thoughts)))
    assert {element.tag for element in picture.iter()} == {
        f"{SVG}{tag}" for tag in ("svg", "style", "path", "text", "title")
    }
    titles = [title.text for title in picture.iter(f"{SVG}title")]
    assert len(titles) == len(thoughts)
    for thought in thoughts:
        assert any(one_line(thought.text) in title for title in titles)
    places = [(label.get("x"), label.get("y")) for label in picture.iter(f"{SVG}text")]
    assert len(set(places)) == len(places)
    assert len(picture.findall(f"{SVG}path")) == len(thoughts) - 1 + sum(len(thought.merged) for thought in thoughts)


STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')


def undotted(label):
    """What Graphviz shows of a label."""
    shown = re.sub(r"\\(.)", lambda match: "\n" if match[1] == "n" else match[1], label)
    return shown.replace("&amp;", "&")


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_dot_has_labels_that_say_the_texts_and_nothing_else(seed):
    thoughts = thoughts_of(seed, thoughts=60)
    lines = drawn("dot", thoughts)
    labels = {}
    for line in lines[3:-1]:
        bare = STRING.sub("S", line)
        assert re.fullmatch(r"  (S \[label=S( fillcolor=S)?\]|S -> S( \[style=dashed constraint=false\])?)", bare), line
        if "label" in bare:
            name, label, *_ = STRING.findall(line)
            labels[name] = undotted(label)
            assert not re.search(r"&(?!amp;)", label)
    assert labels.keys() == {thought.thought_id for thought in thoughts}
    for thought in thoughts:
        assert one_line(thought.text) in labels[thought.thought_id]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_mermaid_has_labels_that_say_the_texts_and_nothing_else(seed):
    thoughts = thoughts_of(seed, thoughts=60)
    node = re.compile(r'  t([0-9a-f]{16})\["([^"]*)"\](:::[a-z]+)?')
    labels = {}
    for line in drawn("mermaid", thoughts):
        if found := node.fullmatch(line):
            assert not re.search(r"[<>\"`*_\\{}\[\]&;%-]", re.sub(r"#\d+;|<br/>", "", found[2]))
            labels[found[1]] = re.sub(r"#(\d+);", lambda code: chr(int(code[1])), found[2])
        else:
            edge = r"  t[0-9a-f]{16} (-->|-\.->) t[0-9a-f]{16}"
            assert re.fullmatch(rf"flowchart LR|  classDef [a-z]+ fill:#[0-9a-f]{{6}}|{edge}", line), line
    assert labels.keys() == {thought.thought_id for thought in thoughts}
    for thought in thoughts:
        assert one_line(thought.text) in labels[thought.thought_id]


@pytest.mark.parametrize(
    ("form", "further"),
    [("mermaid", "-.->"), ("dot", "style=dashed"), ("svg", 'class="further"'), ("text", "⇄ from beside")],
)
def test_no_edge_comes_from_what_is_left_out(form, further):
    root, first, second = family("one", "two")
    first.merged.add(parent_id="f" * 16, text="from below")
    first.merged.add(parent_id=second.thought_id, text="from beside")
    picture = "\n".join(drawn(form, [root, first, second], whole=False))
    assert "f" * 16 not in picture
    assert "from below" not in picture
    assert picture.count(further) == 1


def test_a_picture_that_is_too_large_is_refused_with_advice():
    drawing = make_drawing("svg", whole=True)
    *most, one_more = family(*["one"] * MOST_THOUGHTS)
    for thought in most:
        list(drawing.take(thought))
    with pytest.raises(InvalidInput, match="--depth"):
        drawing.take(one_more)


def test_a_deep_tree_is_drawn():
    thoughts = family("step")
    for depth in range(2, 1500):
        thoughts.append(
            wire.TreeThought(
                thought_id=f"{depth:016x}",
                parent_id=f"{depth - 1:016x}",
                depth=depth,
                text="step",
                status=wire.THOUGHT_STATUS_OPEN,
            )
        )
    for form in "text", "svg", "dot", "mermaid":
        assert len(drawn(form, thoughts)) >= 1500
