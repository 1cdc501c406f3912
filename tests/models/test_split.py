"""Nothing that is held out is trained on: neither roots nor states that only held-out roots reach."""

import random
import re

import pytest

from models.data import KINDS, examples, training_roots
from models.states import parse, reach, read_puzzles, steps, visits, wins

# The examples inside the few-shot prompts are part of the text that is trained on.
QUESTION = re.compile(r"^(?:Input: )?([0-9/]+(?: [0-9/]+){1,3})$", re.MULTILINE)
LEFT = re.compile(r"\(left: ([0-9/]+(?: [0-9/]+){1,2})\)")
SAMPLED_ROOTS = 60


@pytest.fixture(scope="module")
def allowed():
    return visits(training_roots()).keys()


def test_training_roots_are_no_held_out_roots():
    held_out = {root for name in ("dev", "dev_unsolvable", "paper_test") for root in read_puzzles(name)}
    assert not held_out & set(training_roots())


def test_the_two_training_files_say_which_can_be_solved():
    assert all(map(wins, read_puzzles("train")))
    assert not any(map(wins, read_puzzles("train_unsolvable")))


@pytest.mark.parametrize("kind", KINDS)
def test_generated_data_shows_only_states_that_training_roots_reach(allowed, kind):
    roots = random.Random(7).sample(training_roots(), SAMPLED_ROOTS) + read_puzzles("train")[:10]
    shown = set()
    for example in examples(kind, roots):
        text = f"{example.prompt}\n{example.completion}"
        shown |= {parse(match) for match in QUESTION.findall(text) + LEFT.findall(text)}
    assert len(shown) > SAMPLED_ROOTS / 2
    assert shown <= allowed


def test_the_check_notices_a_held_out_root(allowed):
    dev = read_puzzles("dev")
    assert not allowed & set(dev)
    below = {step.state for root in dev for step in steps(root)}
    assert below - allowed, "some states are reached by held-out roots alone"


def test_what_is_in_reach_agrees_with_the_steps():
    assert wins(parse("1 1 11 11"))
    assert not wins(parse("1 1 1 1"))
    assert reach(parse("2 4")) == set(parse("6 2 8 1/2"))
