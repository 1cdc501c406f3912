"""Sudoku: boards, fills and their limits; held against a solver that tries every digit."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.errors import InvalidInput
from services.core.task import IllegalThought, InvalidProblem, MalformedThought, Method, PromptStyle
from services.core.thought import Label, State, Verdict
from services.plugins import find_task
from services.tasks.sudoku import TASK, prompts

SMALL = "..1.3...4.....2."
SMALL_SOLVED = "2413 3142 4231 1324"
LARGE = "53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79"
LARGE_SOLVED = "534678912672195348198342567859761423426853791713924856961537284287419635345286179"
ROOT = State(SMALL)
BARE, FEW_SHOT = PromptStyle.BARE, PromptStyle.FEW_SHOT


def _parse(state, line, *, trust=False):
    return TASK.parse_thought(state, line, trust=trust)


def _fits(board, cell, digit):
    """Whether no row, column or box of the cell has the digit. Written apart from the product's own rules."""
    side = 4 if len(board) == 16 else 9
    box = 2 if side == 4 else 3
    row, column = divmod(cell, side)
    return not any(
        board[other] == digit
        and (
            other // side == row
            or other % side == column
            or (other // side // box, other % side // box) == (row // box, column // box)
        )
        for other in range(side * side)
        if other != cell
    )


def _solutions(board):
    """Yield every solution of a board whose digits do not clash."""
    if "." not in board:
        yield board
        return
    choices = [
        (cell, [digit for digit in "123456789"[: 4 if len(board) == 16 else 9] if _fits(board, cell, digit)])
        for cell, found in enumerate(board)
        if found == "."
    ]
    cell, fitting = min(choices, key=lambda choice: len(choice[1]))
    for digit in fitting:
        yield from _solutions(board[:cell] + digit + board[cell + 1 :])


SOLVED_SMALL = list(_solutions("." * 16))


# --- problems ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("problem", "normal"),
    [
        (SMALL, SMALL),
        ("..1. 3... 4... ..2.", SMALL),
        ("0010/3000/4000/0020", SMALL),
        ("_ _ | 1 _\n3 _ | _ _\n----+----\n4 _ | _ _\n_ _ | 2 _\n", SMALL),
        (LARGE, LARGE),
        ("\n".join(LARGE[i : i + 9].replace(".", "0") for i in range(0, 81, 9)), LARGE),
        ("." * 16, "." * 16),
    ],
)
def test_a_board_is_read_in_several_ways(problem, normal):
    assert TASK.normalize(problem) == normal


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        ("", "0 cells where 16 or 81"),
        ("." * 36, "36 cells where 16 or 81"),
        ("." * 15, "15 cells where 16 or 81"),
        ("." * 4000, "4000 cells where 16 or 81"),
        ("." * 15 + "5", "'5' is no digit from 1 to 4"),
        ("." * 80 + "x", "'x' is no digit from 1 to 9"),
        ("." * 80 + "\N{ARABIC-INDIC DIGIT TWO}", "is no digit from 1 to 9"),
        ("." * 80 + "\N{SUPERSCRIPT TWO}", "is no digit from 1 to 9"),
        ("." * 15 + "\0", "is no digit from 1 to 4"),
        ("1..1" + "." * 12, "row 1 has 1 twice"),
        ("1...1..." + "." * 8, "column 1 has 1 twice"),
        ("1....1.." + "." * 8, "box 1 has 1 twice"),
        (LARGE_SOLVED, "nothing is left to do"),
    ],
)
def test_anything_else_is_refused_and_says_why(problem, message):
    with pytest.raises(InvalidProblem, match=message):
        TASK.normalize(problem)


# --- thoughts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("r1c1 = 2", "r1c1 = 2"),
        ("  R1C1=2 ", "r1c1 = 2"),
        ("r1 c2 = 4 , r1c1=2", "r1c1 = 2, r1c2 = 4"),
    ],
)
def test_a_thought_fills_cells_and_has_one_normal_form(line, text):
    assert _parse(ROOT, line).text == text


@pytest.mark.parametrize(
    "line",
    [
        "",
        "2",
        "r1c1",
        "r1c1 = ",
        "r1c1 = 2,",
        "r1c1 = 2 r1c2 = 4",
        "r0c1 = 2",
        "r1c1 = 0",
        "r1c1 = 12",
        "r1c1 = \N{ARABIC-INDIC DIGIT TWO}",
        "r1c1 = 2\0",
        "(1, 1) = 2",
        "x" * 101,
        " " * 100 + "r1c1 = 2",
    ],
)
@pytest.mark.parametrize("trust", [False, True])
def test_a_line_in_another_format_is_malformed(line, trust):
    with pytest.raises(MalformedThought):
        _parse(ROOT, line, trust=trust)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("r1c3 = 1", "r1c3 is filled"),
        ("r1c1 = 2, r1c1 = 2", "r1c1 is filled"),
        ("r5c1 = 2", "not on a board of 4 by 4"),
        ("r1c1 = 9", "not on a board of 4 by 4"),
        (",".join(f"r{i}c{i}=2" for i in range(1, 10)) + ",r1c2=4", "more than 9 cells"),
    ],
)
@pytest.mark.parametrize("trust", [False, True])
def test_what_is_no_empty_cell_is_illegal_even_with_trust(line, reason, trust):
    with pytest.raises(IllegalThought, match=reason):
        _parse(ROOT, line, trust=trust)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("r1c1 = 1", "row 1 has 1 twice"),
        ("r1c1 = 3", "column 1 has 3 twice"),
        ("r1c2 = 3", "box 1 has 3 twice"),
        ("r1c1 = 2, r1c2 = 2", "row 1 has 2 twice"),
    ],
)
def test_a_digit_that_clashes_is_illegal_and_with_trust_believed(line, reason):
    with pytest.raises(IllegalThought, match=reason):
        _parse(ROOT, line)
    believed = _parse(ROOT, line, trust=True)
    assert believed.text == line
    assert TASK.value_by_rule(State(SMALL, (line,))) is Label.IMPOSSIBLE


def test_the_order_of_filling_leaves_no_trace():
    one = _parse(State(SMALL, ("r1c1 = 2",)), "r1c2 = 4")
    other = _parse(State(SMALL, ("r1c2 = 4",)), "r1c1 = 2")
    assert one.key == other.key == _parse(ROOT, "r1c2 = 4, r1c1 = 2").key == "241.3...4.....2."


def test_the_full_board_is_the_answer():
    steps = ("r1c1 = 2, r1c2 = 4, r1c4 = 3", "r2c2 = 1, r2c3 = 4, r2c4 = 2", "r3c2 = 2, r3c3 = 3, r3c4 = 1")
    last = _parse(State(SMALL, steps), "r4c1 = 1, r4c2 = 3, r4c4 = 4")
    assert (last.answer, last.key) == (SMALL_SOLVED, SMALL_SOLVED.replace(" ", ""))


@pytest.mark.parametrize(
    "state",
    [
        State(""),
        State("1 1 11 11"),
        State(SMALL, ("r1c3 = 1",)),
        State(SMALL, ("r1c1 = 2", "r1c1 = 2")),
        State(SMALL, ("r9c9 = 2",)),
        State(SMALL, ("fill it",)),
        State(SMALL, ("r1c1 = 2," * 400,)),
    ],
)
def test_a_state_without_a_board_is_an_invalid_input(state):
    for use in (
        *(lambda method=method: TASK.propose_prompt(state, BARE, method) for method in Method),
        lambda: TASK.value_prompt(state, FEW_SHOT),
        lambda: TASK.value_by_rule(state),
        lambda: _parse(state, "r1c1 = 2"),
    ):
        with pytest.raises(InvalidInput, match="no board"):
            use()


# --- values and answers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("board", "label"),
    [
        (SMALL, None),
        (LARGE, None),
        (SMALL_SOLVED.replace(" ", ""), Label.SURE),
        ("123....4" + "." * 8, Label.IMPOSSIBLE),  # r1c4 has no candidate
        ("..1..2..1......." , Label.IMPOSSIBLE),  # 1 has no place in the first box; each cell has candidates
        ("11.............." , Label.IMPOSSIBLE),
    ],
)  # fmt: skip
def test_rules_settle_full_boards_and_contradictions_and_leave_the_rest_to_a_model(board, label):
    assert TASK.value_by_rule(State(board)) is label


@pytest.mark.parametrize(
    ("problem", "answer", "explanation"),
    [
        (SMALL, "", "0 cells where"),
        (SMALL, SMALL, "r1c1 is empty"),
        (SMALL, SMALL_SOLVED.replace("2", "x"), "'x' is no digit"),
        (SMALL, LARGE_SOLVED, "has 81 cells, not 16"),
        (SMALL, "1234 3412 2143 4321", "r1c3 is 3, but was given as 1"),
        (SMALL, "2413 3142 4231 1323", "row 4 has 3 twice"),
        ("." * 16, "1234 2341 3412 4123", "box 1 has 2 twice"),
        (SMALL, "1" * 4000, "longer than 200"),
    ],
)
def test_a_wrong_board_is_impossible_and_says_why(problem, answer, explanation):
    verdict, why = TASK.validate(problem, answer)
    assert verdict is Verdict.IMPOSSIBLE
    assert explanation in why


def test_right_boards_are_certain_whichever_solution_it_is():
    assert TASK.validate(SMALL, SMALL_SOLVED)[0] is Verdict.CERTAIN
    assert TASK.validate(LARGE, LARGE_SOLVED)[0] is Verdict.CERTAIN
    assert all(TASK.validate("." * 16, solution)[0] is Verdict.CERTAIN for solution in SOLVED_SMALL)


def test_the_answer_of_a_whole_solution_is_its_last_line():
    proposal = TASK.parse_solution(ROOT, f"r1c1 = 2\nAnswer: {SMALL_SOLVED}\n")
    assert proposal.answer == SMALL_SOLVED
    assert TASK.parse_solution(ROOT, SMALL_SOLVED.replace(" ", "")).key == proposal.key
    for wrong in ("", "Answer:", "Answer: 1234", "I cannot", "x" * 4001):
        with pytest.raises(MalformedThought):
            TASK.parse_solution(ROOT, wrong)


# --- a solver that tries every digit ----------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_any_way_to_a_solution_is_legal_and_certain(data):
    solution = data.draw(st.sampled_from([*SOLVED_SMALL, LARGE_SOLVED]))
    side = 4 if len(solution) == 16 else 9
    empty = data.draw(st.lists(st.integers(0, side * side - 1), min_size=1, max_size=40, unique=True))
    state = State(TASK.normalize("".join("." if cell in empty else digit for cell, digit in enumerate(solution))))
    while empty:
        count = data.draw(st.integers(1, min(9, len(empty))))
        now, empty = empty[:count], empty[count:]
        line = ", ".join(f"r{cell // side + 1}c{cell % side + 1} = {solution[cell]}" for cell in now)
        assert TASK.value_by_rule(state) is None
        proposal = _parse(state, line)
        state = State(state.problem, (*state.steps, proposal.text))
    assert TASK.value_by_rule(state) is Label.SURE
    assert TASK.validate(state.problem, proposal.answer)[0] is Verdict.CERTAIN


@settings(deadline=None, max_examples=100)
@given(st.text(alphabet=".....1234", min_size=16, max_size=16))
def test_what_the_rules_call_impossible_has_no_solution_and_each_solution_is_accepted(board):
    clash = any(digit != "." and not _fits(board, cell, digit) for cell, digit in enumerate(board))
    solutions = [] if clash else list(_solutions(board))
    assert TASK.value_by_rule(State(board)) is not Label.IMPOSSIBLE or not solutions
    if clash or "." not in board:
        with pytest.raises(InvalidProblem):
            TASK.normalize(board)
        return
    for candidate in SOLVED_SMALL:
        assert (TASK.validate(board, candidate)[0] is Verdict.CERTAIN) == (candidate in solutions)


# --- the examples in the prompts --------------------------------------------------------------------------------------


def _examples(text):
    """Yield the board and the lines of each example, without the question at the end."""
    for block in text.split("Board:\n")[1:-1]:
        lines = block.strip().splitlines()
        yield TASK.normalize("".join(lines[:4])), [line for line in lines[4:] if not line.endswith(":")]


PROPOSE, CHAIN, DIRECT, VALUE = (
    list(_examples(text))
    for text in (
        prompts.propose(SMALL, FEW_SHOT),
        prompts.chain(SMALL, (), FEW_SHOT),
        prompts.direct(SMALL, FEW_SHOT),
        prompts.value(SMALL, FEW_SHOT),
    )
)


def test_there_are_examples():
    assert [len(blocks) for blocks in (PROPOSE, CHAIN, DIRECT, VALUE)] == [2, 1, 1, 4]


@pytest.mark.parametrize(("board", "lines"), PROPOSE)
def test_every_step_in_an_example_belongs_to_the_only_solution(board, lines):
    (solution,) = _solutions(board)
    for line in lines:
        proposal = _parse(State(board), line)
        assert re.fullmatch(proposal.key, solution)
        assert {*line.split(", ")} == {*proposal.text.split(", ")}


@pytest.mark.parametrize(("board", "lines"), CHAIN)
def test_every_example_of_a_chain_is_legal_and_certain(board, lines):
    state, proposal = State(board), None
    for line in lines[:-1]:
        proposal = _parse(state, line)
        state = State(board, (*state.steps, proposal.text))
    assert lines[-1] == f"Answer: {proposal.answer}"
    assert TASK.validate(board, proposal.answer)[0] is Verdict.CERTAIN


@pytest.mark.parametrize(("board", "lines"), DIRECT)
def test_every_example_of_a_direct_answer_is_certain(board, lines):
    (line,) = lines
    assert TASK.validate(board, line.removeprefix("Answer: "))[0] is Verdict.CERTAIN


@pytest.mark.parametrize(("board", "lines"), VALUE)
def test_every_example_of_a_value_has_the_right_label(board, lines):
    assert any(_solutions(board)) == (TASK.parse_value(lines[-1]) is not Label.IMPOSSIBLE)


def test_a_prompt_shows_the_board_in_rows():
    state = State(SMALL, ("r1c1 = 2",))
    shown = "Board:\n2 . 1 .\n3 . . .\n4 . . .\n. . 2 .\n"
    assert TASK.propose_prompt(state, BARE).text == f"{shown}Next:\n"
    assert TASK.propose_prompt(state, FEW_SHOT).text.endswith(f"\n\n{shown}Possible next steps:\n")
    assert TASK.value_prompt(state, FEW_SHOT).text.endswith(shown)
    assert TASK.propose_prompt(ROOT, FEW_SHOT, Method.DIRECT).text.endswith(". . 2 .\nAnswer:")
    assert find_task("sudoku") is TASK
