"""Countdown: any numbers, any target, unused numbers; held against an enumeration of all steps."""

from fractions import Fraction
from itertools import permutations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from prompt_examples import examples, value_examples

from services.core.errors import InvalidInput
from services.core.task import IllegalThought, InvalidProblem, MalformedThought, Method, PromptStyle
from services.core.thought import Label, State, Verdict
from services.tasks._arithmetic import OPERATORS, evaluate, read
from services.tasks.countdown import TASK, prompts

ROOT = State("2 3 7 25 -> 53")
BARE, FEW_SHOT = PromptStyle.BARE, PromptStyle.FEW_SHOT


def _walk(state, *lines, trust=False):
    """Return the state after the lines, and the answer of the last."""
    answer = None
    for line in lines:
        proposal = TASK.parse_thought(state, line, trust=trust)
        state, answer = State(state.problem, (*state.steps, proposal.text)), proposal.answer
    return state, answer


# --- problems ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "problem",
    ["25 2 7 3 -> 53", "25, 2, 7, 3 => 53", " 2,3 7\n25=53 ", "2 3 7 25 → 053", "2 3 7 25: 53"],
)
def test_problems_are_read_in_several_ways(problem):
    assert TASK.normalize(problem) == ROOT.problem


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        ("", "an arrow and one target"),
        ("1 2 3", "an arrow and one target"),
        ("1 2 ->", "an arrow and one target"),
        ("1 2 -> 3 4", "an arrow and one target"),
        ("1 2 -> 3 -> 4", "an arrow and one target"),
        ("-> 3", "0 numbers where 2 to 8"),
        ("1 -> 3", "1 numbers where 2 to 8"),
        ("1 1 1 1 1 1 1 1 1 -> 9", "9 numbers where 2 to 8"),
        ("1 x -> 3", "'x' is no whole number"),
        ("1 -2 -> 3", "'-2' is no whole number"),
        ("1 2.5 -> 3", "'2.5' is no whole number"),
        ("1 2 -> three", "'three' is no whole number"),
        ("1 2 -> \N{ARABIC-INDIC DIGIT THREE}", "is no whole number"),
        ("1 2 -> 1234567890", "of at most 9 digits"),
        ("9" * 4000 + " 1 -> 3", "of at most 9 digits"),
        ("1 2 -> 3\0", "is no whole number"),
        ("1 2 -> 2", "nothing is left to do"),
    ],
)
def test_anything_else_is_refused_and_says_why(problem, message):
    with pytest.raises(InvalidProblem, match=message):
        TASK.normalize(problem)


# --- steps ------------------------------------------------------------------------------------------------------------


def test_the_step_that_makes_the_target_is_the_answer_even_if_numbers_are_left_over():
    state, answer = _walk(ROOT, "25 * 2 = 50 (left: 3 7 50)", "50+3=53 (left: 7 53)")
    assert state.steps[-1] == "50 + 3 = 53 (left: 7 53)"
    assert answer == "(25 * 2) + 3 = 53"
    assert TASK.validate(ROOT.problem, answer) == (Verdict.CERTAIN, "makes 53 of 2 3 7 25")


def test_a_number_on_the_way_may_be_negative_or_a_fraction_or_written_as_a_decimal():
    _, answer = _walk(State("1 3 7 9 -> 30"), "7 / 3 = 2.33 (left: 1 2.33 9)", "1 - 9 = -8 (left: -8 2.33)")
    assert answer is None
    _, answer = _walk(State("1 3 7 9 -> 30"), "7 / 3 = 2.33 (left: 1 2.33 9)", "1 + 2.33 = 3.33 (left: 3.33 9)",
                      "3.33 * 9 = 30 (left: 30)")  # fmt: skip
    assert answer == "(1 + (7 / 3)) * 9 = 30"


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("2 + 3 = 5", MalformedThought),
        ("Answer: 2 * 25 + 3 = 53", MalformedThought),
        ("x" * 201, MalformedThought),
        ("\N{ARABIC-INDIC DIGIT TWO} + 3 = 5 (left: 5 7 25)", MalformedThought),
        ("2 + 4 = 6 (left: 6 7 25)", IllegalThought),
        ("2 + 3 = 6 (left: 6 7 25)", IllegalThought),
        ("2 + 3 = 5 (left: 7 25)", IllegalThought),
    ],
)
def test_a_line_that_is_no_step_is_malformed_and_a_false_one_illegal(line, kind):
    with pytest.raises(kind):
        TASK.parse_thought(ROOT, line, trust=False)


def test_numbers_of_too_many_digits_are_illegal():
    with pytest.raises(IllegalThought, match="too many digits"):
        _walk(State("2 123456789 -> 7"), "2 / 123456789 = 0.12 (left: 2.123456789)", trust=True)


def test_what_a_step_leaves_is_believed_with_trust_and_its_answer_is_still_checked():
    state, answer = _walk(ROOT, "2 + 3 = 9 (left: 9 44)", "9 + 44 = 53 (left: 53)", trust=True)
    assert state.steps == ("2 + 3 = 9 (left: 9 44)", "9 + 44 = 53 (left: 53)")
    assert answer == "(2 + 3) + 44 = 53"
    assert TASK.validate(ROOT.problem, answer)[0] is Verdict.IMPOSSIBLE


@pytest.mark.parametrize("last", ["1/0 + 1 = 53 (left: 53)", "5 / 0 = 1/0 (left: 53)"])
def test_believed_steps_that_cannot_be_calculated_are_no_answer(last):
    with pytest.raises(IllegalThought, match="no expression"):
        _walk(ROOT, last, trust=True)


def test_believed_steps_that_never_end_are_no_answer():
    steps = ["3 + 123456789 = 3 (left: 2 3)"] * 20
    with pytest.raises(IllegalThought, match="more than 200 characters"):
        _walk(ROOT, *steps, "3 + 123456789 = 53 (left: 53)", trust=True)


def test_branches_that_leave_the_same_numbers_are_one_state():
    one = TASK.parse_thought(ROOT, "2 + 3 = 5 (left: 5 7 25)", trust=False)
    other = TASK.parse_thought(ROOT, "3 + 2 = 5 (left: 25 7 5)", trust=False)
    assert (one.key, one.text == other.text) == (other.key, False)


@pytest.mark.parametrize(
    "state",
    [
        State(""),
        State("1 2 3"),
        State("1 2 -> x"),
        State("1e999999 2 -> 3"),
        State("1 2 -> " + "9" * 4000),
        State("1 2 -> 3", ("1 + 2 = 3",)),
        State("1 2 -> 3", ("(left: 1/0)",)),
    ],
)
def test_a_state_without_numbers_or_target_is_an_invalid_input(state):
    for use in (
        lambda: TASK.propose_prompt(state, BARE),
        lambda: TASK.propose_prompt(state, BARE, Method.DIRECT),
        lambda: TASK.propose_prompt(state, FEW_SHOT, Method.CHAIN),
        lambda: TASK.value_prompt(state, FEW_SHOT),
        lambda: TASK.value_by_rule(state),
        lambda: TASK.parse_thought(state, "1 + 1 = 2 (left: 1 1 2)", trust=False),
    ):
        with pytest.raises(InvalidInput):
            use()


# --- values and answers -----------------------------------------------------------------------------------------------


def test_a_single_number_that_is_not_the_target_is_impossible_and_several_are_for_the_model():
    assert TASK.value_by_rule(ROOT) is None
    assert TASK.value_by_rule(State("2 3 -> 7", ("2 * 3 = 6 (left: 6)",))) is Label.IMPOSSIBLE
    assert TASK.value_by_rule(State("2 3 -> 6", ("2 * 3 = 6 (left: 6)",))) is Label.SURE


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ("2 * 25 + 3 = 53", Verdict.CERTAIN),
        ("25*2+3", Verdict.CERTAIN),
        ("7 * 7 + 2 * 2 = 53", Verdict.IMPOSSIBLE),
        ("2 * 25 + 3 = 54", Verdict.IMPOSSIBLE),
        ("2 * 25 + 7 = 53", Verdict.IMPOSSIBLE),
        ("53", Verdict.IMPOSSIBLE),
        ("__import__('os')", Verdict.IMPOSSIBLE),
    ],
)
def test_an_answer_may_leave_numbers_out_but_use_none_twice(answer, verdict):
    assert TASK.validate(ROOT.problem, answer)[0] is verdict


def test_the_answer_of_a_whole_solution_is_its_last_line():
    text = "2 * 25 = 50 (left: 3 7 50)\n3 + 50 = 53 (left: 7 53)\nAnswer: 2 * 25 + 3 = 53\n"
    assert TASK.parse_solution(ROOT, text).answer == "2 * 25 + 3 = 53"
    assert TASK.parse_solution(ROOT, " 2 * 25 + 3 = 53").key == TASK.parse_solution(ROOT, text).key
    for wrong in ("", "Answer:", "x" * 2001):
        with pytest.raises(MalformedThought):
            TASK.parse_solution(ROOT, wrong)


# --- an enumeration of all steps --------------------------------------------------------------------------------------


def _moves(numbers):
    """Yield the line of every step, and what it leaves."""
    for i, j in permutations(range(len(numbers)), 2):
        rest = [number for k, number in enumerate(numbers) if k not in (i, j)]
        for sign, apply in OPERATORS.items():
            if sign != "/" or numbers[j]:
                made = apply(numbers[i], numbers[j])
                left = (*rest, made)
                yield f"{numbers[i]} {sign} {numbers[j]} = {made} (left: {' '.join(map(str, left))})", left


def _paths(numbers, goal):
    """Yield the lines of every way to the goal that stops there."""
    for line, left in _moves(numbers):
        if goal in left:
            yield [line]
        else:
            yield from ([line, *more] for more in _paths(left, goal))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 12), min_size=2, max_size=3), st.integers(0, 60))
def test_what_an_enumeration_finds_is_legal_and_certain_and_what_it_does_not_find_is_not_there(numbers, goal):
    assume(goal not in numbers)
    root = State(TASK.normalize(f"{' '.join(map(str, numbers))} -> {goal}"))
    for lines in _paths(tuple(map(Fraction, numbers)), goal):
        state, answer = _walk(root, *lines)
        assert len(state.steps) <= TASK.depth
        assert TASK.validate(root.problem, answer)[0] is Verdict.CERTAIN
    if not any(_paths(tuple(map(Fraction, numbers)), goal)):
        for first, left in _moves(tuple(map(Fraction, numbers))):
            for lines in ((first,), *((first, second) for second, _ in _moves(left))):
                assert _walk(root, *lines)[1] is None


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 100), min_size=2, max_size=8), st.data())
def test_any_walk_to_a_whole_number_solves_the_problem_whose_target_it_is(numbers, data):
    left, lines = tuple(sorted(map(Fraction, numbers))), []
    for _ in range(data.draw(st.integers(1, len(numbers) - 1))):
        line, left = data.draw(st.sampled_from([move for move in _moves(left) if abs(move[1][-1]) < 10**5]))
        lines.append(line)
    made = [Fraction(line.partition(" = ")[2].partition(" ")[0]) for line in lines]
    goal = made[-1]
    assume(goal >= 0 and goal.denominator == 1 and goal not in made[:-1] and goal not in numbers)
    assume(all(abs(number.numerator) < 10**9 and number.denominator < 10**9 for number in made))
    problem = TASK.normalize(f"{' '.join(map(str, numbers))} -> {goal}")
    _, answer = _walk(State(problem), *lines)
    assert TASK.validate(problem, answer)[0] is Verdict.CERTAIN


# --- the examples in the prompts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("problem", "lines"), list(examples(prompts.propose("1", FEW_SHOT))))
def test_every_step_in_an_example_is_legal_and_in_normal_form(problem, lines):
    assert TASK.normalize(problem) == problem
    assert lines
    for line in lines:
        assert TASK.parse_thought(State(problem), line, trust=False).text == line


@pytest.mark.parametrize(("problem", "lines"), list(examples(prompts.chain("1", (), FEW_SHOT))))
def test_every_example_of_a_chain_is_legal_and_certain(problem, lines):
    *steps, last = lines
    assert _walk(State(problem), *steps)[1]
    assert TASK.validate(problem, last.removeprefix("Answer: "))[0] is Verdict.CERTAIN


@pytest.mark.parametrize(("problem", "lines"), list(examples(prompts.direct("1", FEW_SHOT))))
def test_every_example_of_a_direct_answer_is_certain(problem, lines):
    (line,) = lines
    assert TASK.validate(problem, line.removeprefix("Answer: "))[0] is Verdict.CERTAIN


@pytest.mark.parametrize(("judged", "thoughts", "label"), list(value_examples(prompts.value("", FEW_SHOT))))
def test_every_example_of_a_value_calculates_rightly_and_ends_in_the_right_label(judged, thoughts, label):
    numbers, _, goal = judged.partition(" -> ")
    for thought in thoughts:
        expression, equals, result = thought.partition(" = ")
        assert not equals or evaluate(expression)[0] == read(result)
    reached = any(_paths(tuple(map(read, numbers.split())), read(goal)))
    assert label == "likely" or reached == (label == "sure")


def test_there_are_examples():
    texts = prompts.propose("1", FEW_SHOT), prompts.chain("1", (), FEW_SHOT), prompts.direct("1", FEW_SHOT)
    assert [len(list(examples(text))) for text in texts] == [3, 2, 2]
    assert len(list(value_examples(prompts.value("", FEW_SHOT)))) == 5


def test_prompts_in_bare_style_are_the_same_format_without_instruction_and_examples():
    for method in Method:
        bare, few_shot = (TASK.propose_prompt(ROOT, style, method).text for style in PromptStyle)
        assert few_shot.endswith(bare.replace("Next:", "Possible next steps:"))
        assert bare.startswith("Input: 2 3 7 25 -> 53\n")
