"""Creative writing: sentences, plans and passages; the rule about endings; votes and scores."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from writer import SENTENCES, passage

from services.core.errors import InvalidInput
from services.core.task import IllegalThought, InvalidProblem, MalformedThought, Method, PromptStyle, defaults_of
from services.core.thought import State, Verdict
from services.tasks._replies import read_vote
from services.tasks.creative_writing import TASK
from services.tasks.creative_writing.passage import MAX_PASSAGE_BYTES, MAX_PLAN_BYTES, read_plan, read_sentences
from services.tasks.creative_writing.task import LEAST_COHERENCY, read_score

PROBLEM = TASK.normalize(TASK.example)
ROOT = State(PROBLEM)
PLANNED = State(PROBLEM, ("A plan.",))
BARE, FEW_SHOT = PromptStyle.BARE, PromptStyle.FEW_SHOT


def _parse(state, text, *, trust=False):
    return TASK.parse_thought(state, text, trust=trust)


# --- problems -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        'She said "now". He left! Did it rain? Yes.',
        "One (or two). 2 came. 'Three.' “Four.”",
        "One.\nTwo.\n\nThree.\nFour.\n",
        "Dr. Who came.\nMr. Ed left.\nno capital here\nend",
    ],
)
def test_four_sentences_are_read_from_one_line_or_four(line):
    assert len(read_sentences(line)) == 4
    assert len(TASK.normalize(line).split("\n")) == 4


@pytest.mark.parametrize(
    "line", ["One. Two. Three. Four. Five.", "one. two. three. four.", "Dr. Who came. Two. Three. Four."]
)
def test_a_line_that_does_not_say_which_sentences_is_refused_with_advice(line):
    with pytest.raises(InvalidProblem, match="a line of its own"):
        TASK.normalize(line)


# --- plans ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "plan"),
    [
        ("A keeper\n\n1. comes  home", "A keeper 1. comes home"),
        ("**Plan:** one\nPLAN: two", "** one PLAN: two"),
        ("Plan: Plan: one\nPassage:\nIt was dark.", "one"),
        ("one\n**Passage**: It was dark.", "one"),
        ("The passage: it is long", "The passage: it is long"),
    ],
)
def test_a_plan_is_one_line_without_its_heading(text, plan):
    assert read_plan(text) == plan


@pytest.mark.parametrize(
    "text", ["", " \n ", "Plan:", "Plan:\nPassage: It was dark.", "...", "x" * (MAX_PLAN_BYTES + 1)]
)
def test_what_says_nothing_or_too_much_is_no_plan(text):
    with pytest.raises(MalformedThought):
        _parse(ROOT, text)


# --- passages -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        passage(1),
        f"Passage:\n{passage(1)}\n",
        f"Plan: all of it\n\nPassage:\n\n{passage(1)}",
        passage(1).replace("\n\n", "\n"),
        passage(1).replace("\n\n", "\n \t\n\n"),
        passage(1).replace("\n\n", " ¶ "),
        passage(1).replace(" ", "  "),
    ],
)
def test_a_passage_is_read_however_its_paragraphs_are_parted(text):
    proposal = _parse(PLANNED, text)
    assert proposal.answer == passage(1)
    assert proposal.text == passage(1).replace("\n\n", " ¶ ")
    assert TASK.validate(PROBLEM, proposal.answer) is None
    assert TASK.parse_solution(ROOT, text).key == proposal.key


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (passage(1).replace("\n\n", " "), "has 1 paragraphs, not 4"),
        (passage(1).partition("\n\n")[2], "has 3 paragraphs, not 4"),
        (f"{passage(1)}\n\nThe end.", "has 5 paragraphs, not 4"),
        (passage(1).replace(SENTENCES[1], SENTENCES[1].rstrip(".")), "paragraph 2 does not end with sentence 2"),
        (f"{passage(1)} The end.", "paragraph 4 does not end with sentence 4"),
    ],
)
def test_a_passage_that_breaks_the_rule_is_illegal_and_is_refused_if_believed(text, why):
    with pytest.raises(IllegalThought, match=why):
        _parse(PLANNED, text)
    believed = _parse(PLANNED, text, trust=True)
    assert TASK.validate(PROBLEM, believed.answer) == (Verdict.IMPOSSIBLE, f"the passage {why}")


def test_how_quotes_are_typed_does_not_matter():
    problem = "It isn\u2019t.\nB.\nC.\nShe said \u201cno\u201d."
    assert TASK.validate(problem, 'Is it? It isn\'t.\n\nB.\n\nC.\n\nSo. She said "no".') is None


def test_a_passage_that_is_too_long_is_none():
    with pytest.raises(MalformedThought, match="bytes"):
        _parse(PLANNED, "long " * MAX_PASSAGE_BYTES + passage(1))


@settings(deadline=None)
@given(st.text(max_size=80), st.sampled_from([ROOT, PLANNED]))
def test_the_normal_form_of_any_text_is_its_own(noise, state):
    for text in (noise, f"{noise}{passage(2)}", f"Plan:{noise}Passage:{noise}\n\n{passage(2)}{noise}"):
        try:
            proposal = _parse(state, text, trust=True)
        except MalformedThought:
            continue
        assert _parse(state, proposal.text, trust=True) == proposal
        if proposal.answer is not None:
            assert _parse(state, proposal.answer, trust=True) == proposal


# --- prompts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", PromptStyle)
def test_a_completion_is_one_thought_and_five_are_drawn(style):
    suited = defaults_of(TASK, style)
    assert (suited.samples, suited.lines, suited.rollouts) == (5, 1, 0)
    assert suited.thought_tokens >= 500
    for method in Method:
        assert TASK.propose_prompt(ROOT, style, method).whole
        assert TASK.propose_prompt(PLANNED, style, method).whole


@pytest.mark.parametrize("style", PromptStyle)
def test_every_prompt_but_the_raters_shows_all_sentences(style):
    shown = [
        *(TASK.propose_prompt(state, style, method) for state in (ROOT, PLANNED) for method in Method),
        TASK.value_prompt(PLANNED, style),
        TASK.vote_prompt(ROOT, ["A plan."], style),
        TASK.vote_prompt(PLANNED, [passage(1).replace("\n\n", " ¶ ")], style),
    ]
    for prompt in shown:
        assert all(sentence in prompt.text for sentence in SENTENCES)
    assert passage(1) in shown[-1].text, "paragraphs are shown as such"
    assert SENTENCES[0] not in TASK.validate_prompt(PROBLEM, "", style).text


def test_the_plan_is_shown_to_who_writes_the_passage():
    for style in PromptStyle:
        assert "A plan." in TASK.propose_prompt(PLANNED, style).text
        assert TASK.propose_prompt(ROOT, style).stop == ("Passage:",)


@pytest.mark.parametrize("state", [State(PROBLEM, ("a", "b")), State("no problem"), State(PROBLEM, ("...",))])
def test_a_state_that_is_none_is_refused(state):
    for ask in (TASK.propose_prompt, TASK.value_prompt):
        with pytest.raises(InvalidInput):
            ask(state, FEW_SHOT)
    with pytest.raises(InvalidInput):
        TASK.vote_prompt(state, ["A plan."], FEW_SHOT)


def test_a_choice_that_is_none_is_refused():
    with pytest.raises(InvalidInput, match="choice"):
        TASK.vote_prompt(ROOT, ["A plan.", "..."], BARE)


# --- votes and scores -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "vote"),
    [
        ("2", 2),
        (" 3\n", 3),
        ("Best: 1", 1),
        ("Choice 3 rambles.\nBest: 2.", 2),
        ("**Best: 3**", 3),
        ("The best choice is 2, since choice 3 rambles", 2),
        ("The best choice is Choice 1", 1),
        ("Choice 2 is the best.", 2),
        ("(3)", 3),
        ("Best: 4", None),
        ("Best: 0", None),
        ("Best: none", None),
        ("Best: 2\nThat is what I think.", None),
        ("I like choice 2", None),
        ("", None),
        ("-2x", None),
        ("٢", None),
    ],
)
def test_a_vote_is_a_number_in_the_last_line(text, vote):
    assert read_vote(text, 3) == vote


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("7", 7),
        ("Coherency: 8", 8),
        ("It holds together.\nCoherency: 10/10.", 10),
        ("The coherency score is 9 out of 10", 9),
        ("**Coherency:** 6", 6),
        ("Coherency: 8 or 9", None),
        ("There are 9 mistakes", None),
        ("Coherency: 11", None),
        ("Coherency: 0", None),
        ("Coherency: 8\nwell done", None),
        ("", None),
    ],
)
def test_a_score_ends_the_last_line(text, score):
    assert read_score(text) == score


def test_the_least_coherency_is_enough():
    assert TASK.parse_verdict(f"Coherency: {LEAST_COHERENCY}") is Verdict.CERTAIN
    assert TASK.parse_verdict(f"Coherency: {LEAST_COHERENCY - 1}") is Verdict.IMPOSSIBLE
    assert TASK.parse_verdict("Coherency: good") is None
