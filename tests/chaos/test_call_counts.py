"""What counts the calls that are paid for twice can tell them from those that are not."""

import hooks
import pytest
from chaos_fleet import Calls

pytestmark = pytest.mark.chaos


@pytest.mark.parametrize(
    ("lines", "cut", "repeated", "paid_twice"),
    [
        (["begun a 1", "kept a 1", "kill p 9"], 0, 0, []),
        (["begun a 1", "kill p 1", "begun a 2", "kept a 2"], 1, 1, []),
        (["begun a 1", "kill p 9", "left a 1", "begun a 1", "kept a 1"], 1, 1, []),
        (["begun a 1", "kill p 9", "left a 1"], 1, 0, []),
        (["kill p 9", "begun a 1", "left a 1"], 0, 0, []),
        (["begun a 1", "kept a 1", "kill p 9", "begun a 2", "kept a 2"], 0, 0, ["a"]),
        (["begun a 1", "kill p 9", "begun a 2", "kept a 1", "kept a 2"], 0, 0, ["a"]),
    ],
)
def test_calls_are_told_apart(tmp_path, lines, cut, repeated, paid_twice):
    (tmp_path / hooks.LINES).write_text("".join("\t".join(line.split()) + "\n" for line in lines))
    calls = Calls.read(tmp_path)
    assert (calls.cut.total(), calls.repeated.total(), calls.paid_twice) == (cut, repeated, paid_twice)
