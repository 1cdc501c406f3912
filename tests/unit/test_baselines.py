"""The baselines: whole solutions, drawn without a search."""

import pytest

from services.core.search import Child, Tell
from services.core.task import MalformedThought, Method, PromptStyle
from services.core.thought import State, Verdict
from services.orchestrator.search import cot, cot_sc, io, sample_until_valid
from services.tasks.game24 import TASK

PROBLEM = State("4 5 6 10")
CHAIN = "4 * 5 = 20 (left: 6 10 20)\n10 - 6 = 4 (left: 4 20)\n4 + 20 = 24 (left: 24)\nAnswer: (10 - 6) + (4 * 5) = 24"


def _rejected(name):
    return Child(name, 1, verdict=Verdict.IMPOSSIBLE)


@pytest.mark.parametrize("strategy", [io, cot])
def test_one_draw_is_asked_and_no_more(strategy):
    policy = strategy.Policy("root", strategy.Settings(samples=5))
    (ask,) = policy.ask(100)
    assert (ask.thought_id, ask.draw, ask.samples) == ("root", 0, 5)
    policy.tell(Tell("root", 0, (_rejected("wrong"),)))
    assert policy.ask(100) == []
    assert policy.best() == "root"


def test_io_asks_for_the_answer_and_cot_for_the_way_there():
    assert io.Policy("root", io.Settings()).ask(1)[0].method is Method.DIRECT
    assert cot.Policy("root", cot.Settings()).ask(1)[0].method is Method.CHAIN


def test_sampling_until_valid_draws_again_and_again_one_request_at_a_time():
    policy = sample_until_valid.Policy("root", sample_until_valid.Settings())
    for draw in range(20):
        (ask,) = policy.ask(100)
        assert ask.draw == draw
        policy.tell(Tell("root", draw, (_rejected(f"wrong {draw}"),)))


def test_the_vote_of_most_chains_is_the_answer_right_or_wrong():
    policy = cot_sc.Policy("root", cot_sc.Settings(votes=5))
    asks = policy.ask(100)
    assert [ask.draw for ask in asks] == [0, 1, 2, 3, 4]
    for ask, answer in zip(asks, ["a", "b", "c", "b", "a"], strict=True):
        policy.tell(Tell("root", ask.draw, (_rejected(answer),)))
    assert policy.best() == "a"
    assert policy.ask(100) == []
    assert not policy.rules.stops_at_answer


@pytest.mark.parametrize("style", PromptStyle)
def test_chains_and_direct_answers_are_asked_for_in_the_words_that_the_model_knows(style):
    chain = TASK.propose_prompt(PROBLEM, style, Method.CHAIN).text
    direct = TASK.propose_prompt(PROBLEM, style, Method.DIRECT).text
    assert chain.endswith("Input: 4 5 6 10\nSteps:\n")
    assert direct.endswith("Input: 4 5 6 10\nAnswer:")


def test_the_answer_at_the_end_of_a_chain_is_read_and_chains_to_one_answer_share_a_key():
    chain = TASK.parse_solution(PROBLEM, CHAIN)
    direct = TASK.parse_solution(PROBLEM, " (10 - 6) + (4 * 5) = 24\n")
    assert chain.answer == direct.answer == "(10 - 6) + (4 * 5) = 24"
    assert chain.key == direct.key
    assert chain.text == CHAIN


@pytest.mark.parametrize("text", ["", "\n", "Answer:", "x" * 5000])
def test_a_solution_without_an_answer_is_malformed(text):
    with pytest.raises(MalformedThought):
        TASK.parse_solution(PROBLEM, text)
