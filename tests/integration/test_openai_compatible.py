"""The openai_compatible backend against servers that refuse, hang, break off, babble and never end."""

import asyncio
import json
import traceback
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from fleet import until
from openai_server import GOOD, chunk, model_at, refuse, serving_openai, stream, usage

from services.adapters.llm.openai_compatible import model as backend
from services.adapters.llm.openai_compatible.limits import BURST
from services.adapters.llm.openai_compatible.stream import CHARACTERS_PER_TOKEN
from services.core.errors import (
    DeadlineExceeded,
    KotError,
    ModelFailed,
    ModelUnusable,
    Overloaded,
    PromptTooLong,
    WorkerUnavailable,
)
from services.core.ports import CompletionRequest, SampleDone, Sampling, TextDelta
from services.rpc.deadline import hold_to
from services.testing.language_model_suite import complete

REQUEST = CompletionRequest(prompt="Say something.", samples=1, sampling=Sampling(max_tokens=8), seed=7)
KEY = "sk-a-secret-that-nobody-may-see"


@pytest.fixture(autouse=True)
def no_jitter(monkeypatch):
    monkeypatch.setattr(backend, "_jitter", lambda _state: 0.01)


async def ask(script, request=REQUEST, **settings):
    """Make one call to a server that follows the script."""
    async with serving_openai(*script) as server, model_at(server.url, **settings) as model:
        return server, await complete(model, request)


async def fail(kind, script, request=REQUEST, *, attempts=1, **settings):
    """Expect a call to fail after so many attempts and return what it said."""
    async with serving_openai(*script) as server, model_at(server.url, **settings) as model:
        with pytest.raises(KotError) as failure:
            await complete(model, request)
        assert failure.type is kind
        assert len(server.asked) == attempts
        return str(failure.value)


class TestWhatMayPass:
    async def test_a_busy_server_is_asked_again_when_it_says(self):
        server, done = await ask([refuse(429, Retry_After="0.3"), GOOD])
        assert done.texts == {0: "one two"}
        assert server.asked[1].moment - server.asked[0].moment >= 0.3

    async def test_and_at_the_moment_that_it_names(self):
        moment = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
        server, _ = await ask([refuse(429, Retry_After=moment), GOOD])
        assert server.asked[1].moment - server.asked[0].moment > 0.5

    async def test_but_not_if_there_is_no_time_for_that(self):
        async with asyncio.timeout(1):
            assert "429" in await fail(Overloaded, [refuse(429, Retry_After="3600")])

    @pytest.mark.parametrize("status", [408, 500, 502, 503, 529])
    async def test_a_server_that_stays_unwell_is_asked_three_times(self, status):
        said = await fail(WorkerUnavailable, [refuse(status, b"<html>Oops</html>", "text/html")], attempts=3)
        assert str(status) in said
        assert "html" not in said

    async def test_no_server_at_all(self):
        async with model_at("http://127.0.0.1:9/v1") as model:
            with pytest.raises(WorkerUnavailable, match="KOT_OPENAI_BASE_URL"):
                await complete(model, REQUEST)

    async def test_an_answer_that_breaks_off_before_anything_was_handed_on_is_asked_for_again(self):
        server, done = await ask([stream(chunk("half of a li"), end=False), GOOD])
        assert done.texts == {0: "one two"}
        assert len(server.asked) == 2

    async def test_and_one_that_breaks_off_later_is_not(self):
        await fail(WorkerUnavailable, [stream(chunk("a line\n"), end=False), GOOD])

    async def test_a_stream_that_ends_without_the_end_of_its_sample_is_broken_too(self):
        await fail(WorkerUnavailable, [stream(chunk("a line\n"))])


class TestTime:
    @pytest.mark.parametrize("events", [(), (chunk("a line\n"),)], ids=["at once", "midway"])
    async def test_a_server_that_hangs_is_left_at_the_deadline(self, events):
        async with asyncio.timeout(2):
            await fail(DeadlineExceeded, [stream(*events, hang=True)], model_timeout=0.2)

    async def test_the_callers_deadline_counts_too(self):
        hold_to(0.3)
        async with asyncio.timeout(2):
            await fail(DeadlineExceeded, [stream(hang=True)], model_timeout=60)

    @pytest.mark.parametrize("limit", ["openai_requests_per_minute", "openai_tokens_per_minute"])
    async def test_who_finds_no_room_within_the_limits_waits_until_the_deadline(self, limit):
        async with serving_openai(GOOD) as server, model_at(server.url, model_timeout=0.3, **{limit: 1}) as model:
            assert (await complete(model, REQUEST)).ends
            with pytest.raises(Overloaded, match="PER_MINUTE"):
                await complete(model, REQUEST)
            assert len(server.asked) == 1

    async def test_room_comes_with_time(self):
        async with serving_openai(GOOD) as server, model_at(server.url, openai_requests_per_minute=240) as model:
            begun = asyncio.get_running_loop().time()
            await asyncio.gather(*(complete(model, REQUEST) for _ in range(240 // BURST + 1)))
            assert server.asked[-1].moment - begun > 60 / 240 - 0.01


class TestWhatNeverHeals:
    @pytest.mark.parametrize(
        ("status", "body", "advice"),
        [
            (401, {"error": {"message": f"wrong key: {KEY}"}}, "KOT_OPENAI_API_KEY"),
            (403, b"", "KOT_OPENAI_API_KEY"),
            (404, {"error": {"message": "The model `some-model` does not exist.", "code": "model_not_found"}}, "MODEL"),
            (404, {"error": "model 'some-model' not found"}, "not found; check KOT_OPENAI_MODEL"),
            (402, {"detail": "pay first"}, "pay first"),
            (429, {"error": {"message": "You exceeded your quota.", "code": "insufficient_quota"}}, "quota"),
            (308, b"", "KOT_OPENAI_BASE_URL"),
        ],
    )
    async def test_it_fails_at_once_and_says_what_to_set(self, status, body, advice):
        said = await fail(ModelUnusable, [refuse(status, body)], openai_api_key=KEY)
        assert advice in said
        assert KEY not in said

    @pytest.mark.parametrize(
        ("status", "error"),
        [
            (400, {"message": "too many messages", "code": "context_length_exceeded"}),
            (400, {"message": "This model's maximum context length is 4096 tokens. However, you requested 5000"}),
            (400, {"message": "The decoder prompt (length 9) is longer than the maximum model length of 8."}),
            (400, {"message": "request (5 tokens) exceeds the limit", "type": "exceed_context_size_error"}),
            (413, {"message": "Request Entity Too Large"}),
        ],
    )
    async def test_a_prompt_that_does_not_fit(self, status, error):
        await fail(PromptTooLong, [refuse(status, {"error": error})])

    async def test_a_prompt_that_turns_out_not_to_fit_when_the_stream_has_begun(self):
        await fail(PromptTooLong, [stream({"error": {"code": 400, "message": "the context size is exceeded"}})])

    async def test_another_refusal(self):
        assert "no such field" in await fail(ModelFailed, [refuse(400, {"error": {"message": "no such field"}})])

    async def test_a_prompt_that_is_said_again_is_not_repeated(self):
        request = replace(REQUEST, prompt="Say something\nthat nobody else may read.")
        said = await fail(ModelFailed, [refuse(400, {"error": "You said: something that nobody else"})], request)
        assert said.endswith("answered 400")


class TestGarbage:
    @pytest.mark.parametrize(
        "answer",
        [
            refuse(200, b"<html>Welcome</html>", "text/html"),
            refuse(200, {"error": {"message": "not today"}}),
            refuse(200, {"choices": [{"message": {"content": "all at once"}}]}),
            refuse(200, b"\xff\x00\xfe", "application/octet-stream\r\nContent-Encoding: gzip"),
            stream(),
            stream("no JSON"),
            stream("[" * 100_000),
            stream([1, 2]),
            stream("null"),
            stream({"choices": "none"}),
            stream({"choices": [None]}),
            stream(chunk("a", index=5)),
            stream(chunk("a", index=-1)),
            stream(chunk("a", index="first")),
            stream(chunk({"text": "an object"})),
            stream(chunk("a", end="stop", usage={"completion_tokens": "many"})),
            stream({"error": "out of memory"}),
            stream("x" * 2_000_000),
        ],
    )
    async def test_it_is_an_error_of_the_model(self, answer):
        async with serving_openai(answer) as server, model_at(server.url) as model:
            with pytest.raises((ModelFailed, WorkerUnavailable)):
                await complete(model, REQUEST)
            server.script[-1] = GOOD
            assert (await complete(model, REQUEST)).texts == {0: "one two"}

    async def test_what_is_no_http(self):
        async def act(writer):
            writer.write(b"220 mail.example.org ESMTP\r\n\r\n")
            await writer.drain()

        await fail(WorkerUnavailable, [act], attempts=3, openai_api_key=KEY)

    async def test_half_of_a_surrogate_pair_does_not_travel_on(self):
        _, done = await ask([stream('{"choices": [{"delta": {"content": "\\ud83d!"}, "finish_reason": "stop"}]}')])
        assert done.texts == {0: "?!"}

    async def test_a_sample_that_never_ends_is_cut_and_its_server_left(self):
        request = replace(REQUEST, samples=2)
        chunks = [chunk("fine\n", index=1), chunk(end="stop", index=1), chunk("and so on, ")]
        async with serving_openai(stream(*chunks, forever=True)) as server, model_at(server.url) as model:
            done = await complete(model, request)
            await asyncio.wait_for(server.left.wait(), 1)
        assert done.texts[1] == "fine\n"
        assert done.ends[0].truncated
        assert len(done.texts[0]) == CHARACTERS_PER_TOKEN * REQUEST.sampling.max_tokens


class TestLeaving:
    async def test_the_server_sees_it_when_the_iterator_is_closed(self):
        async with serving_openai(stream(chunk("a line\n"), hang=True)) as server, model_at(server.url) as model:
            async with aclosing(model.complete(REQUEST)) as events:
                assert await anext(events) == TextDelta(0, "a line\n")
            await asyncio.wait_for(server.left.wait(), 1)

    async def test_and_when_its_task_is_cancelled(self):
        async with serving_openai(stream(hang=True)) as server, model_at(server.url) as model:
            call = asyncio.create_task(complete(model, replace(REQUEST, samples=5)))
            await until(lambda: server.asked)
            call.cancel()
            await asyncio.wait_for(server.left.wait(), 1)
            with pytest.raises(asyncio.CancelledError):
                await call

    async def test_when_one_of_several_requests_fails_the_others_are_left(self):
        script = [stream(hang=True), refuse(400, {"error": "no"})]
        async with serving_openai(*script) as server, model_at(server.url, openai_samples_per_request=1) as model:
            with pytest.raises(ModelFailed):
                await complete(model, replace(REQUEST, samples=2))
            await asyncio.wait_for(server.left.wait(), 1)

    async def test_a_closed_model_takes_no_more_calls(self):
        async with serving_openai(stream(hang=True)) as server, model_at(server.url) as model:
            call = asyncio.create_task(complete(model, REQUEST))
            await until(lambda: server.asked)
            await model.close()
            async with asyncio.timeout(1):
                with pytest.raises(ModelUnusable, match="closed"):
                    await call
            with pytest.raises(ModelUnusable):
                await complete(model, REQUEST)


class TestManyStreams:
    async def test_none_waits_for_another(self):
        """Every stream is held open until all have come."""
        streams = 300
        come, all_are_here = 0, asyncio.Event()

        async def act(writer):
            nonlocal come
            come += 1
            if come == streams:
                all_are_here.set()
            await all_are_here.wait()
            await GOOD(writer)

        async with serving_openai(act) as server, model_at(server.url, model_timeout=20) as model:
            done = await asyncio.gather(*(complete(model, REQUEST) for _ in range(streams)))
            assert all(each.texts == {0: "one two"} for each in done)


class TestSamples:
    async def test_one_at_a_time_they_have_a_request_and_a_seed_each(self):
        request = replace(REQUEST, samples=3, seed=2**63 - 1)
        server, done = await ask([GOOD], request, openai_samples_per_request=1)
        assert sorted(done.ends) == [0, 1, 2]
        assert sorted(asked.body["seed"] for asked in server.asked) == [0, 1, 2**31 - 1]
        assert {asked.body["n"] for asked in server.asked} == {1}
        assert done.events[-1].prompt_tokens == 27

    async def test_a_server_that_ignores_how_many_were_asked_for_is_told_of(self):
        said = await fail(ModelUnusable, [GOOD], replace(REQUEST, samples=8))
        assert "sent 1 of 8 samples; set KOT_OPENAI_SAMPLES_PER_REQUEST=1" in said

    @pytest.mark.parametrize(
        ("tail", "tokens"),
        [
            ([usage(20)], {0: 3, 1: 17}),
            ([usage(6)], {0: 3, 1: 3}),
            ([usage(3)], {0: 3, 1: 1}),
            ([], {0: 3, 1: 3}),
        ],
        ids=["more", "as many", "fewer", "uncounted"],
    )
    async def test_the_last_has_what_the_server_counts_more_than_the_others(self, tail, tokens):
        chunks = [chunk(text, index=index) for text in ("a", "b") for index in (0, 1)]
        ends = [chunk(index=0, end="stop"), chunk(index=1, end="stop")]
        _, done = await ask([stream(*chunks, *ends, *tail)], replace(REQUEST, samples=2))
        assert {sample: end.completion_tokens for sample, end in done.ends.items()} == tokens

    async def test_a_server_that_counts_no_ends_is_learned_from(self):
        both = [chunk("a", index=index) for index in (0, 1)] + [chunk(index=index, end="stop") for index in (0, 1)]
        request = replace(REQUEST, samples=2)
        async with serving_openai(stream(*both, usage(2))) as server, model_at(server.url) as model:
            assert [end.completion_tokens for end in (await complete(model, request)).ends.values()] == [2, 1]
            assert [end.completion_tokens for end in (await complete(model, request)).ends.values()] == [1, 1]

    async def test_a_server_that_counts_each_sample_is_believed(self):
        counted = [chunk("ab", index=i, end="stop", usage={"prompt_tokens": 5, "completion_tokens": 7}) for i in (0, 1)]
        _, done = await ask([stream(*counted)], replace(REQUEST, samples=2))
        assert [end.completion_tokens for end in done.ends.values()] == [7, 7]
        assert done.events[-1].prompt_tokens == 5

    async def test_text_comes_in_whole_lines(self):
        _, done = await ask([stream(*map(chunk, ["one", " two\nth", "ree"]), chunk(end="stop"))])
        assert [event.text for event in done.events if isinstance(event, TextDelta)] == ["one two\nth", "ree"]


class TestLabels:
    request = replace(REQUEST, samples=1, labels=("sure", "likely", "impossible"))

    @pytest.mark.parametrize(
        "logprobs",
        [
            {"content": [{"top_logprobs": [{"token": " sure", "logprob": -0.693147}, {"token": "im", "logprob": -2}]}]},
            {"tokens": [" sure"], "top_logprobs": [{" sure": -0.693147, "im": -2, "": -1, "what": -9}]},
        ],
        ids=["chat", "completions"],
    )
    async def test_probabilities_of_first_tokens_are_read(self, logprobs):
        answer = stream(chunk(), chunk(" sure", logprobs=logprobs), chunk(end="stop"))
        _, done = await ask([answer], self.request)
        assert done.ends[0].label_probabilities == pytest.approx((0.5, 0, 0.1353), abs=1e-4)

    async def test_a_server_that_gives_none_gives_none(self):
        _, done = await ask([GOOD], self.request)
        assert done.ends[0].label_probabilities == ()

    async def test_a_server_that_gives_empty_ones(self):
        for logprobs in ({"content": []}, {"content": None}, {"top_logprobs": [None]}, {}):
            answer = stream(chunk(" sure", logprobs=logprobs), chunk(end="stop"))
            _, done = await ask([answer], self.request)
            assert sum(done.ends[0].label_probabilities) == 0


class TestTheRequest:
    async def test_what_chat_is_sent(self):
        server, _ = await ask([GOOD], replace(REQUEST, stop=("\n",)), openai_api_key=KEY)
        assert server.asked[0].path == "/v1/chat/completions"
        assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"
        assert server.asked[0].body == {
            "model": "some-model",
            "messages": [{"role": "user", "content": "Say something."}],
            "n": 1,
            "seed": 7,
            "temperature": 1.0,
            "top_p": 1.0,
            "max_tokens": 8,
            "stop": ["\n"],
            "stream": True,
            "stream_options": {"include_usage": True},
        }

    async def test_what_completions_are_sent(self):
        request = replace(REQUEST, sampling=Sampling(top_k=3), labels=("sure",))
        answer = stream({"choices": [{"index": 0, "text": "one", "finish_reason": "length"}]})
        server, done = await ask([answer], request, openai_endpoint="completions")
        body = server.asked[0].body
        assert server.asked[0].path == "/v1/completions"
        assert "authorization" not in server.asked[0].headers
        assert (body["prompt"], body["top_k"], body["logprobs"]) == ("Say something.", 3, 5)
        assert "stop" not in body
        assert done.texts == {0: "one"}
        assert done.ends == {0: SampleDone(0, 1, truncated=True)}


async def test_the_key_is_nowhere_to_be_seen(caplog, capfd):
    """However a server repeats it."""
    caplog.set_level("DEBUG")
    seen = []
    echo = {"error": {"message": f"what is {KEY}?", "code": KEY, "type": KEY}}
    no_http = refuse(f"{KEY} {KEY}", b"")
    scripts = [refuse(status, echo) for status in (200, 400, 401, 404, 429, 500)]
    for script in [*scripts, stream(echo), no_http, stream(chunk("a\n"), end=False)]:
        async with serving_openai(script) as server, model_at(server.url, openai_api_key=KEY) as model:
            try:
                await complete(model, REQUEST)
            except KotError as error:
                seen += ["".join(traceback.format_exception(error)), repr(error)]
            seen += [repr(model), model.revision, model.name, repr(vars(model)["_endpoint"])]
            assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert len(seen) == 9 * 6
    assert KEY not in json.dumps(seen) + caplog.text + "".join(capfd.readouterr())
