"""Limits of requests and tokens a minute, shared through a real Redis. A minute has four seconds here."""

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from openai_server import GOOD, chunk, serving_openai, stream, usage
from redis_server import redis_server
from structlog.testing import capture_logs

from services.adapters.llm.openai_compatible import limits
from services.adapters.llm.openai_compatible.limits import OwnCounts, RateLimits, SharedCounts
from services.adapters.redis_client import connect
from services.core.errors import InvalidInput, Overloaded
from services.core.ports import CompletionRequest, Sampling
from services.settings import RedisSettings

MINUTE = 4.0
EACH = 35
LIMIT = 40
LATE = 10
"""Requests that a busy machine may bring to the server that much later than they were let go: a second's worth."""
REQUEST = CompletionRequest(prompt="Say it.", samples=1, sampling=Sampling(max_tokens=8), seed=7)

SENDER = """
import asyncio, json, sys
from services.adapters.llm.openai_compatible import create, limits
from services.core.ports import CompletionRequest, Sampling
from services.settings import ModelSettings, read_settings
from services.testing.language_model_suite import complete

async def send():
    model = create(read_settings(ModelSettings))
    request = CompletionRequest(prompt="Say it.", samples=1, sampling=Sampling(max_tokens=8), seed=7)
    await asyncio.gather(*(complete(model, request) for _ in range(int(sys.argv[1]))))
    await model.close()

limits.MINUTE_SECONDS = float(sys.argv[2])
asyncio.run(send())
"""


@pytest.fixture
def short_minute(monkeypatch):
    monkeypatch.setattr(limits, "MINUTE_SECONDS", MINUTE)


@asynccontextmanager
async def process(requests, **environment):
    """Run a process that sends so many requests at once; it is waited for in the end."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KOT_")}
    sender = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        SENDER,
        str(requests),
        str(MINUTE),
        env=clean | environment,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield
        _, said = await sender.communicate()
        assert sender.returncode == 0, said.decode()
    finally:
        if sender.returncode is None:
            sender.kill()
            await sender.wait()


def most_in_a_minute(asked):
    """How many requests came within one minute, wherever it begins."""
    moments = [request.moment for request in asked]
    return max(sum(first <= moment < first + MINUTE for moment in moments) for first in moments)


class TestTwoProcesses:
    @pytest.mark.parametrize("limit", [{"REQUESTS": LIMIT}, {"TOKENS": 4 * LIMIT}], ids=["requests", "tokens"])
    async def test_they_stay_under_one_limit(self, limit):
        # A request reserves nine tokens: one of a short prompt, and eight. Four are used, and the rest is given back.
        answer = stream(chunk("one"), chunk(" two"), chunk(end="stop"), usage(3, prompt=1))
        variables = {f"KOT_OPENAI_{name}_PER_MINUTE": str(value) for name, value in limit.items()}
        with redis_server() as redis:
            async with serving_openai(answer) as server:
                await send_from_two(server, **variables, **redis.environment)
            with redis.client() as client:
                [key] = client.keys()
                assert server.url in key
                assert 0 < client.pttl(key) <= 2 * MINUTE * 1000, "what is not used any more goes away"
        assert len(server.asked) == 2 * EACH
        assert LIMIT / 4 < most_in_a_minute(server.asked) <= LIMIT + LATE

    async def test_without_redis_each_has_the_limit_for_itself(self):
        async with serving_openai(GOOD) as server:
            await send_from_two(server, KOT_OPENAI_REQUESTS_PER_MINUTE=str(LIMIT))
        assert most_in_a_minute(server.asked) > LIMIT + LATE


async def send_from_two(server, **variables):
    variables |= {"KOT_OPENAI_BASE_URL": server.url, "KOT_OPENAI_MODEL": "some-model"}
    async with process(EACH, **variables), process(EACH, **variables):
        pass


@asynccontextmanager
async def shared(redis, requests=0, tokens=0, **settings):
    """Open limits that are shared."""
    client = connect(RedisSettings(redis_url=redis.url, **settings))
    opened = RateLimits(requests, tokens, SharedCounts(client, "test"))
    yield opened
    await opened.close()


def in_seconds(seconds):
    return asyncio.get_running_loop().time() + seconds


@pytest.mark.usefixtures("short_minute")
class TestOneLimit:
    """Of this process or shared, it is the same."""

    @pytest.fixture(params=["own", "shared"])
    async def opened(self, request):
        @asynccontextmanager
        async def of(**limit):
            if request.param == "own":
                yield RateLimits(limit.get("requests", 0), limit.get("tokens", 0), OwnCounts())
                return
            with redis_server() as redis:
                async with shared(redis, **limit) as limits_there:
                    yield limits_there

        return of

    async def test_a_burst_goes_at_once_and_the_rest_is_spread(self, opened):
        async with opened(requests=20) as there:
            loop = asyncio.get_running_loop()
            begun, moments = loop.time(), []
            for _ in range(6):
                await there.admit(REQUEST, in_seconds(30))
                moments.append(loop.time())
        # Two at once, then 19 in four seconds.
        assert all(moments[later] - begun > (later - 1) * MINUTE / 19 - 0.01 for later in range(2, 6))

    async def test_who_finds_no_room_is_told_at_its_deadline_and_takes_nothing(self, opened):
        async with opened(requests=1) as there:
            await there.admit(REQUEST, in_seconds(30))
            with pytest.raises(Overloaded, match="PER_MINUTE"):
                await there.admit(REQUEST, in_seconds(0.2))
            await there.admit(REQUEST, in_seconds(30))

    async def test_the_first_to_come_is_the_first_to_go(self, opened):
        gone = []

        async def go(number, tokens):
            await there.admit(replace(REQUEST, sampling=Sampling(max_tokens=tokens)), in_seconds(60))
            gone.append(number)

        async with opened(tokens=200) as there, asyncio.TaskGroup() as group:
            for number, tokens in enumerate([20, 60, 1, 30, 1]):
                group.create_task(go(number, tokens))
        assert gone == [0, 1, 2, 3, 4]

    async def test_who_leaves_the_queue_does_not_hold_it(self, opened):
        async with opened(requests=20) as there:
            waiting = [asyncio.create_task(there.admit(REQUEST, in_seconds(30))) for _ in range(5)]
            await asyncio.sleep(0.1)
            for task in waiting[2:4]:
                task.cancel()
            outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert [isinstance(outcome, asyncio.CancelledError) for outcome in outcomes] == [
            False,
            False,
            True,
            True,
            False,
        ]

    async def test_tokens_that_were_not_used_are_given_back(self, opened):
        request = replace(REQUEST, sampling=Sampling(max_tokens=99))
        async with opened(tokens=1000) as there:
            # Fifty of a hundred tokens each would take five minutes of a thousand.
            async with asyncio.timeout(3 * MINUTE):
                for _ in range(50):
                    reserved = await there.admit(request, in_seconds(30))
                    assert reserved == 100
                    await there.correct(reserved, used=1)

    async def test_tokens_that_were_used_besides_are_paid_by_the_next(self, opened):
        async with opened(tokens=100) as there:
            reserved = await there.admit(REQUEST, in_seconds(30))
            await there.correct(reserved, used=reserved + 90)
            with pytest.raises(Overloaded):
                await there.admit(REQUEST, in_seconds(MINUTE / 4))
            await there.admit(REQUEST, in_seconds(30))

    async def test_a_request_of_more_than_a_minutes_worth_waits_for_a_minutes_worth(self, opened):
        async with opened(tokens=100) as there:
            assert await there.admit(replace(REQUEST, sampling=Sampling(max_tokens=5000)), in_seconds(30)) == 100


@pytest.mark.usefixtures("short_minute")
class TestRedisAway:
    """Each process keeps to the limit alone, and says so once."""

    async def test_while_it_is_dead(self, monkeypatch):
        monkeypatch.setattr(limits, "AWAY_SECONDS", 0.3)
        with redis_server() as redis, capture_logs() as lines:
            async with shared(redis, requests=40) as there:
                await there.admit(REQUEST, in_seconds(30))
                redis.kill()
                for _ in range(8):
                    await there.admit(REQUEST, in_seconds(30))
                redis.start()
                await asyncio.sleep(0.3)
                await there.admit(REQUEST, in_seconds(30))
                with redis.client() as client:
                    assert client.keys() == ["test:requests"]
        assert [line["event"] for line in lines] == ["limits_not_shared", "limits_shared_again"]

    async def test_while_it_hangs(self):
        with redis_server() as redis, capture_logs() as lines:
            async with shared(redis, requests=40, redis_timeout=0.2) as there:
                await there.admit(REQUEST, in_seconds(30))
                redis.pause()
                begun = asyncio.get_running_loop().time()
                for _ in range(8):
                    await there.admit(REQUEST, in_seconds(30))
                redis.resume()
        assert [line["event"] for line in lines] == ["limits_not_shared"]
        assert asyncio.get_running_loop().time() - begun < 30, "only the first had to wait for it"

    async def test_if_it_is_not_there_at_the_start(self, tmp_path):
        settings = RedisSettings(redis_url=f"unix://{tmp_path}/nobody")
        there = RateLimits(40, 0, SharedCounts(connect(settings), "test"))
        with capture_logs() as lines:
            await there.admit(REQUEST, in_seconds(30))
        await there.close()
        assert [line["event"] for line in lines] == ["limits_not_shared"]

    @pytest.mark.parametrize("password", ["", "wrong secret"])
    async def test_if_it_refuses_the_password(self, password):
        with redis_server(requirepass="open sesame") as redis, capture_logs() as lines:
            async with shared(redis, requests=40, redis_password=password) as there:
                await there.admit(REQUEST, in_seconds(30))
        assert [line["event"] for line in lines] == ["limits_not_shared"]
        assert "secret" not in str(lines)

    async def test_if_it_is_full(self):
        with redis_server(maxmemory="1kb", maxmemory_policy="noeviction") as redis, capture_logs() as lines:
            async with shared(redis, requests=40) as there:
                await there.admit(REQUEST, in_seconds(30))
        assert [line["event"] for line in lines] == ["limits_not_shared"]


class TestSettings:
    async def test_the_password_comes_from_its_file(self, tmp_path):
        (tmp_path / "password").write_text("open sesame\n")
        with redis_server(requirepass="open sesame") as redis, capture_logs() as lines:
            async with shared(redis, requests=40, redis_password_file=tmp_path / "password") as there:
                await there.admit(REQUEST, in_seconds(30))
        assert lines == []

    @pytest.mark.parametrize(
        ("settings", "advice"),
        [
            ({"redis_url": "localhost:6379"}, "redis://localhost:6379/0"),
            ({"redis_url": "redis://localhost:port"}, "redis://localhost:6379/0"),
            ({"redis_url": "redis://:secret@localhost"}, "KOT_REDIS_PASSWORD"),
            ({"redis_url": "redis://localhost", "redis_password_file": "/not/there"}, "KOT_REDIS_PASSWORD_FILE"),
        ],
    )
    def test_what_is_wrong_is_named_and_no_secret(self, settings, advice):
        with pytest.raises(InvalidInput, match=advice) as failure:
            connect(RedisSettings(**settings))
        assert "secret" not in str(failure.value)

    def test_without_its_package_it_says_which_to_install(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "redis.asyncio", None)
        with pytest.raises(InvalidInput, match=r"kube-of-thoughts\[redis\]"):
            connect(RedisSettings(redis_url="redis://localhost"))
