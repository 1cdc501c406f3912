"""Tasks without code: what a file may say, what is wrong with others, and how lines are read."""

from dataclasses import replace
from pathlib import Path

import pytest

from services.cli.definition import read_definition
from services.core.errors import InvalidInput
from services.core.task import (
    IllegalThought,
    MalformedThought,
    Method,
    PromptStyle,
    TaskDefinition,
    Votable,
    defaults_of,
)
from services.core.thought import State, Verdict
from services.plugins import TASKS, define_task
from services.tasks._replies import read_verdict

GOOD = """\
name: riddles
depth: 3
propose: "{problem} {steps} {last}"
evaluate: "{steps}"
validate: "{answer}"
"""
DEFINITION = TaskDefinition(
    name="riddles", depth=3, propose="{problem}", evaluate="{steps}", validate="{problem}: {answer}?", answer="Answer:"
)
ROOT = State("what walks?")


def written(folder, text):
    path = Path(folder) / "prompts.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


# --- files ----------------------------------------------------------------------------------------------------------


def test_a_file_says_what_is_wanted_and_the_rest_is_left_to_the_style(tmp_path):
    definition = read_definition(written(tmp_path, GOOD + "propose_tokens: 70\nanswer: 'So:'\n"))
    assert definition == TaskDefinition(
        name="riddles", depth=3, propose="{problem} {steps} {last}", evaluate="{steps}", validate="{answer}",
        answer="So:", propose_tokens=70,
    )  # fmt: skip
    suited = defaults_of(define_task(definition), PromptStyle.FEW_SHOT)
    assert (suited.thought_tokens, suited.chain_tokens, suited.value_tokens) == (70, 70, 120)


def test_a_byte_order_mark_and_other_line_ends_are_read(tmp_path):
    assert read_definition(written(tmp_path, b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())).name == "riddles"


WRONG = {
    "nothing": ("", ["mapping", "name", "not nothing"]),
    "a list": ("- a\n- b\n", ["mapping", "a list"]),
    "a text": ("hello\n", ["mapping", "'hello'"]),
    "two documents": (GOOD + "---\n" + GOOD, ["line 6", "no YAML"]),
    "no YAML": ("name: [a\npropose: b\n", ["line 2", "no YAML"]),
    "a tab": ("name: a\n\tdepth: 3\n", ["line 2", "no YAML"]),
    "a control character": ("name: a\ndepth: \x07\n", ["line 2", "no YAML"]),
    "an alias without its anchor": ("name: *a\n", ["line 1", "no YAML"]),
    "a tag of Python": (GOOD + "answer: !!python/object/apply:os.getcwd []\n", ["line 6", "answer", "text", "a list"]),
    "not UTF-8": (b"name: a\n# \xff\n", ["line 2", "UTF-8"]),
    "half a character": (GOOD + 'answer: "\\ud800"\n', ["line 6", "answer", "UTF-8"]),
    "too large": ("# " + "x" * 100_000, ["100,000 bytes"]),
    "too deep": ("[" * 50_000, ["too deep"]),
    "an unknown key": (GOOD + "anwser: x\n", ["line 6", "'anwser'", "answer", "propose"]),
    "a key that is a list": (GOOD + "? [a]\n: b\n", ["line 6", "a list"]),
    "a key twice": (GOOD + "name: b\n", ["line 6", "name", "twice"]),
    "a key merged in": (GOOD + "<<: {name: b}\n", ["line 6", "'<<'"]),
    "missing keys": ("name: a\ndepth: 3\nevaluate: '{steps}'\n", ["has no propose, validate"]),
    "a number for a text": (GOOD.replace("riddles", "24"), ["line 1", "name", "text", "'24'", "quotes"]),
    "a truth for a text": (GOOD + "answer: yes\n", ["line 6", "answer", "text", "'yes'"]),
    "nothing for a text": (GOOD.replace('"{answer}"', ""), ["line 5", "validate", "text", "not nothing"]),
    "a mapping for a text": (GOOD.replace('"{answer}"', "{answer}"), ["line 5", "validate", "text", "a mapping"]),
    "a text for a number": (GOOD.replace("3", "three"), ["line 2", "depth", "whole number", "'three'"]),
    "a fraction for a number": (GOOD.replace("3", "3.5"), ["line 2", "depth", "whole number", "'3.5'"]),
    "a number in sixes": (GOOD.replace("3", "0x3"), ["line 2", "depth", "whole number"]),
    "a number too small": (GOOD.replace("3", "0"), ["line 2", "depth", "from 1 to 64", "not 0"]),
    "a number too large": (GOOD.replace("3", "65"), ["line 2", "depth", "from 1 to 64", "not 65"]),
    "too many tokens": (GOOD + "evaluate_tokens: 4097\n", ["line 6", "evaluate_tokens", "4,096"]),
    "tokens below none": (GOOD + "evaluate_tokens: -1\n", ["line 6", "evaluate_tokens", "not -1"]),
    "an empty name": (GOOD.replace("riddles", "' '"), ["line 1", "name", "empty"]),
    "an empty prompt": (GOOD.replace('"{answer}"', '""'), ["line 5", "validate", "{answer}"]),
    "an unknown placeholder": (GOOD.replace("{last}", "{lust}"), ["line 3", "propose", "'{lust}'", "{last}"]),
    "one of another prompt": (GOOD.replace('"{answer}"', '"{answer} {steps}"'), ["line 5", "validate", "'{steps}'"]),
    "an attribute": (GOOD.replace("{last}", "{problem.__class__}"), ["line 3", "propose", "'{problem.__class__}'"]),
    "an index": (GOOD.replace("{last}", "{steps[0]}"), ["line 3", "propose", "'{steps[0]}'"]),
    "a conversion": (GOOD.replace("{last}", "{problem!r}"), ["line 3", "propose", "'{problem!r}'"]),
    "a width": (GOOD.replace("{last}", "{problem:>999999999}"), ["line 3", "propose", "'{problem:>"]),
    "no name in braces": (GOOD.replace("{last}", "{}"), ["line 3", "propose", "'{}'", "twice"]),
    "a single brace": (GOOD.replace("{last}", "{ last"), ["line 3", "propose", "'{'", "twice"]),
    "no problem": (GOOD.replace("{problem}", ""), ["line 3", "propose", "{problem}"]),
    "no steps": (GOOD.replace('evaluate: "{steps}"', 'evaluate: "{problem}"'), ["line 4", "{steps} or {last}"]),
    "too many placeholders": (GOOD.replace('"{answer}"', "'" + "{answer}" * 9 + "'"), ["line 5", "validate", "8"]),
    "a prompt too long": (GOOD + "summary: s\n" + "example: " + "\u00e9" * 2001, ["line 7", "4,000 bytes", "4,002"]),
    "a mark of two lines": (GOOD + 'answer: "a\\nb"\n', ["line 6", "answer", "one line"]),
    "a mark of a list": (GOOD + 'answer: "- a"\n', ["line 6", "answer", "list"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_names_line_and_key_and_what_was_expected(tmp_path, case):
    text, says = WRONG[case]
    path = written(tmp_path, text)
    with pytest.raises(InvalidInput) as raised:
        read_definition(path)
    message = str(raised.value)
    assert message.startswith(str(path))
    assert all(word in message for word in says), message
    assert len(message) < 600


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path, name):
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_definition(tmp_path / name)


# --- prompts --------------------------------------------------------------------------------------------------------


def test_what_is_filled_in_stays_text():
    task = define_task(replace(DEFINITION, propose="{{{problem}}} {{steps}} {steps}|{last}|", validate="{answer}"))
    hostile = State("{steps} {problem.__class__} {{ \\1 %s", ("{last}", "{answer} }"))
    assert task.propose_prompt(hostile, PromptStyle.FEW_SHOT).text == (
        "{{steps} {problem.__class__} {{ \\1 %s} {steps} {last}\n{answer} }|{answer} }|"
    )
    assert task.validate_prompt("p", "{problem}", PromptStyle.BARE).text == "{problem}"


def test_in_the_bare_style_a_sample_is_one_line_and_labels_are_read_from_their_probabilities():
    task = define_task(DEFINITION)
    assert task.propose_prompt(ROOT, PromptStyle.BARE).stop == ("\n",)
    assert task.propose_prompt(ROOT, PromptStyle.BARE, Method.CHAIN).stop == ()
    assert task.propose_prompt(ROOT, PromptStyle.FEW_SHOT).stop == ()
    assert task.value_prompt(ROOT, PromptStyle.BARE).labels == ("sure", "likely", "impossible")
    assert task.value_prompt(ROOT, PromptStyle.FEW_SHOT).labels == ()


def test_another_definition_is_another_version():
    one = define_task(DEFINITION)
    assert one is define_task(replace(DEFINITION)), "found again, not made again"
    assert one.version != define_task(replace(DEFINITION, propose="{problem} ")).version


def test_tasks_of_users_are_not_among_those_that_ship():
    assert not [name for name in TASKS.names() if "prompt" in name]


# --- lines ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("  walk  on\tfour ", "walk on four"),
        ("1. walk", "walk"),
        ("12) walk", "walk"),
        ("- walk", "walk"),
        ("* 3. walk", "walk"),
        ("3.5 walks", "3.5 walks"),
        ("-5 + 3", "-5 + 3"),
        ("2024. A year", "2024. A year"),
        ("walk:run", "walk:run"),
    ],
)
def test_a_line_is_read_without_the_mark_of_a_list(line, text):
    proposal = define_task(DEFINITION).parse_thought(ROOT, line, trust=False)
    assert (proposal.text, proposal.answer) == (text, None)


@pytest.mark.parametrize("line", ["", " ", "- ", "---", "```", "Possible next steps:", "Answer:", "x" * 1001])
def test_a_line_that_says_nothing_is_malformed(line):
    with pytest.raises(MalformedThought):
        define_task(DEFINITION).parse_thought(ROOT, line, trust=False)


def test_a_marked_line_is_an_answer_at_any_depth_and_the_last_step_has_to_be_one():
    task = define_task(DEFINITION)
    assert task.parse_thought(ROOT, "2. ANSWER: a man", trust=False).answer == "a man"
    last = State(ROOT.problem, ("a", "b"))
    assert task.parse_thought(last, "Answer: a man", trust=False).answer == "a man"
    with pytest.raises(IllegalThought, match="Answer:"):
        task.parse_thought(last, "a man", trust=False)


def test_without_a_mark_all_steps_are_the_answer_and_none_is_too_long_for_the_wire():
    task = define_task(replace(DEFINITION, answer=""))
    assert task.parse_thought(State("p", ("a", "b")), "c", trust=False).answer == "a\nb\nc"
    with pytest.raises(MalformedThought, match="4000"):
        task.parse_thought(State("p", ("a" * 2000, "b" * 1500)), "c" * 600, trust=False)


def test_a_whole_solution_has_its_answer_in_the_last_line_that_is_marked():
    task = define_task(DEFINITION)
    proposal = task.parse_solution(ROOT, "think\n\nAnswer: a dog\nno\n**\nanswer:  a   man\n")
    assert (proposal.answer, proposal.key) == ("a man", "what walks?\na man")
    with pytest.raises(MalformedThought, match="Answer:"):
        task.parse_solution(ROOT, "a man")
    with pytest.raises(MalformedThought, match="nothing"):
        task.parse_solution(ROOT, " \n")
    unmarked = define_task(replace(DEFINITION, answer="")).parse_solution(ROOT, "1. a\n2. b\n")
    assert unmarked.answer == "a\nb"


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("certain", Verdict.CERTAIN),
        ("Yes.", Verdict.CERTAIN),
        ("all is well\n**Certain**\n", Verdict.CERTAIN),
        ("Verdict: certain", Verdict.CERTAIN),
        ("sure, because it fits", Verdict.CERTAIN),
        ("yes at first\nimpossible", Verdict.IMPOSSIBLE),
        ("No", Verdict.IMPOSSIBLE),
        ("I am not certain", None),
        ("uncertain", None),
        ("certainly", None),
        ("certain\nbut who knows", None),
        ("", None),
    ],
)
def test_a_verdict_is_what_the_last_line_begins_with(text, verdict):
    assert read_verdict(text) is verdict


# --- votes ----------------------------------------------------------------------------------------------------------


def test_a_definition_with_a_prompt_for_votes_can_be_voted_on_and_no_other():
    assert not isinstance(define_task(DEFINITION), Votable)
    votable = define_task(replace(DEFINITION, vote="{problem}; {steps}; {choices}"))
    assert isinstance(votable, Votable)
    prompt = votable.vote_prompt(State("what walks?", ("a", "b")), ["c {steps}", "d"], PromptStyle.FEW_SHOT)
    assert prompt.text == "what walks?; a\nb; 1. c {steps}\n2. d"
    assert votable.parse_vote("Best: 2", 2) == 2


@pytest.mark.parametrize(
    ("vote", "why"),
    [("{problem}", "must have {choices}"), ("{choices} {last}", "it may have"), ("{choices}" * 9, "8 placeholders")],
)
def test_a_wrong_prompt_for_votes_is_refused_with_its_line(tmp_path, vote, why):
    with pytest.raises(InvalidInput, match=f"line 6: vote .*{why}"):
        read_definition(written(tmp_path, f"{GOOD}vote: '{vote}'\n"))
