"""Every log that ships keeps the contract of logs, and does what the others do."""

import asyncio
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis_server import redis_server

from services.adapters.log import create_log
from services.adapters.log import memory as memory_module
from services.core.errors import InvalidInput, KotError, StoreUnusable, UnknownSolve
from services.core.history import Ended, Parked
from services.core.stores import Lease
from services.core.thought import Usage
from services.settings import RedisSettings, StateSettings
from services.testing.histories import begun
from services.testing.solve_log_suite import SolveLogSuite, read_all, refusal, rounds

END = Ended(status="SOLVED", answer="(1 + 11) * (1 + 11) / 6")
PARKED = Parked(why="nobody follows it", usage=Usage(), elapsed=1.0)


def memory_log(lease_seconds=60.0):
    return create_log(StateSettings(log="memory", lease_seconds=lease_seconds), RedisSettings())


def sqlite_log(folder, lease_seconds=60.0):
    state = StateSettings(log="sqlite", state_path=Path(folder) / "state" / "kot.db", lease_seconds=lease_seconds)
    return create_log(state, RedisSettings())


def redis_log(server, lease_seconds=60.0, **changes):
    state = StateSettings(log="redis", lease_seconds=lease_seconds, **changes)
    return create_log(state, RedisSettings(redis_url=server.url, redis_timeout=5))


@asynccontextmanager
async def closing(*logs):
    try:
        yield logs
    finally:
        for log in logs:
            await log.close()


@pytest.fixture(scope="class")
def server(request):
    with redis_server() as server:
        request.cls.server = server
        yield


class TestMemoryLog(SolveLogSuite):
    @asynccontextmanager
    async def opened(self, lease_seconds=60.0):
        log = memory_log(lease_seconds)
        yield log, log
        await log.close()

    @pytest.mark.parametrize("last", [[END], [PARKED], []])
    async def test_solves_that_were_left_first_are_forgotten(self, monkeypatch, last):
        monkeypatch.setattr(memory_module, "RESTING_LOGS", 2)
        log = memory_log()
        for solve_id in ("taken up", "open", "0", "1", "2"):
            lease = await log.begin(solve_id, begun())
            if solve_id != "open":
                await log.append(lease, 1, last)
                await log.release(lease)
            if solve_id == "taken up":
                await log.claim(solve_id)
        assert [head.solve_id for head in await log.heads(10)] == ["2", "1", "open", "taken up"]
        await refusal(UnknownSolve, log.read("0"))
        assert not log.durable


class TestSqliteLog(SolveLogSuite):
    @asynccontextmanager
    async def opened(self, lease_seconds=60.0):
        with tempfile.TemporaryDirectory() as folder:
            async with closing(sqlite_log(folder, lease_seconds), sqlite_log(folder, lease_seconds)) as logs:
                yield logs

    async def test_what_was_appended_is_there_when_it_is_opened_again(self, tmp_path):
        async with closing(sqlite_log(tmp_path)) as (log,):
            await log.append(await log.begin("a", begun()), 1, rounds(2))
            assert log.durable
        async with closing(sqlite_log(tmp_path)) as (log,):
            assert await read_all(log, "a") == [begun(), *rounds(2)]
            assert (await log.head("a")).leased


@pytest.mark.usefixtures("server")
class TestRedisLog(SolveLogSuite):
    @asynccontextmanager
    async def opened(self, lease_seconds=60.0, **changes):
        with self.server.client() as client:
            client.flushall()
        logs = redis_log(self.server, lease_seconds, **changes), redis_log(self.server, lease_seconds, **changes)
        async with closing(*logs):
            yield logs

    async def test_a_solve_that_has_ended_expires_with_all_that_is_of_it(self):
        async with self.opened(log_retention=0.3) as (log, _):
            lease = await log.begin("ends", begun())
            await log.begin("stays", begun())
            await log.append(lease, 1, [*rounds(1), END])
            with self.server.client() as client:
                assert all(0 < client.pttl(f"kot:1:{part}:ends") <= 300 for part in ("records", "lease"))
            await asyncio.sleep(0.5)
            await refusal(UnknownSolve, log.read("ends"))
            assert [head.solve_id for head in await log.heads(10)] == ["stays"]
            again = await log.begin("ends", begun())
            assert again.token > lease.token
            with self.server.client() as client:
                assert sorted(client.keys()) == [
                    "kot:1:counter", "kot:1:heads", "kot:1:lease:ends", "kot:1:lease:stays", "kot:1:records:ends",
                    "kot:1:records:stays",
                ]  # fmt: skip

    async def test_a_solve_that_goes_on_after_its_end_does_not_expire(self):
        async with self.opened() as (log, _):
            lease = await log.begin("a", begun())
            await log.append(lease, 1, [END])
            await log.append(lease, 2, [])
            with self.server.client() as client:
                assert 0 < client.ttl("kot:1:records:a") <= 604_800
                await log.append(lease, 2, rounds(1))
                assert {client.ttl(key) for key in client.scan_iter()} == {-1}
                assert client.zcard("kot:1:ended") == 0

    async def test_a_page_ends_after_about_a_megabyte(self):
        async with self.opened() as (log, _):
            lease = await log.begin("a", begun())
            await log.append(lease, 1, rounds(64, "x" * 100_000))
            assert 10 < len(await log.read("a")) <= 32
            assert await read_all(log, "a") == [begun(), *rounds(64, "x" * 100_000)]

    @pytest.mark.parametrize("appendonly", ["yes", "no"])
    async def test_a_server_that_will_forget_is_told_of_once(self, appendonly):
        with redis_server(appendonly=appendonly) as server, structlog.testing.capture_logs() as lines:
            async with closing(redis_log(server)) as (log,):
                await log.begin("a", begun())
                await log.begin("b", begun())
        assert [line["event"] for line in lines] == (["redis_forgets"] if appendonly == "no" else [])

    async def test_a_server_that_forbids_the_question_is_served(self):
        async with self.opened() as (log, _):
            with self.server.client() as client:
                client.execute_command("ACL", "SETUSER", "default", "-config")
                try:
                    await log.begin("a", begun())
                finally:
                    client.execute_command("ACL", "SETUSER", "default", "+config")


OPERATIONS = st.one_of(
    st.tuples(st.sampled_from(["begin", "claim", "ask_to_end", "head"]), st.integers(0, 2)),
    st.tuples(st.sampled_from(["renew", "release"]), st.integers(0, 9)),
    st.tuples(st.just("append"), st.integers(0, 9), st.integers(0, 6), st.integers(0, 3), st.booleans()),
    st.tuples(st.just("read"), st.integers(0, 2), st.integers(0, 6), st.integers(1, 4)),
    st.tuples(st.just("heads"), st.integers(1, 4), st.sampled_from(["", "0", "1", "2"])),
)
"""`renew`, `release` and `append` are of one of the last leases; an append's last part is whether it ends the solve."""


class Player:
    """Does the same to any log, and tells what came of it, tokens left out."""

    def __init__(self, log):
        self.log = log
        self.leases = [Lease("0", -1)]

    async def play(self, name, *arguments):
        try:
            return await getattr(self, name)(*arguments)
        except KotError as error:
            return type(error)

    async def begin(self, solve):
        self.leases.append(await self.log.begin(f"{solve}", begun(f"{solve}")))

    async def claim(self, solve):
        self.leases.append(await self.log.claim(f"{solve}"))

    async def ask_to_end(self, solve):
        await self.log.ask_to_end(f"{solve}")

    async def head(self, solve):
        return await self.log.head(f"{solve}")

    async def renew(self, lease):
        return await self.log.renew(self._lease(lease))

    async def release(self, lease):
        await self.log.release(self._lease(lease))

    async def append(self, lease, length, number, ends):
        await self.log.append(self._lease(lease), length, rounds(number, first=length) + [END] * ends)

    async def read(self, solve, after, limit):
        return list(await self.log.read(f"{solve}", after, limit))

    async def heads(self, limit, before):
        return list(await self.log.heads(limit, before))

    def _lease(self, number):
        return self.leases[-1 - min(number, len(self.leases) - 1)]


async def assert_same(log, operations):
    """Assert that a log does what the one in memory does."""
    expected, found = Player(memory_log()), Player(log)
    async with closing(log):
        for operation in operations:
            assert await found.play(*operation) == await expected.play(*operation), operation


class TestEveryLogDoesTheSame:
    @given(st.lists(OPERATIONS, max_size=40))
    @settings(max_examples=60, deadline=None)
    def test_in_sqlite_as_in_memory(self, operations):
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(assert_same(sqlite_log(folder), operations))

    @pytest.mark.usefixtures("server")
    @given(st.lists(OPERATIONS, max_size=40))
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_in_redis_as_in_memory(self, operations):
        with self.server.client() as client:
            client.flushall()
        asyncio.run(assert_same(redis_log(self.server), operations))


def test_a_log_that_does_not_exist_is_refused():
    with pytest.raises(StoreUnusable, match="KOT_LOG names no log 'stone'; there are: memory, redis, sqlite"):
        create_log(StateSettings(log="stone"), RedisSettings())
    with pytest.raises(InvalidInput, match="KOT_REDIS_URL"):
        create_log(StateSettings(log="redis"), RedisSettings(redis_url=""))


async def test_a_solve_with_the_id_of_one_of_many_that_expired_is_not_forgotten_with_them():
    with redis_server() as server:
        async with closing(redis_log(server, log_retention=1)) as [log]:
            leases = [await log.begin(f"{number:04}", begun()) for number in range(1100)]
            await asyncio.gather(*(log.append(lease, 1, [END]) for lease in leases))
            await asyncio.sleep(1.1)
            await log.begin("1099", begun())
            for _ in range(2):
                assert [head.solve_id for head in await log.heads(5)] == ["1099"]
