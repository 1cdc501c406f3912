"""Every bus that ships keeps the contract of buses; the one in Redis also when Redis does not."""

import time
from contextlib import asynccontextmanager

import pytest
from redis_server import redis_server

from services.adapters.bus import create_bus
from services.adapters.bus.redis import BATCHES
from services.core.errors import InvalidInput, StoreUnavailable, StoreUnusable
from services.settings import RedisSettings, StateSettings
from services.testing.bus_suite import BusSuite, numbered, received
from services.testing.solve_log_suite import in_time, refusal, rounds

TIMEOUT_SECONDS = 0.3


@asynccontextmanager
async def bus_at(server, timeout=5):
    settings = RedisSettings(
        redis_url=server.url, redis_timeout=timeout, redis_password=server.options.get("requirepass", "")
    )
    bus = create_bus(StateSettings(bus="redis"), settings)
    try:
        yield bus
    finally:
        await bus.close()


@pytest.fixture(scope="class")
def server(request):
    with redis_server() as server:
        request.cls.server = server
        yield


class TestMemoryBus(BusSuite):
    @asynccontextmanager
    async def opened(self):
        bus = create_bus(StateSettings(bus="memory"), RedisSettings())
        yield bus, bus
        await bus.close()

    async def test_what_is_no_longer_watched_is_not_kept(self):
        async with self.opened() as (bus, _):
            async with bus.subscribe("a"), bus.subscribe("a"), bus.subscribe("b"):
                assert len(bus._mailboxes) == 2
            assert not bus._mailboxes


@pytest.mark.usefixtures("server")
class TestRedisBus(BusSuite):
    @asynccontextmanager
    async def opened(self):
        with self.server.client() as client:
            client.flushall()
        async with bus_at(self.server) as bus, bus_at(self.server) as other:
            yield bus, other

    async def test_a_stream_is_capped_and_expires(self):
        async with self.opened() as (bus, _):
            for number in range(1000):
                await bus.publish("a", number, rounds(1))
            with self.server.client() as client:
                assert client.xlen("kot:1:bus:a") < 2 * BATCHES
                assert 0 < client.ttl("kot:1:bus:a") <= 600

    async def test_watchers_of_one_process_share_a_connection(self):
        async with self.opened() as (bus, _):
            with self.server.client() as client:
                before = client.info("clients")["connected_clients"]
                async with bus.subscribe("a") as batches:
                    for other in ("b", "c", "d"):
                        async with bus.subscribe(other), bus.subscribe("a"):
                            pass
                    await bus.publish("a", 0, rounds(1))
                    assert await received(batches, until=0) == numbered(0, rounds(1))
                    assert client.info("clients")["connected_clients"] <= before + 2

    async def test_a_new_watcher_does_not_wait_for_the_one_who_reads(self):
        """The reader waits for seconds at a time; a new subscription wakes it."""
        async with bus_at(self.server, timeout=60) as bus, bus.subscribe("a"):
            started = time.monotonic()
            for number in range(20):
                async with bus.subscribe(f"{number}") as batches:
                    await bus.publish(f"{number}", 0, rounds(1))
                    await received(batches, until=0)
            assert time.monotonic() - started < 25, "one wait of the reader is 30 s"

    async def test_what_no_version_knows_ends_the_subscription(self):
        async with self.opened() as (bus, _), bus.subscribe("a") as batches, bus.subscribe("b") as others:
            with self.server.client() as client:
                client.xadd("kot:1:bus:a", {"number": 0, "0": "noise"})
            await refusal(StoreUnusable, anext(batches))
            await bus.publish("b", 0, rounds(1))
            assert await received(others, until=0) == numbered(0, rounds(1))


class TestWithoutRedis:
    """Fault injection: each call ends within a few `KOT_REDIS_TIMEOUT`."""

    async def test_a_server_that_died_ends_subscriptions_and_is_found_again(self):
        with redis_server() as server:
            async with bus_at(server, TIMEOUT_SECONDS) as bus, bus.subscribe("a") as batches:
                await bus.publish("a", 0, rounds(1))
                assert await received(batches, until=0) == numbered(0, rounds(1))
                server.kill()
                await refusal(StoreUnavailable, anext(batches))
                await refusal(StoreUnavailable, bus.publish("a", 1, rounds(1)))
                server.start()
                async with bus.subscribe("a") as again:
                    await bus.publish("a", 2, rounds(1))
                    assert await received(again, until=2) == numbered(2, rounds(1))

    async def test_a_server_that_hangs_is_given_up(self):
        with redis_server() as server:
            async with bus_at(server, TIMEOUT_SECONDS) as bus, bus.subscribe("a") as batches:
                await bus.publish("a", 0, rounds(1))
                await received(batches, until=0)
                server.pause()
                await refusal(StoreUnavailable, bus.publish("a", 1, rounds(1)))
                await refusal(StoreUnavailable, anext(batches))
                server.resume()
                async with bus.subscribe("a") as again:
                    await in_time(bus.publish("a", 2, rounds(1)))
                    assert (await received(again, until=2))[-1] == (2, rounds(1)[0])

    async def test_a_wrong_password_is_said_and_not_shown(self):
        with redis_server(requirepass="right") as server:
            settings = RedisSettings(redis_url=server.url, redis_password="wrong-one")
            bus = create_bus(StateSettings(bus="redis"), settings)
            error = await refusal(StoreUnusable, bus.publish("a", 0, rounds(1)))
            assert "KOT_REDIS_PASSWORD" in str(error)
            assert "wrong-one" not in str(error)
            await bus.close()

    async def test_a_full_server_says_so(self):
        with redis_server(maxmemory_policy="noeviction") as server, server.client() as client:
            async with bus_at(server) as bus:
                client.config_set("maxmemory", "1mb")
                assert "full" in str(await refusal(StoreUnavailable, bus.publish("a", 0, rounds(1))))
                client.config_set("maxmemory", "0")
                await bus.publish("a", 0, rounds(1))


def test_a_bus_that_does_not_exist_is_refused():
    with pytest.raises(StoreUnusable, match="KOT_BUS names no bus 'pigeon'; there are: memory, redis"):
        create_bus(StateSettings(bus="pigeon"), RedisSettings())
    with pytest.raises(InvalidInput, match="KOT_REDIS_URL"):
        create_bus(StateSettings(bus="redis"), RedisSettings(redis_url=""))
