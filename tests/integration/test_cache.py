"""A model behind a cache: asked once for the same, by whoever and wherever, and never lost with its cache."""

import asyncio
import math
import os
import sys
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest
from fleet import UNSOLVABLE, fleet, scripted, solve, until
from hypothesis import given, settings
from hypothesis import strategies as st
from processes import service
from redis_server import redis_server
from structlog.testing import capture_logs

from services.adapters.cache import _guard, create_cache
from services.adapters.cache._guard import Guarded
from services.adapters.cache.memory import MemoryCache
from services.adapters.cache.redis import RedisCache
from services.adapters.llm import create_model
from services.adapters.llm._cached import CachedModel, cache_key
from services.adapters.llm.remote import RemoteModel
from services.adapters.llm.scripted import ScriptedModel
from services.adapters.redis_client import connect
from services.core.errors import (
    DeadlineExceeded,
    InvalidInput,
    ModelFailed,
    Overloaded,
    StoreUnavailable,
    StoreUnusable,
)
from services.core.ports import CallBegun, CompletionDone, CompletionRequest, SampleDone, Sampling, TextDelta
from services.core.stores import Turn
from services.process import UNUSABLE
from services.rpc import deadline
from services.rpc.completions import decode, encode
from services.settings import CacheSettings, ModelSettings, RedisSettings
from services.testing.faulty_model import Fault, FaultyModel
from services.testing.language_model_suite import complete

REQUEST = CompletionRequest(prompt="Input: 1 1 11 11\nNext:\n", samples=3, sampling=Sampling(), seed=7)
CLAIM_SECONDS = 2.0


def memory(**changes):
    limits = {"most_bytes": 10**6, "most_value_bytes": 10**5, "seconds": 60.0, "claim_seconds": CLAIM_SECONDS}
    return MemoryCache(**limits | changes)


@asynccontextmanager
async def redis(server):
    """The cache as services have it, on a server that may misbehave."""
    cache = RedisCache(
        connect(RedisSettings(redis_url=server.url)), most_value_bytes=10**5, seconds=60, claim_seconds=CLAIM_SECONDS
    )
    yield Guarded(cache)
    await cache.close()


@pytest.fixture
def short_pause(monkeypatch):
    """A cache that failed is tried again soon."""
    monkeypatch.setattr(_guard, "PAUSE_SECONDS", 0.3)


async def ask(model, request=REQUEST):
    """Return who pays, and what comes."""
    done = await complete(model, request)
    assert isinstance(done.events[0], CallBegun)
    assert not any(isinstance(event, CallBegun) for event in done.events[1:])
    return done.events[0].cached, (done.texts, done.ends, done.events[-1])


@dataclass
class SteppedModel:
    """Says one more line of its only sample each time it is let."""

    name: str = "stepped"
    revision: str = "1"
    lines: int = 3
    started: int = 0
    let: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    async def complete(self, request):
        self.started += 1
        for number in range(self.lines):
            await self.let.acquire()
            yield TextDelta(0, f"{number}\n")
        yield SampleDone(0, self.lines)
        yield CompletionDone(5)

    async def close(self):
        pass


class TestHits:
    async def test_what_was_asked_before_is_not_asked_again(self):
        asked = FaultyModel()
        model = CachedModel(asked, memory())
        first, second = await ask(model), await ask(model)
        assert (first[0], second[0]) == (False, True)
        assert first[1] == second[1] == (await ask_bare(asked))
        assert asked.started == 2

    async def test_each_part_of_a_request_makes_another_one(self):
        asked = FaultyModel()
        model = CachedModel(asked, memory())
        requests = [
            REQUEST,
            replace(REQUEST, prompt="Input: 1 1 11 12\nNext:\n"),
            replace(REQUEST, samples=4),
            replace(REQUEST, seed=8),
            replace(REQUEST, stop=("=",)),
            replace(REQUEST, labels=("sure",)),
            replace(REQUEST, stop=("sure",)),
            *(
                replace(REQUEST, sampling=replace(Sampling(), **change))
                for change in ({"temperature": 0.5}, {"top_k": 1}, {"top_p": 0.5}, {"max_tokens": 41})
            ),
        ]
        for request in requests:
            assert (await ask(model, request))[0] is False
        assert asked.started == len(requests)
        assert len({cache_key(asked, request) for request in requests}) == len(requests)

    async def test_the_worker_s_own_name_of_a_model_does_not_matter(self):
        model = CachedModel(FaultyModel(), memory())
        await ask(model)
        assert (await ask(model, replace(REQUEST, model="large")))[0] is True

    async def test_two_revisions_do_not_share_nor_two_models(self):
        cache = memory()
        for name, revision in (("a", "1"), ("a", "2"), ("b", "1")):
            asked = FaultyModel()
            asked.name, asked.revision = name, revision
            assert (await ask(CachedModel(asked, cache)))[0] is False
            assert (await ask(CachedModel(asked, cache)))[0] is True

    async def test_fresh_asks_the_model_and_keeps_nothing(self):
        asked = FaultyModel()
        model = CachedModel(asked, memory())
        fresh = replace(REQUEST, fresh=True)
        assert (await ask(model, fresh))[0] is False
        assert (await ask(model))[0] is False
        assert (await ask(model, fresh))[0] is False
        assert asked.started == 3

    @pytest.mark.parametrize("damage", [lambda stored: b"", lambda stored: stored[:-1], lambda stored: stored + b"\1"])
    async def test_a_damaged_answer_is_flagged_and_asked_for_again(self, damage):
        asked, cache = FaultyModel(), memory()
        model = CachedModel(asked, cache)
        _, whole = await ask(model)
        key = cache_key(asked, REQUEST)
        await cache.keep(key, "", damage(await cache.look(key, "")))
        with capture_logs() as said:
            assert await ask(model) == (False, whole)
        assert [(line["event"], line["log_level"]) for line in said] == [("cache_damaged", "warning")]
        assert await ask(model) == (True, whole)

    @settings(max_examples=50, deadline=None)
    @given(
        texts=st.lists(st.text(max_size=40), min_size=1, max_size=5),
        samples=st.integers(1, 8),
        stop=st.lists(st.sampled_from(["\n", "=", "a"]), max_size=2).map(tuple),
        labels=st.lists(st.sampled_from(["a", "b", ""]), max_size=2).map(tuple),
        max_tokens=st.integers(1, 8),
    )
    async def test_cached_and_uncached_say_the_same(self, texts, samples, stop, labels, max_tokens):
        request = replace(
            REQUEST, samples=samples, stop=stop, labels=labels, sampling=Sampling(max_tokens=max_tokens), seed=0
        )
        bare = ScriptedModel(lambda _prompt, seed: texts[seed % len(texts)])
        model = CachedModel(bare, memory())
        expected = await ask_bare(bare, request)
        assert await ask(model, request) == (False, expected)
        assert await ask(model, request) == (True, expected)

    @given(st.binary(max_size=60))
    async def test_bytes_that_are_no_completion_are_damaged(self, stored):
        with pytest.raises(ValueError, match="digest"):
            decode(stored)

    async def test_an_answer_is_kept_in_little_room(self):
        events = [TextDelta(sample % 2, "a line of text\n") for sample in range(100)]
        ends = [SampleDone(0, 300), SampleDone(1, 300), CompletionDone(20)]
        stored = encode([CallBegun(cached=False), *events, *ends])
        assert len(stored) < 100 * len("a line of text\n") + 60
        texts = [TextDelta(sample, "a line of text\n" * 50) for sample in (0, 1)]
        assert decode(stored) == [CallBegun(cached=True), *texts, *ends]
        assert decode(encode([*texts, *ends], "a-trace")) == [CallBegun(cached=True, paid_by="a-trace"), *texts, *ends]


async def ask_bare(model, request=REQUEST):
    done = await complete(model, request)
    return done.texts, done.ends, done.events[-1]


class TestSingleFlight:
    async def test_askers_at_once_share_one_call_and_one_pays(self):
        asked = FaultyModel(delay=0.05)
        model = CachedModel(asked, memory())
        answers = await asyncio.gather(*(ask(model) for _ in range(20)))
        assert asked.started == 1
        assert [cached for cached, _ in answers].count(False) == 1
        assert all(said == answers[0][1] for _, said in answers)

    async def test_who_does_not_pay_is_told_which_call_does(self):
        asked = SteppedModel()
        model = CachedModel(asked, memory())

        async def begin(trace):
            return await anext(answer := model.complete(replace(REQUEST, trace=trace))), answer

        paying, first = await begin("paying")
        joining, second = await begin("joining")
        for _ in range(asked.lines):
            asked.let.release()
        for answer in (first, second):
            async for _ in answer:
                pass
        later, third = await begin("later")
        await third.aclose()
        assert paying == CallBegun(cached=False)
        assert joining == later == CallBegun(cached=True, paid_by="paying")

    async def test_who_joins_late_gets_what_has_come_and_then_the_rest(self):
        asked = SteppedModel()
        model = CachedModel(asked, memory())
        async with aclosing(model.complete(REQUEST)) as first, aclosing(model.complete(REQUEST)) as second:
            asked.let.release()
            assert [await anext(first), await anext(first)] == [CallBegun(cached=False), TextDelta(0, "0\n")]
            assert [await anext(second), await anext(second)] == [CallBegun(cached=True), TextDelta(0, "0\n")]
            asked.let.release()
            # Live: the call is not over yet.
            assert await anext(second) == await anext(first) == TextDelta(0, "1\n")
            asked.let.release()
            rest = [[event async for event in stream] for stream in (first, second)]
            assert rest == [[TextDelta(0, "2\n"), SampleDone(0, 3), CompletionDone(5)]] * 2
        assert asked.started == 1

    async def test_when_one_leaves_the_others_go_on(self):
        asked = FaultyModel(delay=0.1)
        model = CachedModel(asked, memory())
        askers = [asyncio.create_task(ask(model)) for _ in range(3)]
        await until(lambda: asked.in_flight == 1)
        askers[0].cancel()
        outcomes = await asyncio.gather(*askers, return_exceptions=True)
        assert isinstance(outcomes[0], asyncio.CancelledError)
        assert all(cached for cached, _ in outcomes[1:])
        assert (asked.started, asked.finished) == (1, 1)
        assert (await ask(model))[0] is True

    async def test_when_all_have_left_the_call_ends_and_the_next_one_asks(self):
        asked = FaultyModel(lambda _: Fault.HANGS)
        model = CachedModel(asked, memory())
        askers = [asyncio.create_task(ask(model)) for _ in range(3)]
        await until(lambda: asked.in_flight == 1)
        for asker in askers:
            asker.cancel()
        await asyncio.gather(*askers, return_exceptions=True)
        assert asked.in_flight == 0
        asked._choose = lambda _: Fault.NONE
        assert (await ask(model))[0] is False

    @pytest.mark.parametrize(("fault", "error"), [(Fault.RAISES, ModelFailed), (Fault.OVERLOADED, Overloaded)])
    async def test_a_call_that_fails_fails_for_all_and_is_not_kept(self, fault, error):
        faults = [fault, Fault.NONE]
        asked = FaultyModel(lambda _: faults.pop(0), delay=0.02)
        model = CachedModel(asked, memory())
        outcomes = await asyncio.gather(*(ask(model) for _ in range(5)), return_exceptions=True)
        assert all(isinstance(outcome, error) for outcome in outcomes)
        assert asked.started == 1
        assert (await ask(model))[0] is False

    @pytest.mark.parametrize("fault", [Fault.BREAKS, Fault.SILENT])
    async def test_what_is_no_whole_answer_is_not_kept(self, fault):
        faults = [fault, Fault.NONE]
        asked = FaultyModel(lambda _: faults.pop(0))
        model = CachedModel(asked, memory())
        await asyncio.gather(complete(model, REQUEST), return_exceptions=True)
        assert (await ask(model))[0] is False
        assert (await ask(model))[0] is True

    async def test_each_asker_has_its_own_deadline(self):
        asked = FaultyModel(delay=0.5)
        model = CachedModel(asked, memory())

        async def hurried():
            deadline.hold_to(0.2)
            return await ask(model)

        async def patient():
            await until(lambda: asked.in_flight == 1)
            return await ask(model)

        hurry, patience = await asyncio.gather(hurried(), patient(), return_exceptions=True)
        assert isinstance(hurry, DeadlineExceeded)
        assert patience[0] is True
        assert asked.started == 1

    async def test_the_model_is_not_held_to_the_deadline_of_the_first(self):
        seen = []

        class Looking(ScriptedModel):
            async def complete(self, request):
                seen.append(deadline.time_left(math.inf))
                async for event in super().complete(request):
                    yield event

        deadline.hold_to(5)
        await ask(CachedModel(Looking(lambda _prompt, _seed: "1"), memory()))
        assert seen == [math.inf]
        assert deadline.time_left(math.inf) < 5


ASKER = """
import asyncio, sys
from services.adapters.cache import create_cache
from services.adapters.llm._cached import CachedModel
from services.core.ports import CompletionRequest, Sampling
from services.settings import CacheSettings, read_settings
from services.testing.faulty_model import FaultyModel
from services.testing.language_model_suite import complete

class Counted(FaultyModel):
    async def complete(self, request):
        with open(sys.argv[1], "a") as calls:
            calls.write("call\\n")
        async for event in super().complete(request):
            yield event

async def main():
    model = CachedModel(Counted(delay=float(sys.argv[2])), await create_cache(read_settings(CacheSettings)))
    request = CompletionRequest(prompt="Input: 1 1 11 11\\nNext:\\n", samples=3, sampling=Sampling(), seed=7)
    answers = await asyncio.gather(*(complete(model, request) for _ in range(5)))
    print(sum(not answer.events[0].cached for answer in answers), sorted(answers[0].texts.items()))

asyncio.run(main())
"""


class TestProcesses:
    @asynccontextmanager
    async def asker(self, server, calls, delay):
        """A process that asks five times at once, of a model that says when it is called."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("KOT_")}
        variables = {"KOT_CACHE": "redis", "KOT_CACHE_CLAIM_SECONDS": str(CLAIM_SECONDS)} | server.environment
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", ASKER, str(calls), str(delay)),
            env=clean | variables,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def test_two_share_one_call(self, tmp_path):
        calls = tmp_path / "calls"
        with redis_server() as server:
            async with self.asker(server, calls, 4) as one, self.asker(server, calls, 4) as other:
                told = [await process.communicate() for process in (one, other)]
        assert (one.returncode, other.returncode) == (0, 0), told
        paid, texts = zip(*(out.decode().split(" ", 1) for out, _ in told), strict=True)
        assert sorted(paid) == ["0", "1"]
        assert texts[0] == texts[1]
        assert calls.read_text().splitlines() == ["call"]

    async def test_when_the_one_that_asks_is_killed_another_takes_over(self, tmp_path):
        calls = tmp_path / "calls"
        with redis_server() as server:
            async with self.asker(server, calls, 600) as dying:
                await until(calls.exists, seconds=20)
                async with self.asker(server, calls, 0) as waiting:
                    await asyncio.sleep(2 * CLAIM_SECONDS)
                    # It waits, as long as the other lives.
                    assert waiting.returncode is None
                    assert len(calls.read_text().splitlines()) == 1
                    dying.kill()
                    out, err = await asyncio.wait_for(waiting.communicate(), 20)
        assert waiting.returncode == 0, err.decode()
        assert out.split()[0] == b"1"
        assert len(calls.read_text().splitlines()) == 2


def levels(said):
    return [(line["event"], line["doing"], line["log_level"]) for line in said if line["event"].startswith("cache_")]


@pytest.mark.usefixtures("short_pause")
class TestCacheAway:
    async def test_one_that_dies_midway_is_flagged_once_and_found_again(self):
        asked = FaultyModel()
        with redis_server() as server:
            async with redis(server) as cache:
                model = CachedModel(asked, cache)
                with capture_logs() as said:
                    assert (await ask(model))[0] is False
                    server.kill()
                    requests = [replace(REQUEST, seed=seed) for seed in range(20)]
                    answers = await asyncio.gather(*(ask(model, request) for request in requests))
                    assert not any(cached for cached, _ in answers)
                    await asyncio.sleep(0.5)
                    assert (await ask(model))[0] is False
                assert levels(said) == [("cache_away", "reading", "warning")]
                server.start()
                with capture_logs() as said:
                    await until_hit(model)
                assert levels(said) == [("cache_back", "reading", "info")]

    async def test_one_that_hangs_is_waited_for_once(self, monkeypatch):
        monkeypatch.setattr(_guard, "PAUSE_SECONDS", 600)

        class Counted(RedisCache):
            looks = 0

            async def look(self, key, claim):
                self.looks += 1
                return await super().look(key, claim)

        with redis_server() as server:
            limits = {"most_value_bytes": 10**5, "seconds": 60, "claim_seconds": CLAIM_SECONDS}
            cache = Counted(connect(RedisSettings(redis_url=server.url)), **limits)
            model = CachedModel(FaultyModel(), Guarded(cache))
            server.pause()
            with capture_logs() as said:
                for seed in range(50):
                    assert (await ask(model, replace(REQUEST, seed=seed)))[0] is False
            assert levels(said) == [("cache_away", "reading", "warning")]
            assert cache.looks == 1
            await cache.close()

    async def test_one_that_hung_is_found_again(self):
        with redis_server() as server:
            async with redis(server) as cache:
                model = CachedModel(FaultyModel(), cache)
                await ask(model)
                server.pause()
                assert (await ask(model))[0] is False
                server.resume()
                await until_hit(model)

    async def test_one_that_is_away_at_the_start_is_used_once_it_is_there(self, monkeypatch):
        with redis_server() as server:
            server.kill()
            for name, value in server.environment.items():
                monkeypatch.setenv(name, value)
            with capture_logs() as said:
                cache = await create_cache(CacheSettings(cache="redis"))
                model = CachedModel(FaultyModel(), cache)
                assert (await ask(model))[0] is False
            assert levels(said) == [("cache_away", "reading", "warning")]
            server.start()
            await until_hit(model)
            await cache.close()

    async def test_a_full_one_is_read_and_flagged_once(self):
        with redis_server(maxmemory_policy="noeviction") as server, server.client() as client:
            async with redis(server) as cache:
                model = CachedModel(FaultyModel(), cache)
                await ask(model)
                client.config_set("maxmemory", "1")
                with capture_logs() as said:
                    for seed in range(10):
                        assert (await ask(model, replace(REQUEST, seed=100 + seed)))[0] is False
                        assert (await ask(model))[0] is True
                assert levels(said) == [("cache_away", "writing", "warning")]
                assert "full" in said[0]["message"]
                client.config_set("maxmemory", "0")
                await until_hit(model, replace(REQUEST, seed=100))


async def until_hit(model, request=REQUEST):
    async with asyncio.timeout(20):
        while not (await ask(model, request))[0]:  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.05)


class TestStart:
    async def test_a_wrong_password_is_no_cache_that_is_away(self, tmp_path, monkeypatch):
        with redis_server(requirepass="open sesame") as server:
            variables = server.environment | {"KOT_REDIS_PASSWORD": "wrong", "KOT_CACHE": "redis"}
            for name, value in variables.items():
                monkeypatch.setenv(name, value)
            with pytest.raises(StoreUnusable, match="KOT_REDIS_PASSWORD"):
                await create_cache(CacheSettings())
            with service("generator", tmp_path, **variables) as generator:
                assert await generator.ended() == UNUSABLE
                assert "KOT_REDIS_PASSWORD" in generator.log[-1]["message"]

    async def test_settings_that_cannot_work_say_why(self, monkeypatch):
        monkeypatch.delenv("KOT_REDIS_URL", raising=False)
        with pytest.raises(InvalidInput, match="memory, redis, none"):
            await create_cache(CacheSettings(cache="disk"))
        with pytest.raises(InvalidInput, match="KOT_REDIS_URL"):
            await create_cache(CacheSettings(cache="redis"))
        assert await create_cache(CacheSettings(cache="none")) is None

    async def test_each_named_model_has_its_own_answers_and_a_remote_one_none_here(self):
        cache = memory()
        named = {"again": {"model": "scripted"}, "far": {"model": "remote", "model_target": "unix:/nowhere"}}
        model = create_model(ModelSettings(model="scripted", models=named), cache)
        assert (await ask(model))[0] is False
        # The same weights by another name.
        assert (await ask(model, replace(REQUEST, model="again")))[0] is True
        assert not isinstance(model._models["far"], CachedModel)


class TestSolves:
    async def test_a_second_solve_asks_nothing_and_grows_the_same_tree(self):
        asked = FaultyModel()
        async with fleet(CachedModel(asked, memory())) as target:
            for problem in ("4 5 6 10", "1 1 11 11", "2 3 7 11"):
                first = await solve(target, problem)
                calls = asked.started
                again = await solve(target, problem)
                assert asked.started == calls
                assert [kind(event) for event in again.log] == [kind(event) for event in first.log]
                assert again.result.answer == first.result.answer
                assert (first.result.usage.cache_hits, again.result.usage.model_calls) == (0, 0)
                assert again.result.usage.cache_hits == first.result.usage.model_calls
                assert again.result.usage.completion_tokens == again.result.usage.prompt_tokens == 0
                hits = sum(e.expanded.usage.cache_hits for e in again.log if e.WhichOneof("event") == "expanded")
                assert 0 < hits <= again.result.usage.cache_hits

    async def test_what_is_found_in_the_cache_leaves_the_budget_for_more(self):
        asked = FaultyModel()
        budget = {"budget": {"completion_tokens": 2_000}}
        async with fleet(CachedModel(asked, memory())) as target:
            first = await solve(target, UNSOLVABLE, **budget)
            again = await solve(target, UNSOLVABLE, **budget)
            assert first.status == again.status == "COMPLETION_TOKENS_SPENT"
            assert again.result.usage.cache_hits > 0
            assert 0 < again.result.usage.completion_tokens <= 2_000
            usage = again.result.usage
            assert usage.cache_hits + usage.model_calls > first.result.usage.model_calls

    async def test_fresh_solves_ask_each_time(self):
        asked = FaultyModel()
        async with fleet(CachedModel(asked, memory())) as target:
            first = await solve(target, fresh=True)
            again = await solve(target, fresh=True)
            assert again.result.usage == first.result.usage
            assert asked.started == first.result.usage.model_calls + again.result.usage.model_calls

    async def test_many_at_once_make_the_calls_of_one(self):
        alone = FaultyModel()
        async with fleet(alone) as target:
            run = await solve(target)
        asked = FaultyModel(delay=0.02)
        async with fleet(CachedModel(asked, memory())) as target:
            runs = await asyncio.gather(*(solve(target) for _ in range(20)))
        assert asked.started == alone.started
        assert sum(each.result.usage.model_calls for each in runs) == run.result.usage.model_calls
        assert all(each.result.answer == run.result.answer for each in runs)

    async def test_a_judge_without_weights_uses_the_generator_s_cache(self):
        asked = FaultyModel()
        async with (
            fleet(CachedModel(asked, memory())) as workers,
            fleet(scripted(), judge=RemoteModel(workers, timeout=20)) as target,
        ):
            first = await solve(target)
            calls = asked.started
            again = await solve(target)
            assert asked.started == calls > 0
            assert first.result.usage.cache_hits == 0
            assert again.result.usage.cache_hits == calls


def kind(event):
    """An event without what it has cost."""
    bare = type(event)()
    bare.CopyFrom(event)
    if bare.WhichOneof("event") == "expanded":
        bare.expanded.ClearField("usage")
    return bare


async def test_what_cannot_be_kept_is_not_waited_for():
    class Full(MemoryCache):
        async def keep(self, key, claim, value):
            raise StoreUnavailable("there is no room")

    cache = Guarded(Full(most_bytes=10**6, most_value_bytes=10**6, seconds=60, claim_seconds=60))
    for claim in ("first", "second"):
        assert await cache.look("key", claim) is Turn.OURS
        await cache.keep("key", claim, b"value")
