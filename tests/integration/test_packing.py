"""Several requests in one prompt: what they cost together, and that none notices the others."""

import asyncio
import math
from contextlib import aclosing
from dataclasses import replace
from functools import partial

import pytest
from fleet import SOLVABLE, fleet, solve, until
from hypothesis import given
from hypothesis import strategies as st

from services.adapters.llm import create_model
from services.adapters.llm.scripted import ScriptedModel
from services.adapters.packing import HEADING_TOKENS, PackedModel, packed, shares, unpacked
from services.core.errors import ModelFailed, ModelUnusable, Overloaded, PromptTooLong
from services.core.ports import CompletionRequest, Sampling
from services.rpc import deadline, release
from services.settings import ModelSettings
from services.tasks.game24.script import answer as play
from services.testing.faulty_model import Fault, FaultyModel
from services.testing.language_model_suite import complete
from services.testing.packed_script import obey as obey_with

LINGER = 0.05
SHARED = "Say what comes next.\nFor example: one, two, three.\n"


def request(number, **changes):
    asked = CompletionRequest(
        prompt=f"{SHARED}Input: {number}\nNext:\n", samples=1, sampling=Sampling(max_tokens=50), seed=number
    )
    return replace(asked, **changes)


def say(prompt, seed):
    """Continue one text."""
    number = prompt.rpartition("Input: ")[2].split("\n")[0]
    return f"after {number}\nand on"


obey = partial(obey_with, tell=say)


class Recorded:
    """A scripted model that keeps what it was asked."""

    name = "recorded"
    revision = "1"

    def __init__(self, script=obey):
        self.asked = []
        self._model = ScriptedModel(script)

    async def complete(self, asked):
        self.asked.append(asked)
        async with aclosing(self._model.complete(asked)) as events:
            async for event in events:
                yield event

    async def close(self):
        pass


async def ask_all(model, requests, most=4):
    pack = PackedModel(model, most=most, linger=LINGER)
    try:
        return await asyncio.gather(*(complete(pack, asked) for asked in requests), return_exceptions=True)
    finally:
        await pack.close()


def tokens(done):
    return sum(end.completion_tokens for end in done.ends.values())


class TestTheForm:
    def test_what_all_share_is_there_once_and_first(self):
        prompt = packed([request(1), request(2), request(3)]).prompt
        assert prompt.startswith(SHARED)
        assert prompt.count("For example") == 1
        assert prompt.endswith("### 1\nInput: 1\nNext:\n\n### 2\nInput: 2\nNext:\n\n### 3\nInput: 3\nNext:\n")

    def test_equal_prompts_keep_their_last_line(self):
        assert packed([request(1), request(1)]).prompt.endswith("### 1\nNext:\n\n### 2\nNext:\n")

    def test_there_is_room_for_all_answers_and_no_stop_text_ends_them(self):
        both = packed([request(1, stop=("\n\n",)), request(2, stop=("\n\n",))])
        assert both.sampling.max_tokens == 2 * (50 + HEADING_TOKENS)
        assert both.stop == ()

    @pytest.mark.parametrize(
        ("text", "answers"),
        [
            ("### 1\nyes\n### 2\nno\n", {0: "yes", 1: "no"}),
            ("Sure!\n\n### 1\n\nyes\n\n### 2  \nno", {0: "yes", 1: "no"}),
            ("### 1\nyes\nand\n\nmore\n\n### 2\nno\n", {0: "yes\nand", 1: "no"}),
            ("### 2\nno\n", {1: "no"}),
            ("### 1\n\n### 2\nno\n", {1: "no"}),
            ("### 1\nSTOP here\n### 2\nno\n", {1: "no"}),
            ("### 1\nyes\n### 1\nno\n", {}),
            ("### 2\nno\n### 1\nyes\n", {}),
            ("### 1\nyes\n### 3\nno\n", {}),
            ("### 0\nyes\n### 1\nno\n", {}),
            ("1. yes\n2. no\n", {}),
            ("", {}),
        ],
    )
    def test_it_is_read_strictly(self, text, answers):
        assert unpacked(text, 2, ("\n\n", "STOP"), truncated=False) == answers

    def test_the_last_answer_of_a_text_that_was_cut_does_not_count(self):
        assert unpacked("### 1\nyes\n### 2\nn", 2, (), truncated=True) == {0: "yes"}

    @given(st.integers(0, 10**6), st.lists(st.integers(1, 1000), min_size=1, max_size=64))
    def test_shares_add_up(self, total, weights):
        parts = shares(total, weights)
        assert sum(parts) == total
        assert all(abs(part - total * weight / sum(weights)) < 1 for part, weight in zip(parts, weights, strict=True))

    @given(st.text(), st.integers(1, 5))
    def test_no_text_breaks_it(self, text, count):
        answers = unpacked(text, count, (), truncated=False)
        assert all(0 <= number < count and answer.strip() for number, answer in answers.items())


class TestTogether:
    async def test_requests_that_come_together_go_together(self):
        model = Recorded()
        completions = await ask_all(model, [request(number) for number in range(8)])
        assert [done.texts[0] for done in completions] == [f"after {number}\nand on" for number in range(8)]
        assert len(model.asked) == 2

    async def test_what_they_cost_adds_up_and_is_less(self):
        together, apart = Recorded(), Recorded()
        requests = [request(number) for number in range(8)]
        done = await ask_all(together, requests, most=8)
        alone = [await complete(apart, asked) for asked in requests]
        [asked] = together.asked
        whole = await complete(ScriptedModel(obey), asked)
        assert sum(each.events[-1].prompt_tokens for each in done) == whole.events[-1].prompt_tokens
        assert sum(map(tokens, done)) == tokens(whole)
        assert whole.events[-1].prompt_tokens < sum(each.events[-1].prompt_tokens for each in alone) + 60

    async def test_several_samples_of_each(self):
        requests = [request(number, samples=3) for number in range(3)]
        model = Recorded()
        for number, done in enumerate(await ask_all(model, requests, most=3)):
            assert done.texts == dict.fromkeys(range(3), f"after {number}\nand on")
        assert [asked.samples for asked in model.asked] == [3]

    async def test_one_that_stays_alone_is_sent_as_it_is(self):
        model = Recorded()
        await ask_all(model, [request(1)])
        assert model.asked == [request(1)]

    @pytest.mark.parametrize(
        "other",
        [
            {"prompt": "Something else.\nInput: 2\n"},
            {"sampling": Sampling(max_tokens=9)},
            {"samples": 2},
            {"stop": ("x",)},
            {"model": "large"},
        ],
    )
    async def test_what_is_not_alike_does_not_go_together(self, other):
        model = Recorded()
        await ask_all(model, [request(1), request(2, **other)])
        assert sorted(map(str, model.asked)) == sorted(map(str, [request(1), request(2, **other)]))

    async def test_labels_are_asked_for_alone_and_at_once(self):
        model = Recorded()
        asked = [request(number, labels=("sure", "likely")) for number in range(2)]
        await ask_all(model, asked)
        assert model.asked == asked


class TestRepair:
    async def test_what_is_missing_is_asked_for_alone_and_paid_for(self):
        model = Recorded(lambda prompt, seed: obey(prompt, seed, forget={"2"}))
        completions = await ask_all(model, [request(number) for number in (1, 2, 3)], most=3)
        assert [done.texts[0] for done in completions] == [f"after {number}\nand on" for number in (1, 2, 3)]
        assert model.asked[1:] == [request(2)]
        wholes = [await complete(ScriptedModel(lambda p, s: obey(p, s, forget={"2"})), asked) for asked in model.asked]
        assert sum(map(tokens, completions)) == sum(map(tokens, wholes))
        prompts = [sum(done.events[-1].prompt_tokens for done in calls) for calls in (completions, wholes)]
        assert prompts[0] == prompts[1]

    async def test_only_the_samples_that_are_missing(self):
        def script(prompt, seed):
            return obey(prompt, seed, forget={"1"} if seed == first.seed + 1 else ())

        first = packed([request(1, samples=3), request(2, samples=3)])
        model = Recorded(script)
        completions = await ask_all(model, [request(1, samples=3), request(2, samples=3)], most=2)
        assert all(len(done.texts) == 3 for done in completions)
        assert model.asked[1:] == [request(1, seed=2)]

    async def test_a_model_that_never_obeys_answers_all_the_same(self):
        model = Recorded(say)
        completions = await ask_all(model, [request(number) for number in range(4)])
        assert [done.texts[0] for done in completions] == [f"after {number}\nand on" for number in range(4)]
        assert len(model.asked) == 5


class Failing(Recorded):
    """Fails packed requests."""

    def __init__(self, error):
        super().__init__()
        self._error = error

    async def complete(self, asked):
        if "### Task" in asked.prompt:
            self.asked.append(asked)
            raise self._error
        async with aclosing(super().complete(asked)) as events:
            async for event in events:
                yield event


class TestFailure:
    @pytest.mark.parametrize("error", [PromptTooLong("too long"), ModelFailed("broke")])
    async def test_what_the_packing_may_be_to_blame_for_is_tried_without(self, error):
        completions = await ask_all(Failing(error), [request(1), request(2)], most=2)
        assert [done.texts[0] for done in completions] == ["after 1\nand on", "after 2\nand on"]

    @pytest.mark.parametrize("error", [Overloaded("busy"), ModelUnusable("no such model"), RuntimeError("a defect")])
    async def test_anything_else_is_everyones(self, error):
        model = Failing(error)
        assert await ask_all(model, [request(1), request(2)], most=2) == [error, error]
        assert len(model.asked) == 1

    async def test_who_leaves_does_not_disturb_the_others(self):
        model = FaultyModel(script=obey, delay=0.2)
        pack = PackedModel(model, most=3, linger=LINGER)
        calls = [asyncio.create_task(complete(pack, request(number))) for number in (1, 2, 3)]
        await until(lambda: model.in_flight == 1)
        calls[1].cancel()
        one, two, three = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(two, asyncio.CancelledError)
        assert (one.texts[0], three.texts[0]) == ("after 1\nand on", "after 3\nand on")
        assert model.started == 1
        await pack.close()

    async def test_who_leaves_before_it_is_sent_is_not_sent(self):
        model = Recorded()
        pack = PackedModel(model, most=3, linger=LINGER)
        calls = [asyncio.create_task(complete(pack, request(number))) for number in (1, 2)]
        await asyncio.sleep(LINGER / 10)
        calls[0].cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        assert model.asked == [request(2)]
        await pack.close()

    async def test_when_all_have_left_the_call_is_left(self):
        model = FaultyModel(lambda _request: Fault.HANGS)
        pack = PackedModel(model, most=2, linger=LINGER)
        calls = [asyncio.create_task(complete(pack, request(number))) for number in (1, 2)]
        await until(lambda: model.in_flight == 1)
        for call in calls:
            call.cancel()
        await until(lambda: model.in_flight == 0)
        await asyncio.gather(*calls, return_exceptions=True)
        await pack.close()

    async def test_closing_fails_what_is_under_way(self):
        model = FaultyModel(lambda _request: Fault.HANGS)
        pack = PackedModel(model, most=2, linger=LINGER)
        calls = [asyncio.create_task(complete(pack, request(number))) for number in (1, 2)]
        await until(lambda: model.in_flight == 1)
        await pack.close()
        assert [type(outcome) for outcome in await asyncio.gather(*calls, return_exceptions=True)] == 2 * [
            ModelUnusable
        ]
        assert model.in_flight == 0

    async def test_an_answer_without_samples_is_no_answer(self):
        model = FaultyModel(lambda asked: Fault.SILENT if "### Task" in asked.prompt else Fault.NONE, script=obey)
        completions = await ask_all(model, [request(1), request(2)], most=2)
        assert [done.texts[0] for done in completions] == ["after 1\nand on", "after 2\nand on"]


class TestSolves:
    @pytest.mark.parametrize("forget", [(), {"2"}], ids=["obedient", "forgetful"])
    async def test_puzzles_are_solved_with_fewer_requests(self, forget):
        model = Recorded(partial(obey_with, tell=play, forget=forget))
        async with fleet(PackedModel(model, most=8, linger=LINGER)) as target:
            done = await solve(target, problem=SOLVABLE, prompt_style="PROMPT_STYLE_FEW_SHOT")
        assert done.status == "SOLVED"
        packs = [asked for asked in model.asked if "### Task" in asked.prompt]
        assert packs
        assert len(model.asked) < done.result.usage.model_calls

    async def test_the_setting_turns_it_on(self):
        model = create_model(ModelSettings(model="scripted", pack_requests=4))
        assert isinstance(model._models[""], PackedModel)


async def test_a_pack_is_not_held_to_the_deadline_of_its_first_member():
    class Timed(Recorded):
        async def complete(self, asked):
            lefts.append(deadline.time_left(math.inf))
            async with aclosing(super().complete(asked)) as events:
                async for event in events:
                    yield event

    async def hurried():
        deadline.hold_to(1)
        return await complete(model, request(1))

    lefts = []
    model = PackedModel(Timed(), most=2, linger=10)
    await asyncio.gather(hurried(), complete(model, request(2)))
    assert lefts == [math.inf]


async def test_requests_of_solves_that_keep_to_different_releases_go_apart():
    class Noting(Recorded):
        async def complete(self, asked):
            said.append(release.metadata())
            async with aclosing(super().complete(asked)) as events:
                async for event in events:
                    yield event

    async def kept_to(name):
        release.keep_to(name)
        return release.metadata(), await complete(model, request(1))

    said = []
    model = PackedModel(Noting(), most=2, linger=LINGER)
    answered = await asyncio.gather(*(kept_to(name) for name in ("v1", "v2", "v1", "v2")))
    assert sorted(said) == sorted({metadata for metadata, _ in answered})
    await model.close()
