"""Sorting by parts: what steps may do, how mistakes are counted; held against Python's own sorting."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prompt_examples import examples

from services.core.errors import InvalidInput
from services.core.task import IllegalThought, InvalidProblem, MalformedThought, Method, PromptStyle
from services.core.thought import Label, State, Verdict
from services.tasks.sorting import TASK, prompts
from services.tasks.sorting.parts import mistakes, read_numbers, show

ROOT = State("3 1 4 1 5 9")
SPLIT = "split 3 1 4 1 5 9 -> 3 1 4 | 1 5 9"
BARE, FEW_SHOT = PromptStyle.BARE, PromptStyle.FEW_SHOT

lists = st.lists(st.integers(0, 999), min_size=2, max_size=64)


def _walk(state, *lines, trust=False):
    """Return the state after the lines, and the last proposal."""
    proposal = None
    for line in lines:
        proposal = TASK.parse_thought(state, line, trust=trust)
        state = State(state.problem, (*state.steps, proposal.text))
    return state, proposal


def _after(*lines, trust=False):
    return _walk(ROOT, *lines, trust=trust)[0]


# --- problems ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("problem", ["3 1 4 1 5 9", "3, 1, 4, 1, 5, 9", "[3,1,4,1,5,9]", " 03 1 4\n1 5 9 "])
def test_a_list_is_read_in_several_ways_and_keeps_its_order(problem):
    assert TASK.normalize(problem) == ROOT.problem


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        ("", "there are no numbers"),
        ("7", "2 to 64 numbers are wanted, not 1"),
        ("1 " * 65, "2 to 64 numbers are wanted, not 65"),
        ("3 1 x", "'x' is no whole number from 0 to 999"),
        ("3 -1", "'-1' is no whole number"),
        ("3 1.5", "'1.5' is no whole number"),
        ("3 1000", "'1000' is no whole number"),
        ("3 " + "9" * 3000, "is no whole number"),
        ("3 \N{ARABIC-INDIC DIGIT TWO}", "is no whole number"),
        ("3 1\0", "is no whole number"),
    ],
)
def test_anything_else_is_refused_and_says_why(problem, message):
    with pytest.raises(InvalidProblem, match=message):
        TASK.normalize(problem)


# --- steps ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "key"),
    [
        ((SPLIT,), "unsorted: 1 5 9\nunsorted: 3 1 4"),
        ((SPLIT, "SORT [3, 1, 4] -> [1, 3, 4]"), "unsorted: 1 5 9\nsorted: 1 3 4"),
        ((SPLIT, "sort 3 1 4 -> 1 4"), "unsorted: 1 5 9\nwrong: 1 4 of 3 1 4"),
        ((SPLIT, "sort 3 1 4 -> 1 4", "fix 1 4 -> 1 3 4"), "unsorted: 1 5 9\nsorted: 1 3 4"),
        ((SPLIT, "sort 3 1 4 -> 1 4", "fix 1 4 -> 3 1 4"), "unsorted: 1 5 9\nwrong: 3 1 4 of 3 1 4"),
        (("split 3 1 4 1 5 9 -> 3 | 1 4 1 5 9",), "unsorted: 1 4 1 5 9\nsorted: 3"),
        (
            (SPLIT, "sort 3 1 4 -> 1 3 4", "sort 1 5 9 -> 1 5 9", "merge 1 5 9 | 1 3 4 -> 1 1 3 5 9"),
            "wrong: 1 1 3 5 9 of 1 3 4 1 5 9",
        ),
    ],
)
def test_steps_make_parts_and_may_go_wrong(lines, key):
    _, proposal = _walk(ROOT, *lines)
    assert (proposal.key, proposal.answer) == (key, None)


def test_the_step_that_leaves_one_list_in_order_is_the_answer():
    state, last = _walk(ROOT, SPLIT, "sort 3 1 4 -> 1 3 4", "sort 1 5 9 -> 1 5 9", "merge 1 5 9|1 3 4 -> 1 1 3 4 5 9")
    assert last.answer == "1 1 3 4 5 9"
    assert state.steps[-1] == "merge 1 5 9 | 1 3 4 -> 1 1 3 4 5 9"
    assert _walk(ROOT, "sort 3 1 4 1 5 9 -> 1 3 1 4 5 9", "fix 1 3 1 4 5 9 -> 1 1 3 4 5 9")[1].answer == last.answer


@pytest.mark.parametrize(
    "line",
    [
        "",
        "1 3 4",
        "sort 3 1 4",
        "sort 3 1 4 ->",
        "sort -> 1 3 4",
        "sort 3 1 4 -> one",
        "sort 3 1 4 -> 1 3 1000",
        "sort 3 1 4 -> 1 | 3 4",
        "sort 3 | 1 4 -> 1 3 4",
        "split 3 1 4 -> 3 1 4",
        "split 3 1 4 -> 3 || 1 4",
        "merge 3 1 4 -> 1 3 4",
        "merge 3 | 1 | 4 -> 1 3 4",
        "fix 3 1 4 -> 1 | 3 4",
        "sort 3 1 4 -> 1 3 4 -> 1 3 4",
        "sort 3 1 4 -> 1 3 \N{ARABIC-INDIC DIGIT FOUR}",
        "sort 3 1 4 -> 1 3 4\0",
        "shuffle 3 1 4 -> 1 3 4",
        "sort " + "1 " * 400 + "-> 1",
    ],
)
@pytest.mark.parametrize("trust", [False, True])
def test_a_line_in_another_format_is_malformed(line, trust):
    with pytest.raises(MalformedThought):
        TASK.parse_thought(_after(SPLIT), line, trust=trust)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("sort 3 1 4 1 5 9 -> 1 1 3 4 5 9", "is no unsorted part"),
        ("sort 7 -> 7", "is no unsorted part"),
        ("sort 5 6 -> 5 6", "is no unsorted part"),
        ("merge 3 1 4 | 5 6 -> 1 3 4 5 6", "is no sorted part"),
        ("merge 5 6 | 5 6 -> 5 5 6 6", "is no sorted part"),
        ("fix 3 1 4 -> 1 3 4", "is no sorted part"),
    ],
)
@pytest.mark.parametrize("trust", [False, True])
def test_a_step_from_a_part_that_is_not_there_is_illegal_even_with_trust(line, reason, trust):
    state = State("3 1 4 6 5", ("split 3 1 4 6 5 -> 3 1 4 | 6 5", "sort 6 5 -> 5 6"))
    with pytest.raises(IllegalThought, match=reason):
        TASK.parse_thought(state, line, trust=trust)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("split 3 1 4 -> 3 | 4", "not the list that was split"),
        ("split 3 1 4 -> 1 | 3 4", "not the list that was split"),
        ("merge 6 5 | 2 -> 2 5 6", "with mistakes is not merged"),
        ("fix 6 5 -> 6 5", "nothing is fixed"),
        ("fix 2 -> 2 2", "nothing to fix"),
    ],
)
def test_a_step_that_gets_nowhere_is_illegal_and_with_trust_believed(line, reason):
    state = State("3 1 4 6 5 2", ("split 3 1 4 6 5 2 -> 3 1 4 | 6 5 | 2", "sort 6 5 -> 6 5"))
    with pytest.raises(IllegalThought, match=reason):
        TASK.parse_thought(state, line, trust=False)
    assert TASK.parse_thought(state, line, trust=True).text == line


def test_with_trust_a_single_list_is_the_answer_and_the_validator_judges_it():
    _, last = _walk(ROOT, "sort 3 1 4 1 5 9 -> 1 3 4 5 9", trust=True)
    assert last.answer == "1 3 4 5 9"
    assert TASK.validate(ROOT.problem, last.answer)[0] is Verdict.IMPOSSIBLE


def test_branches_that_come_to_the_same_parts_are_one_state():
    one = _walk(ROOT, SPLIT, "sort 3 1 4 -> 1 3 4", "sort 1 5 9 -> 1 5 9")[1]
    other = _walk(ROOT, "split 3 1 4 1 5 9 -> 3 1 4 | 1 5 9", "sort 1 5 9 -> 1 5 9", "sort 3 1 4 -> 4 3 1",
                  "fix 4 3 1 -> 1 3 4")[1]  # fmt: skip
    assert one.key == other.key
    assert one.key != _walk(ROOT, SPLIT, "sort 3 1 4 -> 1 3 4")[1].key


def test_of_equal_lists_the_right_one_is_merged_and_the_wrong_one_fixed():
    steps = ("split 2 1 3 1 2 9 9 -> 2 1 3 | 1 2 | 9 9", "sort 2 1 3 -> 1 2", "sort 1 2 -> 1 2")
    state, _ = _walk(State("2 1 3 1 2 9 9"), *steps)
    assert TASK.parse_thought(state, "fix 1 2 -> 1 2 3", trust=False).key == "unsorted: 9 9\nsorted: 1 2\nsorted: 1 2 3"
    state, _ = _walk(state, "sort 9 9 -> 9 9")
    assert TASK.parse_thought(state, "merge 1 2 | 9 9 -> 1 2 9 9", trust=False).key == (
        "wrong: 1 2 of 2 1 3\nsorted: 1 2 9 9"
    )


@pytest.mark.parametrize(
    "state",
    [
        State(""),
        State("a list"),
        State("3 1 \N{ARABIC-INDIC DIGIT TWO}"),
        State("3 1", ("sort 1 3 -> 1 3",)),
        State("3 1", ("sorted it",)),
        State("3 1", ("sort 3 1 -> " + "1 " * 2000,)),
    ],
)
def test_a_state_without_parts_is_an_invalid_input(state):
    for use in (
        *(lambda method=method: TASK.propose_prompt(state, BARE, method) for method in Method),
        lambda: TASK.value_prompt(state, FEW_SHOT),
        lambda: TASK.value_by_rule(state),
        lambda: TASK.parse_thought(state, "sort 3 1 -> 1 3", trust=False),
    ):
        with pytest.raises(InvalidInput, match="no parts"):
            use()


# --- values and answers -----------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 9), min_size=1, max_size=12), st.lists(st.integers(0, 9), min_size=1, max_size=12))
def test_there_are_no_mistakes_exactly_where_a_list_is_sorted(numbers, of):
    assert (mistakes(tuple(numbers), tuple(of)) == 0) == (numbers == sorted(of))
    assert mistakes(tuple(sorted(of)), tuple(of)) == 0


@pytest.mark.parametrize(
    ("numbers", "of", "count"),
    [("1 2 3", "3 2 1", 0), ("1 3 2", "3 2 1", 1), ("3 2 1", "3 2 1", 2), ("1 2", "3 2 1", 1), ("1 2 2 4", "4 2 1", 1),
     ("1 2 5", "3 2 1", 2)],
)  # fmt: skip
def test_mistakes_are_descents_and_numbers_that_are_missing_or_too_many(numbers, of, count):
    assert mistakes(read_numbers(numbers), read_numbers(of)) == count


@pytest.mark.parametrize(
    ("line", "label"),
    [
        ("sort 5 4 3 2 1 0 8 7 -> 0 1 2 3 4 5 7 8", Label.SURE),
        ("sort 5 4 3 2 1 0 8 7 -> 0 1 2 3 4 5 7", Label.LIKELY),
        ("sort 5 4 3 2 1 0 8 7 -> 0 1 2 3 4 7 5", Label.LIKELY),
        ("sort 5 4 3 2 1 0 8 7 -> 0 1 2 3", Label.IMPOSSIBLE),
        ("split 5 4 3 2 1 0 8 7 -> 5 4 3 2 | 1 0 8 7", Label.SURE),
    ],
)
def test_the_rule_labels_a_state_by_its_mistakes(line, label):
    assert TASK.value_by_rule(State("5 4 3 2 1 0 8 7", (line,))) is label


@pytest.mark.parametrize(
    ("answer", "explanation"),
    [
        ("", "there are no numbers"),
        ("1 1 3 4 5", "has other numbers than 3 1 4 1 5 9"),
        ("1 3 4 5 9 9", "has other numbers"),
        ("3 1 4 1 5 9", "not in ascending order"),
        ("1 1 3 4 5 nine", "is no whole number"),
        ("1 " * 2000, "longer than 400"),
    ],
)
def test_a_wrong_list_is_impossible_and_says_why(answer, explanation):
    verdict, why = TASK.validate(ROOT.problem, answer)
    assert verdict is Verdict.IMPOSSIBLE
    assert explanation in why


def test_the_answer_of_a_whole_solution_is_its_last_line():
    proposal = TASK.parse_solution(ROOT, "sort 3 1 4 1 5 9 -> ...\nAnswer: [1, 1, 3, 4, 5, 9]\n")
    assert proposal.answer == "1 1 3 4 5 9"
    assert TASK.parse_solution(ROOT, "1 1 3 4 5 9").key == proposal.key
    for wrong in ("", "Answer:", "I sorted it", "1 " * 300, "x" * 4001):
        with pytest.raises(MalformedThought):
            TASK.parse_solution(ROOT, wrong)


# --- Python's own sorting ---------------------------------------------------------------------------------------------


@given(lists, lists)
def test_an_answer_is_certain_exactly_if_it_is_the_sorted_list(numbers, other):
    assert TASK.validate(show(numbers), show(sorted(numbers)))[0] is Verdict.CERTAIN
    for answer in (other, sorted(other), numbers):
        assert (TASK.validate(show(numbers), show(answer))[0] is Verdict.CERTAIN) == (answer == sorted(numbers))


@settings(deadline=None, max_examples=60)
@given(lists, st.data())
def test_any_way_of_splitting_sorting_slipping_fixing_and_merging_is_legal_and_ends_in_the_answer(numbers, data):
    size = data.draw(st.integers(max(1, len(numbers) // 8), len(numbers)))
    pieces = [numbers[start : start + size] for start in range(0, len(numbers), size)]
    lines = [f"split {show(numbers)} -> {' | '.join(map(show, pieces))}"] if len(pieces) > 1 else []
    for piece in data.draw(st.permutations(pieces)):
        if len(piece) > 1:
            lines += _slipping(f"sort {show(piece)}", sorted(piece), data)
    done = data.draw(st.permutations([sorted(piece) for piece in pieces]))
    while len(done) > 1:
        one, other, *rest = done
        merged = sorted([*one, *other])
        lines += _slipping(f"merge {show(one)} | {show(other)}", merged, data)
        done = data.draw(st.permutations([merged, *rest]))
    state, last = _walk(State(show(numbers)), *lines)
    assert last.answer == show(sorted(numbers))
    assert TASK.validate(state.problem, last.answer)[0] is Verdict.CERTAIN
    assert all(len(line) <= TASK.longest_thought for line in state.steps)


def _slipping(step, right, data):
    """The step as it should be, or with a number lost, and found again."""
    if len(right) < 2 or data.draw(st.booleans()):
        return [f"{step} -> {show(right)}"]
    lost = data.draw(st.integers(0, len(right) - 1))
    wrong = right[:lost] + right[lost + 1 :]
    return [f"{step} -> {show(wrong)}", f"fix {show(wrong)} -> {show(right)}"]


@pytest.mark.parametrize("size", [4, 8, 16, 64])
def test_the_longest_lists_fit_into_lines_and_steps_and_prompts(size):
    numbers = list(range(999, 999 - 64, -1))
    pieces = [numbers[start : start + size] for start in range(0, 64, size)]
    lines = [f"split {show(numbers)} -> {' | '.join(map(show, pieces))}"] if size < 64 else []
    lines += [f"sort {show(piece)} -> {show(sorted(piece))}" for piece in pieces]
    done = [sorted(piece) for piece in pieces]
    while len(done) > 1:
        one, other, *rest = done
        lines.append(f"merge {show(one)} | {show(other)} -> {show(sorted([*one, *other]))}")
        done = [*rest, sorted([*one, *other])]
    state = State(show(numbers))
    for line in lines:
        before = TASK.value_prompt(state, FEW_SHOT).text
        state, last = _walk(state, line)
        assert len(TASK.value_prompt(state, FEW_SHOT).text) <= len(before) + TASK.longest_thought
    assert last.answer == show(sorted(numbers))
    assert len(lines) <= TASK.depth


# --- the examples in the prompts --------------------------------------------------------------------------------------


def _shown(text):
    """Yield the parts and the lines of each example that shows parts."""
    for block in text.split("Parts:\n")[1:-1]:
        lines = [line for line in block.strip().splitlines() if not line.endswith(":")]
        parts = [line for line in lines if line.startswith(("unsorted: ", "sorted: ", "wrong: "))]
        yield parts, lines[len(parts) :]


def _state_of(parts):
    """A state that has these parts."""
    lists = [(part.partition(": ")[0], *part.partition(": ")[2].split(" of ")) for part in parts]
    whole = [numbers[-1] for _, *numbers in lists]
    steps = [f"split {' '.join(whole)} -> {' | '.join(whole)}"] if len(whole) > 1 else []
    steps += [f"sort {of} -> {numbers[0]}" for (kind, *numbers), of in zip(lists, whole, strict=True)
              if kind != "unsorted"]  # fmt: skip
    return State(" ".join(whole), tuple(steps))


PROPOSE, VALUE = (
    list(_shown(text)) for text in (prompts.propose("unsorted: 1", FEW_SHOT), prompts.value("unsorted: 1", FEW_SHOT))
)
CHAIN, DIRECT = (list(examples(text)) for text in (prompts.chain("1", (), FEW_SHOT), prompts.direct("1", FEW_SHOT)))


def test_there_are_examples():
    assert [len(blocks) for blocks in (PROPOSE, VALUE, CHAIN, DIRECT)] == [4, 3, 1, 2]


@pytest.mark.parametrize(("parts", "lines"), [*PROPOSE, *VALUE])
def test_an_example_shows_parts_as_prompts_do(parts, lines):
    assert lines
    shown = "\n".join(parts)
    assert TASK.propose_prompt(_state_of(parts), BARE).text == f"Parts:\n{shown}\nNext:\n"


@pytest.mark.parametrize(("parts", "line"), [(parts, line) for parts, lines in PROPOSE for line in lines])
def test_every_step_in_an_example_is_legal_and_right(parts, line):
    state, proposal = _walk(_state_of(parts), line)
    assert proposal.text == line
    assert TASK.value_by_rule(state) is Label.SURE or "wrong" in "\n".join(parts)


@pytest.mark.parametrize(("parts", "lines"), VALUE)
def test_every_example_of_a_value_has_the_label_of_the_rule(parts, lines):
    assert TASK.value_by_rule(_state_of(parts)) is TASK.parse_value(lines[-1])


@pytest.mark.parametrize(("problem", "lines"), [*CHAIN, *DIRECT])
def test_every_example_of_a_solution_is_legal_and_certain(problem, lines):
    *steps, last = lines
    answer = last.removeprefix("Answer: ")
    if steps:
        assert _walk(State(problem), *steps)[1].answer == answer
    assert TASK.validate(problem, answer)[0] is Verdict.CERTAIN
    assert Counter(answer.split()) == Counter(problem.split())
