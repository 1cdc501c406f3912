"""The openai_compatible backend on a real server with a general model: llama.cpp's, with SmolLM2-135M-Instruct."""

import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest
from smollm2 import SLOTS, llama_server

from services.adapters.llm.openai_compatible import create
from services.core.errors import PromptTooLong
from services.core.ports import CompletionRequest, Sampling, TextDelta
from services.settings import ModelSettings
from services.testing.language_model_suite import Completion

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]

REQUEST = CompletionRequest(
    prompt="List five animals, one a line.", samples=1, sampling=Sampling(max_tokens=24, temperature=0.7), seed=7
)
PATIENCE_SECONDS = 300
"""It is slow on a busy machine; what hangs, hangs longer."""


@pytest.fixture(scope="module")
def server():
    with llama_server() as settings:
        yield settings


@pytest.fixture(params=["chat", "completions"])
async def model(server, request):
    names = {name.removeprefix("KOT_").lower(): value for name, value in server.items()}
    opened = create(ModelSettings(**names, openai_endpoint=request.param, model_timeout=PATIENCE_SECONDS))
    yield opened
    await opened.close()


async def complete(model, request):
    async with asyncio.timeout(PATIENCE_SECONDS), aclosing(model.complete(request)) as events:
        return Completion([event async for event in events])


async def test_several_samples_at_once_and_more_than_there_are_slots(model):
    for samples in (1, SLOTS, SLOTS + 2):
        done = await complete(model, replace(REQUEST, samples=samples))
        assert sorted(done.ends) == list(range(samples))
        assert any(text.strip() for text in done.texts.values())
        assert len(set(done.texts.values())) == len(done.texts), "samples are drawn independently"
        assert samples <= sum(end.completion_tokens for end in done.ends.values()) <= samples * 24
        assert done.events[-1].prompt_tokens > 0


async def test_a_seed_repeats_and_another_does_not(model):
    first = await complete(model, replace(REQUEST, seed=11))
    assert (await complete(model, replace(REQUEST, seed=11))).texts == first.texts
    assert (await complete(model, replace(REQUEST, seed=12))).texts != first.texts


async def test_lines_come_as_they_are_written(model):
    prompt = "Write a shopping list of ten things, one a line, and nothing else.\n- milk\n- bread\n- eggs\n"
    sampling = Sampling(max_tokens=48, temperature=0.2)
    done = await complete(model, replace(REQUEST, prompt=prompt, samples=2, sampling=sampling))
    pieces = [event for event in done.events if isinstance(event, TextDelta)]
    assert len(pieces) > 2
    assert all(piece.text.endswith("\n") or piece is last_of(piece.sample, pieces) for piece in pieces)


def last_of(sample, pieces):
    return [piece for piece in pieces if piece.sample == sample][-1]


async def test_it_is_cut_at_the_largest_length_and_at_a_stop_text(model):
    cut = await complete(model, replace(REQUEST, sampling=Sampling(max_tokens=2)))
    assert (cut.ends[0].truncated, cut.ends[0].completion_tokens) == (True, 2)
    whole = await complete(model, REQUEST)
    [stop, *_] = whole.texts[0].split()
    stopped = await complete(model, replace(REQUEST, stop=(stop,)))
    assert stop not in stopped.texts.get(0, "")
    assert not stopped.ends[0].truncated


async def test_probabilities_of_labels(model):
    prompt = "Question: Is snow white? Reply with Yes or No.\nReply:"
    request = replace(REQUEST, prompt=prompt, sampling=Sampling(max_tokens=1), labels=("Yes", "No", "Perhaps"))
    yes, no, perhaps = (await complete(model, request)).ends[0].label_probabilities
    assert 0 <= perhaps < yes + no <= 1


async def test_calls_that_are_left_free_the_server(model):
    """Otherwise they would keep it busy for tens of thousands of tokens, longer than the next one is waited for."""
    long = replace(REQUEST, samples=SLOTS, sampling=Sampling(max_tokens=900, temperature=1.5), prompt="A long tale.\n")
    calls = [asyncio.create_task(complete(model, replace(long, seed=seed))) for seed in range(16)]
    await asyncio.sleep(0.5)
    for call in calls:
        call.cancel()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError] * 16
    assert (await complete(model, replace(REQUEST, sampling=Sampling(max_tokens=2)))).ends


async def test_a_prompt_that_does_not_fit_is_refused(model):
    with pytest.raises(PromptTooLong):
        await complete(model, replace(REQUEST, prompt="word " * 10_000))
    assert (await complete(model, REQUEST)).ends
