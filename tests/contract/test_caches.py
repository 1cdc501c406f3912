"""Every cache that ships keeps the contract of caches, and a model behind each that of models."""

from contextlib import asynccontextmanager

import pytest
from fleet import until
from redis_server import redis_server
from test_language_models import PROMPT, VALUE_PROMPT, tell

from services.adapters.cache._guard import Guarded
from services.adapters.cache.memory import ENTRY_BYTES, MemoryCache
from services.adapters.cache.redis import RedisCache
from services.adapters.llm._cached import CachedModel
from services.adapters.redis_client import connect
from services.core.stores import Turn
from services.settings import RedisSettings
from services.testing.cache_suite import LARGEST_BYTES, LONG_SECONDS, CacheSuite
from services.testing.faulty_model import FaultyModel
from services.testing.language_model_suite import LanguageModelSuite


def memory(*, seconds=LONG_SECONDS, claim_seconds=LONG_SECONDS, most_value_bytes=LARGEST_BYTES, most_bytes=10**6):
    return MemoryCache(
        most_bytes=most_bytes, most_value_bytes=most_value_bytes, seconds=seconds, claim_seconds=claim_seconds
    )


@asynccontextmanager
async def redis(server, *, seconds=LONG_SECONDS, claim_seconds=LONG_SECONDS, most_value_bytes=LARGEST_BYTES):
    """Open a cache on a server, with nothing in it."""
    with server.client() as client:
        client.flushall()
    cache = RedisCache(
        connect(RedisSettings(redis_url=server.url, redis_timeout=5)),
        seconds=seconds,
        claim_seconds=claim_seconds,
        most_value_bytes=most_value_bytes,
    )
    try:
        yield cache
    finally:
        await cache.close()


@pytest.fixture(scope="class")
def server(request):
    with redis_server() as server:
        request.cls.server = server
        yield


class TestMemoryCache(CacheSuite):
    @asynccontextmanager
    async def opened(self, **limits):
        yield memory(**limits)

    async def test_what_was_not_read_for_longest_makes_room(self):
        room = 3 * (len("1") + 100 + ENTRY_BYTES)
        cache = memory(most_bytes=room)
        for key in "123":
            await cache.keep(key, "a", bytes(100))
        assert cache.bytes == room
        await cache.look("1", "a")
        await cache.keep("4", "a", bytes(100))
        assert cache.bytes == room
        found = {key: await cache.look(key, "a") for key in "1234"}
        assert [key for key, value in found.items() if value is Turn.OURS] == ["2"]

    async def test_it_never_has_more_bytes_than_it_may_have(self):
        cache = memory(most_bytes=5_000)
        for number in range(500):
            await cache.keep(str(number % 40), "a", bytes(number * 7 % 900))
            assert 0 < cache.bytes <= 5_000

    async def test_what_fits_in_no_way_drives_nothing_out(self):
        cache = memory(most_bytes=500)
        await cache.keep("small", "a", b"1")
        await cache.keep("large", "a", bytes(500))
        assert await cache.look("small", "a") == b"1"


@pytest.mark.usefixtures("server")
class TestRedisCache(CacheSuite):
    def opened(self, **limits):
        return redis(self.server, **limits)

    async def test_its_keys_have_a_version_and_an_end(self):
        async with self.opened() as cache:
            await cache.look("claimed", "a")
            await cache.keep("kept", "a", b"1")
            with self.server.client() as client:
                keys = client.keys()
                assert len(keys) == 2
                assert all(key.startswith("kot:1:cache:") for key in keys)
                assert all(0 < client.pttl(key) <= LONG_SECONDS * 1000 for key in keys)


@pytest.mark.usefixtures("server")
class TestGuardedRedisCache(CacheSuite):
    """The guard changes nothing while the cache is there."""

    @asynccontextmanager
    async def opened(self, **limits):
        async with redis(self.server, **limits) as cache:
            yield Guarded(cache)


class TestModelBehindMemory(LanguageModelSuite):
    prompt = PROMPT
    label_prompt = VALUE_PROMPT
    counts_do_not_matter = True

    @asynccontextmanager
    async def opened(self):
        self.asked = FaultyModel(script=tell)
        yield CachedModel(self.asked, memory(most_value_bytes=10**6))

    async def assert_idle(self, model):
        await until(lambda: self.asked.in_flight == 0)


@pytest.mark.usefixtures("server")
class TestModelBehindRedis(LanguageModelSuite):
    prompt = PROMPT
    label_prompt = VALUE_PROMPT
    counts_do_not_matter = True

    @asynccontextmanager
    async def opened(self):
        self.asked = FaultyModel(script=tell)
        async with redis(self.server, most_value_bytes=10**6) as cache:
            model = CachedModel(self.asked, Guarded(cache))
            yield model
            await model.close()

    async def assert_idle(self, model):
        await until(lambda: self.asked.in_flight == 0)
