"""Mini crosswords: clues, words and their limits; any way to fill a board; the examples in the prompts."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.errors import InvalidInput
from services.core.task import IllegalThought, InvalidProblem, MalformedThought, Method, PromptStyle
from services.core.thought import Label, State, Verdict
from services.plugins import find_task
from services.tasks.crosswords import TASK, prompts
from services.tasks.crosswords.puzzle import BLANK, PLACES, read_clues

PROBLEM = TASK.example
ANSWER = "CRIME LEMON INPUT FALSE FLYER"
ROOT = State(PROBLEM)
BARE, FEW_SHOT = PromptStyle.BARE, PromptStyle.FEW_SHOT


def _words(answer):
    """Each place and its word. Written apart from the product's own rules."""
    across = answer.split()
    down = ["".join(column) for column in zip(*across, strict=True)]
    return {f"{kind}{i}": word for kind, words in (("h", across), ("v", down)) for i, word in enumerate(words, 1)}


def _parse(state, line, *, trust=False):
    return TASK.parse_thought(state, line, trust=trust)


def _walk(*lines):
    state = ROOT
    for line in lines:
        state = State(PROBLEM, (*state.steps, _parse(state, line).text))
    return state


def _clues(**changed):
    return {name: changed.get(name, f"clue {i}") for i, name in enumerate(PLACES)}


def _problem(clues, separator="; "):
    return separator.join(f"{name}. {clue}" for name, clue in clues.items())


# --- problems ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", ["; ", ";", "\n", " ", " ;;\t"])
def test_clues_are_read_in_several_ways(separator):
    assert TASK.normalize(_problem(_clues(), separator)) == _problem(_clues())
    assert TASK.normalize(_problem(_clues(), separator).upper()) == _problem(_clues()).replace("clue", "CLUE")


def test_a_clue_may_have_marks_and_letters_of_any_kind():
    clues = _clues(h1="To mock; to sneer", v2="e.g. 50% of it (cf. 'h1'; v1)", v5="Café, 喫茶店")
    assert read_clues(TASK.normalize(_problem(clues))) == clues


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        ("", "not ten clues"),
        ("4 5 6 10", "not ten clues"),
        (_problem(_clues())[:-12], "not ten clues"),
        ("Solve: " + _problem(_clues()), "not ten clues"),
        (_problem(dict(reversed(_clues().items()))), "not ten clues"),
        (_problem(_clues(h2="see h1. for this")), "not ten clues"),
        (_problem(_clues()) + "; v6. one more; v5. again", "not ten clues"),
        (_problem(_clues(h3=" ; ")), "the clue of h3 says nothing"),
        (_problem(_clues(v4="x" * 201)), "the clue of v4 is longer than 200"),
        (_problem(_clues(v1="a\0b")), "the clue of v1 has a character that cannot be printed"),
        (_problem(_clues(v1="a\ud800b")), "the clue of v1 has a character that cannot be printed"),
        ("h1. " * 1001, "longer than 4,000"),
    ],
)
def test_anything_else_is_refused_and_says_why(problem, message):
    with pytest.raises(InvalidProblem, match=message):
        TASK.normalize(problem)


# --- thoughts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line", ["h1. CRIME", "h1. crime", " H1.Crime ", "h1. crime (certain)", "h1. CRIME(low)", "h1. CRIME ( High ) "]
)
@pytest.mark.parametrize("trust", [False, True])
def test_a_word_is_read_with_or_without_how_sure_the_model_is(line, trust):
    proposal = _parse(ROOT, line, trust=trust)
    assert (proposal.text, proposal.answer) == ("h1. CRIME", None)
    assert proposal.key == f"{PROBLEM}\nCRIME{BLANK[5:]}"


@pytest.mark.parametrize(
    "line",
    [
        "",
        "CRIME",
        "h1 CRIME",
        "h1: CRIME",
        "h6. CRIME",
        "h0. CRIME",
        "d1. CRIME",
        "h1. C R I M E",
        "h1. CR1ME",
        "h1. CRIM\N{LATIN SMALL LETTER E WITH ACUTE}",
        "h1. CRI\N{LATIN SMALL LETTER LONG S}E",
        "h\N{ARABIC-INDIC DIGIT ONE}. CRIME",
        "h1. CRIME (sure)",
        "h1. CRIME (high) (low)",
        "h1. CRIME, h2. LEMON",
        "1. h1. CRIME",
        "h1. CRIME because it fits",
        "h1. " + "C" * 97,
        "h1." + " " * 4000 + "CRIME",
    ],
)
@pytest.mark.parametrize("trust", [False, True])
def test_a_line_in_another_format_is_malformed(line, trust):
    with pytest.raises(MalformedThought):
        _parse(ROOT, line, trust=trust)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("h2. LEMONS", "LEMONS has 6 letters, not 5"),
        ("h2. LIME", "LIME has 4 letters, not 5"),
        ("h1. CRIME", "h1 is filled"),
        ("v1. BLUFF", "v1 has C____, which BLUFF does not fit"),
    ],
)
@pytest.mark.parametrize("trust", [False, True])
def test_a_word_that_does_not_fit_its_place_is_illegal_even_with_trust(line, reason, trust):
    with pytest.raises(IllegalThought, match=reason):
        _parse(_walk("h1. CRIME"), line, trust=trust)


def test_the_order_of_filling_leaves_no_trace():
    one, other = _walk("h1. CRIME", "v5. ENTER"), _walk("v5. ENTER", "h1. CRIME")
    assert _parse(one, "h3. INPUT").key == _parse(other, "h3. INPUT").key
    for style in PromptStyle:
        assert TASK.propose_prompt(one, style) == TASK.propose_prompt(other, style)
        assert TASK.value_prompt(one, style) == TASK.value_prompt(other, style)


@settings(deadline=None, max_examples=60)
@given(st.permutations(list(PLACES)))
def test_any_order_of_words_fills_the_board_in_at_most_nine_steps(order):
    words = _words(ANSWER)
    state, keys = ROOT, set()
    for name in order:
        proposal = _parse(state, f"{name}. {words[name]}")
        state = State(PROBLEM, (*state.steps, proposal.text))
        keys.add(proposal.key)
        assert len(keys) == len(state.steps), "each word adds a letter"
        if proposal.answer:
            break
        # So the board alone says which words were filled in.
        board = proposal.key.rpartition("\n")[2]
        full = {place for place, cells in PLACES.items() if all(board[cell] != "_" for cell in cells)}
        assert full == {step[:2] for step in state.steps}
    assert proposal.answer == ANSWER
    assert 5 <= len(state.steps) <= TASK.depth
    assert proposal.key == f"{PROBLEM}\n{ANSWER.replace(' ', '')}"
    for name, word in words.items():
        with pytest.raises(IllegalThought, match=f"{name} is filled"):
            _parse(state, f"{name}. {word}")


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.sampled_from(list(PLACES)), st.text(alphabet="AB", min_size=5, max_size=5)), max_size=20))
def test_letters_that_are_there_stay(moves):
    state, board = ROOT, BLANK
    for name, word in moves:
        fits = all(board[cell] in ("_", letter) for cell, letter in zip(PLACES[name], word, strict=True))
        is_open = any(board[cell] == "_" for cell in PLACES[name])
        if not (fits and is_open):
            with pytest.raises(IllegalThought):
                _parse(state, f"{name}. {word}")
            continue
        proposal = _parse(state, f"{name}. {word}")
        after = proposal.key.rpartition("\n")[2]
        assert all(new == old for old, new in zip(board, after, strict=True) if old != "_")
        assert "".join(after[cell] for cell in PLACES[name]) == word
        assert (proposal.answer is not None) == ("_" not in after)
        state, board = State(PROBLEM, (*state.steps, proposal.text)), after


@pytest.mark.parametrize(
    "state",
    [
        State(""),
        State("1 1 11 11"),
        State(PROBLEM, ("h1. CRIME", "h1. CRIME")),
        State(PROBLEM, ("h1. CRIME", "v1. BLUFF")),
        State(PROBLEM, ("h1. CRIMES",)),
        State(PROBLEM, ("fill it",)),
        State(PROBLEM, ("h1. CRIME",) * 10_000),
        State("h1. x " * 100_000),
        State(PROBLEM, (" " * 1_000_000,)),
    ],
)
def test_a_state_without_a_board_is_an_invalid_input_at_little_cost(state):
    begun = time.process_time()
    for use in (
        *(lambda method=method: TASK.propose_prompt(state, BARE, method) for method in Method),
        lambda: TASK.value_prompt(state, FEW_SHOT),
        lambda: TASK.value_by_rule(state),
        lambda: _parse(state, "h2. LEMON"),
    ):
        with pytest.raises(InvalidInput, match="no board"):
            use()
    assert time.process_time() - begun < 1


# --- values and answers -----------------------------------------------------------------------------------------------


def test_no_rule_knows_words():
    assert TASK.value_by_rule(ROOT) is None
    assert TASK.value_by_rule(_walk("h1. XXXXX", "v1. XQXQX")) is None
    assert TASK.validate(PROBLEM, ANSWER) is None
    assert TASK.validate(PROBLEM, "x" * 25) is None


@pytest.mark.parametrize(
    ("answer", "explanation"),
    [
        ("", "0 letters where 25"),
        ("CRIME LEMON INPUT FALSE FLYE", "24 letters where 25"),
        ("CRIME LEMON INPUT FALSE FLYE_", "'_' is no letter"),
        ("CRIME LEMON INPUT FALSE FLY\N{LATIN CAPITAL LETTER E WITH ACUTE}R", "is no letter"),
        ("ß" * 13, "26 letters"),
        ("x" * 4000, "longer than 200"),
    ],
)
def test_what_is_no_full_board_is_impossible_and_nobody_is_asked(answer, explanation):
    verdict, why = TASK.validate(PROBLEM, answer)
    assert verdict is Verdict.IMPOSSIBLE
    assert explanation in why


def test_an_answer_to_another_problem_is_refused():
    for use in (TASK.validate, lambda *given: TASK.validate_prompt(*given, BARE)):
        with pytest.raises(InvalidProblem):
            use("1 1 11 11", ANSWER)


@pytest.mark.parametrize(
    "text", [ANSWER, ANSWER.lower(), ANSWER.replace(" ", "\n"), " ".join(ANSWER), "|".join(ANSWER)]
)
def test_a_model_is_shown_each_clue_with_its_word(text):
    lines = TASK.validate_prompt(PROBLEM, text, BARE).text.splitlines()
    assert lines[0] == "Words:"
    assert lines[1] == "h1. Theft or fraud: CRIME"
    assert [line.rpartition(": ")[2] for line in lines[1:11]] == list(_words(ANSWER).values())
    assert lines[11:] == ["Verdict:"]


def test_the_answer_of_a_whole_solution_is_its_last_line():
    proposal = TASK.parse_solution(ROOT, f"h1. CRIME\nAnswer: {ANSWER}\n")
    assert proposal.answer == ANSWER
    other = TASK.parse_solution(ROOT, ANSWER.lower())
    assert (other.answer, other.key) == (proposal.answer, proposal.key)
    for wrong in ("", "Answer:", "Answer: CRIME", "I cannot", "x" * 4001):
        with pytest.raises(MalformedThought):
            TASK.parse_solution(ROOT, wrong)


# --- the examples in the prompts --------------------------------------------------------------------------------------

SOLUTIONS = {"Plank": "BOARD ERROR ABOVE TIMES STARS", "Fruit that pies are made of": "APPLE RELAX ERASE NICER ALERT"}
"""By the first clue."""


def _examples(text):
    """Yield the solution, the letters and the further lines of each example, without the question at the end."""
    for block in text.split("Clues:\n")[1:-1]:
        lines = block.strip().splitlines()
        problem = TASK.normalize("; ".join(lines[:10]))
        answer = SOLUTIONS[read_clues(problem)["h1"]]
        letters = dict(line.replace(" ", "").split(".") for line in lines[11:21]) if lines[10] == "Letters:" else {}
        rest = lines[21 if letters else 11 :]
        yield problem, answer, letters, [line for line in rest if not line.endswith(":")]


CLUES = read_clues(PROBLEM)
PROPOSE, VALUE, CHAIN, DIRECT = (
    list(_examples(text))
    for text in (
        prompts.propose(CLUES, BLANK, FEW_SHOT),
        prompts.value(CLUES, BLANK, FEW_SHOT),
        prompts.chain(CLUES, (), FEW_SHOT),
        prompts.direct(CLUES, BLANK, FEW_SHOT),
    )
)


def _reached(problem, letters):
    """The state with these letters; its full words have to give all of them."""
    state = State(problem)
    for name, word in letters.items():
        if "_" not in word:
            state = State(problem, (*state.steps, _parse(state, f"{name}. {word}").text))
    shown = "Letters:\n" + "".join(f"{name}. {' '.join(word)}\n" for name, word in letters.items())
    assert TASK.value_prompt(state, FEW_SHOT).text.endswith(shown)
    return state


def test_there_are_examples():
    assert [len(blocks) for blocks in (PROPOSE, VALUE, CHAIN, DIRECT)] == [2, 3, 1, 1]
    told = {word for solution in SOLUTIONS.values() for word in _words(solution).values()}
    assert told.isdisjoint(_words(ANSWER).values()), "the task's own example is not told"


@pytest.mark.parametrize(("problem", "answer", "letters", "lines"), PROPOSE)
def test_every_word_in_an_example_fits_and_what_is_sure_is_right(problem, answer, letters, lines):
    state, solution = _reached(problem, letters), _words(answer)
    ranks = ["certain", "high", "medium", "low"]
    said = [re.fullmatch(r"(\w\d)\. (\w{5}) \((\w+)\)", line).groups() for line in lines]
    for line, (name, word, rank) in zip(lines, said, strict=True):
        assert _parse(state, line).text == f"{name}. {word}"
        assert (solution[name] == word) == (rank != "low")
    assert sorted(said, key=lambda each: ranks.index(each[2])) == said


@pytest.mark.parametrize(("problem", "answer", "letters", "lines"), VALUE)
def test_every_example_of_a_value_goes_through_the_open_words_and_has_the_right_label(problem, answer, letters, lines):
    state, solution = _reached(problem, letters), _words(answer)
    *found, label = lines
    judged = dict(line.split(". ") for line in found)
    assert list(judged) == [name for name, word in letters.items() if "_" in word and word != "_____"]
    for name, word in judged.items():
        assert word in ("none", "?", solution[name])
        if len(word) == 5:
            _parse(state, f"{name}. {word}")
    right = all(solution[step[:2]] == step[4:] for step in state.steps)
    assert right == ("none" not in judged.values()) == (label != "impossible")
    assert (label == "sure") == ({"none", "?"}.isdisjoint(judged.values()))


@pytest.mark.parametrize(("problem", "answer", "letters", "lines"), CHAIN)
def test_every_example_of_a_chain_is_legal_and_right(problem, answer, letters, lines):
    assert not letters
    state = State(problem)
    for line in lines[:-1]:
        proposal = _parse(state, line)
        state = State(problem, (*state.steps, proposal.text))
    assert lines[-1] == f"Answer: {answer}"
    assert proposal.answer == answer


@pytest.mark.parametrize(("problem", "answer", "letters", "lines"), DIRECT)
def test_every_example_of_a_direct_answer_is_right(problem, answer, letters, lines):
    _reached(problem, letters)
    assert lines == [f"Answer: {answer}"]


def test_the_examples_of_checking_have_one_right_and_one_wrong_board():
    _, *blocks, _ = prompts.validate(CLUES, BLANK, FEW_SHOT).split("Words:\n")
    verdicts = []
    for block in blocks:
        lines = block.strip().splitlines()
        words = [line.rpartition(": ")[2] for line in lines[:10]]
        shown = " ".join(words[:5])
        assert list(_words(shown).values()) == words, "the words cross"
        right = shown in SOLUTIONS.values()
        verdicts.append(TASK.parse_verdict("\n".join(lines[11:])))
        assert verdicts[-1] is (Verdict.CERTAIN if right else Verdict.IMPOSSIBLE)
    assert verdicts == [Verdict.CERTAIN, Verdict.IMPOSSIBLE]


def test_a_prompt_shows_the_clues_and_then_the_letters():
    state = _walk("h1. CRIME")
    text = TASK.propose_prompt(state, BARE).text
    assert text.startswith("Clues:\nh1. Theft or fraud\nh2. ")
    assert "v5. To go in\nLetters:\nh1. C R I M E\nh2. _ _ _ _ _\n" in text
    assert text.endswith("v5. E _ _ _ _\nNext:\n")
    assert TASK.propose_prompt(state, FEW_SHOT).text.endswith("v5. E _ _ _ _\nPossible next steps:\n")
    assert TASK.propose_prompt(state, FEW_SHOT, Method.CHAIN).text.endswith("v5. To go in\nSteps:\nh1. CRIME\n")
    assert TASK.propose_prompt(state, FEW_SHOT, Method.DIRECT).text.endswith("v5. E _ _ _ _\nAnswer:")
    assert TASK.parse_value("v1. CLIFF\nsure") is Label.SURE
    assert find_task("crosswords") is TASK
