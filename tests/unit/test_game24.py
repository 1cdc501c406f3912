"""The Game of 24: exact arithmetic, a parser of steps, a validator that trusts nothing."""

import csv
import re
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from prompt_examples import examples, value_examples

from services.core.errors import InvalidInput
from services.core.task import IllegalThought, InvalidProblem, MalformedThought, PromptStyle
from services.core.thought import Label, State, Verdict
from services.tasks._arithmetic import (
    MAX_EXPRESSION_DEPTH,
    MAX_EXPRESSION_LENGTH,
    MAX_EXPRESSION_NUMBERS,
    OPERATORS,
    ExpressionError,
    evaluate,
    read,
    show,
    shows,
)
from services.tasks._replies import LABELS
from services.tasks.game24 import TASK, prompts

PUZZLES = Path(__file__).parents[2] / "models" / "puzzles"

fractions = st.builds(Fraction, st.integers(-999, 999), st.integers(1, 999))
puzzles = st.lists(st.integers(1, 199), min_size=4, max_size=4)


def _state(problem, *lines, trust=False):
    state = State(TASK.normalize(problem))
    for line in lines:
        state = State(state.problem, (*state.steps, TASK.parse_thought(state, line, trust=trust).text))
    return state


def _step(state, line, *, trust=False):
    return TASK.parse_thought(state, line, trust=trust)


# --- arithmetic -------------------------------------------------------------------------------------------------------


@given(fractions)
def test_what_is_shown_is_read_exactly(number):
    assert read(show(number)) == number
    assert shows(show(number), number)


@pytest.mark.parametrize(
    ("text", "number"),
    [("8", 8), ("-3", -3), ("8/3", Fraction(8, 3)), ("2.5", Fraction(5, 2)), ("007", 7), ("6/4", Fraction(3, 2))],
)
def test_numbers_are_read_as_they_are_written(text, number):
    assert read(text) == number


@pytest.mark.parametrize(
    "text",
    ["", "x", "1/0", "1e999999999", "1_000", "٣", "²", "nan", "inf", "1.", ".5", "+1", " 1", "1 ", "1/-2", "9" * 10],
)
def test_what_is_no_number_is_refused_without_being_computed(text):
    with pytest.raises(ValueError, match=r"is no number|divides by zero"):
        read(text)


@given(fractions, st.integers(2, 6))
def test_a_decimal_shows_a_number_if_it_is_rounded_to_the_digits_it_has(number, digits):
    assert shows(f"{float(number):.{digits}f}", number)
    off = Fraction(2, 10**digits)
    assert not shows(f"{float(number + off):.{digits}f}", number)


@pytest.mark.parametrize("text", ["0.12", "0.13", "0.125"])
def test_a_half_may_be_rounded_up_or_down(text):
    assert shows(text, Fraction(1, 8))


@pytest.mark.parametrize("text", ["0.3", "0.34", "0.32", "0", "1"])
def test_one_digit_or_a_wrong_one_does_not_show_a_third(text):
    assert not shows(text, Fraction(1, 3))


expressions = st.recursive(
    st.integers(0, 99).map(lambda number: (str(number), Fraction(number), [number])),
    lambda inner: (
        st.tuples(inner, st.sampled_from("+-*/"), inner)
        .filter(lambda parts: parts[1] != "/" or parts[2][1] != 0)
        .map(
            lambda parts: (
                f"({parts[0][0]} {parts[1]} {parts[2][0]})",
                OPERATORS[parts[1]](parts[0][1], parts[2][1]),
                parts[0][2] + parts[2][2],
            )
        )
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(expressions)
def test_an_expression_has_its_exact_value_and_its_numbers_in_order(expression):
    text, value, numbers = expression
    assert evaluate(text) == (value, numbers)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2 + 3 * 4", 14),
        ("10 - 4 - 3", 3),
        ("24 / 4 / 2", 3),
        ("8 / (3 - 8 / 3)", 24),
        (" ( 1+1 )*12 ", 24),
        ("1 / 3 * 3", 1),
    ],
)
def test_operators_bind_and_associate_as_in_school(text, value):
    assert evaluate(text)[0] == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "ends too early"),
        ("1 +", "ends too early"),
        ("(1 + 2", "ends too early"),
        ("(1 2)", "not closed"),
        ("1 + 2)", r"unexpected \)"),
        ("1 2", "unexpected 2"),
        ("-1", "unexpected -"),
        ("2 ** 3", r"unexpected \*"),
        ("1.5 + 1", "unexpected '.5 "),
        ("1 / (2 - 2)", "divides by zero"),
        ("4 // 2", "unexpected /"),
        ("__import__('os')", "unexpected '__import__"),
        ("1 if 1 else 2", "unexpected 'if"),
        ("٣ + 1", "unexpected '٣"),
        ("2² + 1", "unexpected '²"),
        ("2 × 3", "unexpected '×"),  # noqa: RUF001 - the sign is the point
        ("1\0", "unexpected"),
        ("9" * 10, "unexpected 9"),
        ("1+" * (MAX_EXPRESSION_NUMBERS) + "1", "more than 16 numbers"),
        ("(" * (MAX_EXPRESSION_DEPTH + 1) + "1" + ")" * (MAX_EXPRESSION_DEPTH + 1), "nested deeper than 16"),
        (" " * MAX_EXPRESSION_LENGTH + "1", "longer than 200"),
    ],
)
def test_what_is_no_expression_or_past_the_limits_is_refused(text, message):
    with pytest.raises(ExpressionError, match=message):
        evaluate(text)


def test_an_expression_at_the_limits_is_taken():
    assert evaluate("(" * MAX_EXPRESSION_DEPTH + "1" + ")" * MAX_EXPRESSION_DEPTH) == (1, [1])
    assert evaluate("+".join("1" * MAX_EXPRESSION_NUMBERS))[0] == MAX_EXPRESSION_NUMBERS
    assert evaluate("1" + " " * (MAX_EXPRESSION_LENGTH - 1)) == (1, [1])


# --- problems ---------------------------------------------------------------------------------------------------------


@given(puzzles, st.sampled_from([" ", ", ", ",", "\t", "  "]))
def test_the_numbers_of_a_problem_are_sorted_whatever_separates_them(numbers, separator):
    assert TASK.normalize(separator.join(map(str, numbers))) == " ".join(map(str, sorted(numbers)))


@pytest.mark.parametrize(
    "problem", ["", "1 2 3", "1 2 3 4 5", "1 2 3 x", "0 1 2 3", "200 1 2 3", "1 2 3 ٤", "1 2 3 -4"]
)
def test_what_is_not_four_numbers_in_range_is_no_problem(problem):
    with pytest.raises(InvalidProblem):
        TASK.normalize(problem)


# --- steps ------------------------------------------------------------------------------------------------------------

ROOT = State("4 6 7 10")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("10 - 4 = 6 (left: 6 7 6)", "10 - 4 = 6 (left: 6 6 7)"),
        ("  6*7=42(left:4 42 10) and so on", "6 * 7 = 42 (left: 4 10 42)"),
        ("6 / 4 = 1.5 (left: 1.5 7 10)", "6 / 4 = 1.5 (left: 3/2 7 10)"),
        ("4 / 6 = 0.67 (left: 0.67 7 10)", "4 / 6 = 0.67 (left: 2/3 7 10)"),
        ("4 / 6 = 2/3 (left: 2/3 7 10)", "4 / 6 = 2/3 (left: 2/3 7 10)"),
        ("4 - 10 = -6 (left: -6 6 7)", "4 - 10 = -6 (left: -6 6 7)"),
    ],
)
def test_a_legal_step_is_read_into_its_normal_form_with_exact_numbers_left(line, text):
    assert _step(ROOT, line).text == text


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Possible next steps:",
        "10 - 4 = 6",
        "10 - 4 (left: 6 6 7)",
        "10 ^ 4 = 6 (left: 6 6 7)",
        "10 - 4 = 6 (left: )",
        "10 - 4 = 6 (left: six)",
        "9999999999 - 4 = 6 (left: 6 6 7)",
        "\N{ARABIC-INDIC DIGIT SIX} + 4 = 10 (left: 7 10 10)",
        "Answer: 4 * 6",
        "x" * 201,
    ],
)
@pytest.mark.parametrize("trust", [False, True])
def test_a_line_in_another_format_is_malformed(line, trust):
    with pytest.raises(MalformedThought):
        _step(ROOT, line, trust=trust)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("10 - 5 = 5 (left: 5 6 7)", "5 is not among"),
        ("10 + 10 = 20 (left: 6 7 20)", "10 is not among"),
        ("10 - 4 = 5 (left: 5 6 7)", "10 - 4 is 6, not 5"),
        ("10 - 4 = 6 (left: 6 7)", "leaves 6 6 7, not 6 7"),
        ("10 - 4 = 6 (left: 6 7 8)", "leaves 6 6 7, not 6 7 8"),
        ("10 - 4 = 6 (left: 4 6 6 7)", "leaves 6 6 7"),
        ("4 / 6 = 0.6 (left: 0.6 7 10)", "4 / 6 is 2/3, not 0.6"),
        ("4 / 6 = 0.66 (left: 0.66 7 10)", "4 / 6 is 2/3, not 0.66"),
        ("1/0 + 4 = 4 (left: 4 6 7)", "divides by zero"),
    ],
)
def test_a_step_against_the_rules_is_illegal_and_says_why(line, reason):
    with pytest.raises(IllegalThought, match=reason):
        _step(ROOT, line)


def test_a_division_by_zero_is_illegal():
    state = _state("4 4 6 7", "4 - 4 = 0 (left: 0 6 7)")
    with pytest.raises(IllegalThought, match="divides by zero"):
        _step(state, "6 / 0 = 0 (left: 0 7)")


@pytest.mark.parametrize("line", ["6 / 4 = 1.5 (left: 1.5 7 10)", "6 / 4 = 3/2 (left: 1.50 7 10)"])
def test_a_rounded_number_may_be_used_in_the_next_step(line):
    assert _step(_state("4 6 7 10", line), "1.5 * 10 = 15 (left: 7 15)").text == "1.5 * 10 = 15 (left: 7 15)"


def test_a_rounded_third_stands_for_the_exact_one():
    state = _state("3 3 8 8", "8 / 3 = 2.67 (left: 2.67 3 8)", "3 - 2.67 = 0.33 (left: 0.33 8)")
    assert _step(state, "8 / 0.33 = 24 (left: 24)").text == "8 / 0.33 = 24 (left: 24)"


@settings(deadline=None)
@given(puzzles, st.permutations(range(4)), st.sampled_from("+*"))
def test_commutative_duplicates_share_a_key_and_steps_that_differ_do_not(numbers, order, operator):
    a, b, *rest = (numbers[index] for index in order)
    result = show(OPERATORS[operator](Fraction(a), Fraction(b)))
    left = " ".join([*map(str, rest), result])
    state = _state(" ".join(map(str, numbers)))
    one, other = (_step(state, f"{x} {operator} {y} = {result} (left: {left})") for x, y in ((a, b), (b, a)))
    assert one.key == other.key
    assert (one.text == other.text) == (a == b)
    less = _step(state, f"{a} - {b} = {a - b} (left: {' '.join(map(str, rest))} {a - b})")
    assert less.key != one.key


def test_the_key_of_several_numbers_forgets_the_path():
    one = _step(_state("1 1 11 11", "1 + 1 = 2 (left: 2 11 11)"), "11 + 11 = 22 (left: 2 22)")
    other = _step(_state("1 1 11 11", "11 + 11 = 22 (left: 1 1 22)"), "1 + 1 = 2 (left: 2 22)")
    assert one.key == other.key
    assert one.text != other.text


def test_the_key_of_one_number_keeps_the_path_since_the_answer_prompt_reads_it():
    states = [_state("4 4 4 4", first, "4 + 8 = 12 (left: 4 12)") for first in ("4 + 4 = 8 (left: 4 4 8)",)]
    states.append(_state("4 4 4 4", "4 * 4 = 16 (left: 4 4 16)", "16 - 4 = 12 (left: 4 12)"))
    one, other = (_step(state, "4 + 12 = 16 (left: 16)") for state in states)
    assert one.text == other.text
    assert one.key != other.key


def test_with_trust_the_numbers_left_are_believed():
    line = "10 - 4 = 6 (left: 1 2 3)"
    with pytest.raises(IllegalThought):
        _step(ROOT, line)
    believed = _step(ROOT, line, trust=True)
    assert believed.text == "10 - 4 = 6 (left: 1 2 3)"
    assert _step(State(ROOT.problem, (believed.text,)), "1 + 2 = 9 (left: 9 3)", trust=True).key == "3 9"


@pytest.mark.parametrize("left", ["1 2", "1 2 3 4"])
def test_with_trust_even_their_count_is_believed(left):
    assert _step(ROOT, f"10 - 4 = 6 (left: {left})", trust=True).key == left


def test_even_with_trust_a_step_leaves_only_numbers():
    with pytest.raises(IllegalThought):
        _step(ROOT, "10 - 4 = 6 (left: 1 2 1/0)", trust=True)


def test_even_with_trust_a_number_has_no_more_digits_than_can_be_read_again():
    with pytest.raises(IllegalThought, match="too many digits"):
        _step(ROOT, "10 - 4 = 6 (left: 2.123456789 6 7)", trust=True)


def test_where_24_is_left_only_an_answer_is_asked_for_and_read():
    state = _state("4 6 7 10", "10 - 7 = 3 (left: 3 4 6)", "4 * 6 = 24 (left: 3 24)", "24 / 3 = 8 (left: 8)")
    assert TASK.propose_prompt(state, PromptStyle.BARE).text.endswith("Next:\n")
    state = _state("4 6 7 10", "10 - 6 = 4 (left: 4 4 7)", "7 - 4 = 3 (left: 3 4)", "3 + 4 = 7 (left: 7)")
    with pytest.raises(MalformedThought):
        _step(state, "Answer: 4 + 7 = 15")
    state = _state("4 5 6 10", "5 * 6 = 30 (left: 4 10 30)", "4 + 30 = 34 (left: 10 34)", "34 - 10 = 24 (left: 24)")
    assert "Steps:" in TASK.propose_prompt(state, PromptStyle.BARE).text
    proposal = _step(state, "  ANSWER:  4  +\t7 = 15 ")
    assert (proposal.text, proposal.answer) == ("Answer: 4 + 7 = 15", "4 + 7 = 15")
    for line in ("4 + 7 = 15", "", "Answer:", "Answer:  ", "The answer: 24", "answer:" + "x" * 193):
        with pytest.raises(MalformedThought):
            _step(state, line)


@pytest.mark.parametrize(
    "state",
    [
        State(""),
        State("x"),
        State("1e999999999 1 1 1"),
        State("1 1 1 1", ("",)),
        State("1 1 1 1", ("1 + 1 = 2",)),
        State("1 1 1 1", ("(left: )",)),
        State("1 1 1 1", ("(left: 1/0)",)),
        State("1 1 1 1", ("(left: 1e999999999)",)),
    ],
)
def test_a_state_without_numbers_is_an_invalid_input_and_costs_no_time(state):
    for use in (
        lambda: TASK.propose_prompt(state, PromptStyle.BARE),
        lambda: TASK.value_prompt(state, PromptStyle.FEW_SHOT),
        lambda: TASK.value_by_rule(state),
        lambda: TASK.parse_thought(state, "1 + 1 = 2 (left: 1 1 2)", trust=False),
    ):
        with pytest.raises(InvalidInput, match="numbers"):
            use()


# --- values -----------------------------------------------------------------------------------------------------------


def test_one_number_is_judged_by_rule_and_several_are_not():
    path = ("10 - 4 = 6 (left: 6 6 7)", "6 * 6 = 36 (left: 7 36)", "36 - 7 = 29 (left: 29)")
    assert TASK.value_by_rule(_state("4 6 7 10", *path)) is Label.IMPOSSIBLE
    assert TASK.value_by_rule(_state("4 6 7 10", *path[:2])) is None
    assert TASK.value_by_rule(_state("4 6 7 10", *path[:2], "7 + 36 = 24 (left: 24)", trust=True)) is Label.SURE


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("sure", Label.SURE),
        ("4 + 8 = 12\nI am not sure, it is\nImpossible.", Label.IMPOSSIBLE),
        ("LIKELY\n", Label.LIKELY),
        ("unlikely", None),
        ("surely", None),
        ("", None),
        ("\N{LATIN SMALL LETTER LONG S}ure", None),
        ("l\N{LATIN SMALL LETTER DOTLESS I}kely", None),
    ],
)
def test_the_last_label_in_a_text_counts(text, label):
    assert TASK.parse_value(text) is label


def test_a_bare_value_prompt_names_its_labels_and_a_few_shot_one_does_not():
    assert TASK.value_prompt(ROOT, PromptStyle.BARE).labels == LABELS
    assert TASK.value_prompt(ROOT, PromptStyle.FEW_SHOT).labels == ()
    assert set(LABELS) == {label.value for label in Label}


# --- the validator ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("problem", "answer"),
    [
        ("1 1 11 11", "(1 + 1) + (11 + 11)"),
        ("1 1 11 11", "(1 + 1) + (11 + 11) = 24"),
        ("11 1 1 11", "11+11+1+1=24"),
        ("3 3 8 8", "8 / (3 - 8 / 3) = 24"),
        ("1 5 5 5", "5 * (5 - 1 / 5)"),
    ],
)
def test_an_expression_that_makes_exactly_24_of_the_numbers_is_certain(problem, answer):
    verdict, explanation = TASK.validate(problem, answer)
    assert (verdict, explanation.startswith("makes 24 of")) == (Verdict.CERTAIN, True)


@pytest.mark.parametrize(
    ("answer", "explanation"),
    [
        ("1 + 1 + 11 + 11 = 25", "claims to make '25'"),
        ("1 + 1 + 11 + 11 = 24 = 24", "claims to make '24 = 24'"),
        ("1 + 1 + 11 + 11 =", "claims to make ''"),
        ("1 + 1 + 11 * 11", "makes 123, not 24"),
        ("1 + 11 + 11", "uses 1 11 11, not 1 1 11 11"),
        ("1 + 1 + 22", "uses 1 1 22"),
        ("24", "uses 24"),
        ("1 + 1 + 11 + 11 + 1 - 1", "uses 1 1 1 1 11 11"),
        ("11 / (1 - 1) + 11", "divides by zero"),
        ("", "ends too early"),
        ("= 24", "ends too early"),
        ("(\u0661 + \u0661) + (11 + 11)", "unexpected"),
        ("1 + 1 + 11 + 11 # = 24", "unexpected '#"),
        ("__import__('os').system('true')", "unexpected"),
        ("24 if 1 + 1 + 11 + 11 else 0", "unexpected"),
        ("1.0 + 1 + 11 + 11", "unexpected"),
        ("9**9**9**9", "unexpected"),
        ("1" * 201, "longer than 200"),
    ],
)
def test_anything_else_is_impossible_and_says_why(answer, explanation):
    verdict, why = TASK.validate("1 1 11 11", answer)
    assert verdict is Verdict.IMPOSSIBLE
    assert explanation in why


def test_a_problem_that_is_none_is_refused_by_the_validator_too():
    with pytest.raises(InvalidProblem):
        TASK.validate("one two", "1 + 1")


@settings(deadline=None)
@given(st.permutations(["1", "1", "11", "11"]), st.text("+-*/", min_size=3, max_size=3), st.sampled_from(["", " = 24"]))
@example(["1", "1", "11", "11"], "+++", "")
def test_the_verdict_is_that_of_exact_arithmetic(numbers, operators, claim):
    a, b, c, d = numbers
    expression = f"({a} {operators[0]} {b}) {operators[1]} ({c} {operators[2]} {d})"
    try:
        makes_24 = evaluate(expression)[0] == 24
    except ExpressionError:
        makes_24 = False
    assert (TASK.validate("1 1 11 11", expression + claim)[0] is Verdict.CERTAIN) == makes_24


def test_no_code_is_evaluated():
    package = Path(prompts.__file__).parent
    for module in package.glob("*.py"):
        assert not re.search(r"(?<![\w.])(eval|exec|compile|__import__)\s*\(", module.read_text(encoding="utf-8")), (
            module
        )


# --- the examples in the prompts --------------------------------------------------------------------------------------


PROPOSE, CHAIN, DIRECT = (
    list(examples(text))
    for text in (
        prompts.propose("1", PromptStyle.FEW_SHOT),
        prompts.chain("1", (), PromptStyle.FEW_SHOT),
        prompts.direct("1", PromptStyle.FEW_SHOT),
    )
)
VALUE = list(value_examples(prompts.value("", PromptStyle.FEW_SHOT)))


def _reaches(goal, numbers):
    """Search all ways to combine the numbers."""
    if len(numbers) == 1:
        return numbers[0] == goal
    for i, a in enumerate(numbers):
        for j, b in enumerate(numbers):
            rest = [number for k, number in enumerate(numbers) if k not in (i, j)]
            for operator, apply in OPERATORS.items():
                if i != j and (operator != "/" or b) and _reaches(goal, [*rest, apply(a, b)]):
                    return True
    return False


def test_there_are_examples():
    assert (len(PROPOSE), len(CHAIN), len(DIRECT), len(VALUE)) == (3, 3, 2, 5)


@pytest.mark.parametrize(("numbers", "line"), [(numbers, line) for numbers, lines in PROPOSE for line in lines])
def test_every_step_in_an_example_is_legal_and_in_normal_form(numbers, line):
    assert _step(State(numbers), line).text == line


@pytest.mark.parametrize(("numbers", "lines"), CHAIN)
def test_every_example_of_a_chain_leads_to_a_certain_answer(numbers, lines):
    state = _state(numbers, *lines)
    assert state.problem == numbers
    assert list(state.steps) == lines
    assert TASK.value_by_rule(State(numbers, state.steps[:-1])) is Label.SURE
    assert TASK.validate(numbers, lines[-1].removeprefix("Answer: "))[0] is Verdict.CERTAIN


@pytest.mark.parametrize(("numbers", "lines"), DIRECT)
def test_every_example_of_a_direct_answer_is_certain(numbers, lines):
    (line,) = lines
    assert TASK.validate(numbers, line.removeprefix("Answer: "))[0] is Verdict.CERTAIN


@pytest.mark.parametrize(("numbers", "thoughts", "label"), VALUE)
def test_every_example_of_a_value_calculates_rightly_and_ends_in_the_right_label(numbers, thoughts, label):
    for thought in thoughts:
        expression, equals, result = thought.partition(" = ")
        assert not equals or evaluate(expression)[0] == read(result)
    reached = _reaches(24, [Fraction(word) for word in numbers.split()])
    assert label == "likely" or reached == (label == "sure")


@pytest.mark.parametrize("name", ["dev.csv", "dev_unsolvable.csv", "paper_test.csv"])
def test_no_puzzle_that_measures_the_model_is_an_example(name):
    if not (PUZZLES / name).exists():
        pytest.skip("the lists of puzzles are not here")
    with (PUZZLES / name).open(encoding="utf-8", newline="") as file:
        measured = {TASK.normalize(row["puzzle"]) for row in csv.DictReader(file)}
    shown = {numbers for numbers, _ in (*PROPOSE, *CHAIN, *DIRECT)} | {numbers for numbers, *_ in VALUE}
    assert measured
    assert not measured & shown
