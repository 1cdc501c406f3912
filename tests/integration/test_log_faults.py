"""What is in a log survives the death of who writes it and of Redis; what is wrong with a file or a server is said."""

import asyncio
import os
import random
import re
import sqlite3
import stat
import subprocess
import sys
import time
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager

import pytest
from fleet import until
from redis_server import redis_server

from services.adapters import sqlite_file
from services.adapters.log import create_log
from services.core.errors import StoreUnavailable, StoreUnusable
from services.settings import RedisSettings, StateSettings
from services.testing.histories import begun
from services.testing.solve_log_suite import in_time, read_all, refusal, rounds

SOLVES = 20
TIMEOUT_SECONDS = 0.5

STORM = """
import asyncio, os, sys
from pathlib import Path
from services.adapters.log import create_log
from services.settings import RedisSettings, StateSettings
from services.testing.histories import begun
from services.testing.solve_log_suite import rounds

async def solve(log, solve_id):
    lease = await log.begin(solve_id, begun())
    number = 0
    while True:
        os.write(1, f"{solve_id} {number + 1}\\n".encode())
        await log.append(lease, 1 + number, rounds(3, first=number))
        number += 3

async def storm():
    log = create_log(StateSettings(log="sqlite", state_path=Path(sys.argv[1])), RedisSettings())
    async with asyncio.TaskGroup() as solves:
        for i in range(int(sys.argv[2])):
            solves.create_task(solve(log, f"{sys.argv[3]}-{i}"))

asyncio.run(storm())
"""

FILL = """
import asyncio, resource, sys
from pathlib import Path
from services.adapters.log import create_log
from services.core.errors import StoreUnavailable
from services.settings import RedisSettings, StateSettings
from services.testing.histories import begun
from services.testing.solve_log_suite import rounds

async def fill():
    log = create_log(StateSettings(log="sqlite", state_path=Path(sys.argv[1])), RedisSettings())
    lease = await log.begin("b", begun())
    kept = 1
    try:
        while True:
            await log.append(lease, kept, rounds(3, first=kept - 1))
            kept += 3
    except StoreUnavailable as error:
        print(kept, error)

resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
asyncio.run(fill())
"""

MAKE = """
import sys
from pathlib import Path
from services.adapters.log import create_log
from services.settings import RedisSettings, StateSettings
print("ready", flush=True)
sys.stdin.read(1)
create_log(StateSettings(log="sqlite", state_path=Path(sys.argv[1])), RedisSettings())
"""

OPEN = """
import sys
from pathlib import Path
from services.adapters.log import create_log
from services.core.errors import StoreUnusable
from services.settings import RedisSettings, StateSettings
try:
    create_log(StateSettings(log="sqlite", state_path=Path(sys.argv[1])), RedisSettings())
except StoreUnusable as error:
    print(error)
"""
AS_A_USER = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"] if os.geteuid() == 0 else []
"""Has the superuser keep to the rights of files."""


def sqlite_log(path):
    return create_log(StateSettings(log="sqlite", state_path=path), RedisSettings())


@asynccontextmanager
async def redis_log(server, **changes):
    settings = {"redis_url": server.url, "redis_timeout": TIMEOUT_SECONDS} | changes
    log = create_log(StateSettings(log="redis"), RedisSettings(**settings))
    try:
        yield log
    finally:
        await log.close()


@contextmanager
def storm(path, said):
    """Run a process whose solves append as fast as they can; it says in the file `said` what was acknowledged."""
    with said.open("wb") as out:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", sys.executable, "-c", STORM, str(path), str(SOLVES), said.name],
            stdout=out,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


async def assert_nothing_lost(log, lengths):
    """Assert that each log has at least what was acknowledged, and each of its records once."""
    for solve_id, length in lengths.items():
        records = await read_all(log, solve_id)
        assert len(records) >= length
        assert records == [begun(), *rounds(len(records) - 1)]
        assert (len(records) - 1) % 3 == 0, "an append is there as a whole"


class TestSqlite:
    @pytest.mark.parametrize("moment", [0.05, 0.2, 0.5])
    async def test_a_kill_at_any_moment_loses_nothing(self, tmp_path, moment):
        path, said = tmp_path / "kot.db", [tmp_path / "one", tmp_path / "other"]
        with storm(path, said[0]), storm(path, said[1]):
            await until(lambda: all(file.stat().st_size for file in said), seconds=60)
            await asyncio.sleep(moment)
        lengths = {}
        for file in said:
            for solve_id, length in re.findall(r"^(\S+) (\d+)$", file.read_text(), re.MULTILINE):
                lengths[solve_id] = max(int(length), lengths.get(solve_id, 0))
        assert len(lengths) > 1
        log = sqlite_log(path)
        await assert_nothing_lost(log, lengths)
        await log.close()

    async def test_the_file_is_for_its_user_alone(self, tmp_path):
        log = sqlite_log(tmp_path / "a" / "b" / "kot.db")
        await log.begin("a", begun())
        folder = tmp_path / "a" / "b"
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {
            "kot.db": 0o600,
            "kot.db-wal": 0o600,
            "kot.db-shm": 0o600,
        }
        await log.close()

    async def test_a_file_cut_short_or_written_over_is_said(self, tmp_path):
        path = tmp_path / "kot.db"
        await self._fill(path)
        whole = path.read_bytes()
        noise = random.Random(1).randbytes(4096)
        for damaged in (whole[: len(whole) // 2], whole[:50], noise + whole[4096:], noise * 20):
            path.write_bytes(damaged)
            await refusal(StoreUnusable, self._open_and_read(path))
            assert "damaged" in str(await refusal(StoreUnusable, self._open_and_read(path)))
            assert path.read_bytes() == damaged, "what can be saved is still there"
        path.write_bytes(whole)
        await self._open_and_read(path)

    async def test_damage_that_is_found_later_is_said(self, tmp_path):
        path = tmp_path / "kot.db"
        await self._fill(path)
        whole = path.read_bytes()
        path.write_bytes(whole[: 4096 * 8] + random.Random(1).randbytes(len(whole) - 4096 * 8))
        assert "damaged" in str(await refusal(StoreUnusable, self._open_and_read(path)))

    async def test_other_tables_than_ours_are_said(self, tmp_path):
        path = tmp_path / "kot.db"
        await self._fill(path)
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("ALTER TABLE log_record RENAME COLUMN record TO something")
        assert "other tables" in str(await refusal(StoreUnusable, self._open_and_read(path)))

    async def test_a_file_of_a_later_version_is_refused(self, tmp_path):
        path = tmp_path / "kot.db"
        await self._fill(path)
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE schema SET version = 99 WHERE store = 'log'")
        with pytest.raises(StoreUnusable, match=r"has the log in version 99, and this program knows up to \d"):
            sqlite_log(path)
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE schema SET version = 1 WHERE store = 'log'")
        await self._open_and_read(path)

    def test_the_file_of_another_program_is_left_alone(self, tmp_path):
        path = tmp_path / "other.db"
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("CREATE TABLE recipes (name TEXT)")
        with pytest.raises(StoreUnusable, match="another program's database"):
            sqlite_log(path)
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("recipes",)]

    def test_a_place_that_cannot_be_is_refused(self, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(StoreUnusable, match="KOT_STATE_PATH"):
            sqlite_log(tmp_path / "file" / "kot.db")
        with pytest.raises(StoreUnusable, match="KOT_STATE_PATH"):
            sqlite_log(tmp_path)

    @pytest.mark.parametrize("is_there", [True, False], ids=["a file", "no file"])
    def test_a_folder_that_may_not_be_written_is_refused(self, tmp_path, is_there):
        folder = tmp_path / "folder"
        path = folder / "kot.db"
        folder.mkdir()
        if is_there:
            asyncio.run(self._fill(path))
            path.chmod(0o400)
        folder.chmod(0o500)
        done = subprocess.run([*AS_A_USER, sys.executable, "-c", OPEN, path], capture_output=True, text=True)
        folder.chmod(0o700)
        assert str(path) in done.stdout, done.stderr
        assert "KOT_STATE_PATH" in done.stdout

    async def test_a_full_disk_is_said_and_what_was_there_stays(self, tmp_path):
        path = tmp_path / "kot.db"
        log = sqlite_log(path)
        lease = await log.begin("a", begun())
        await log.append(lease, 1, rounds(3))
        await log._file.write(lambda connection: connection.execute("PRAGMA max_page_count = 40").fetchone())
        assert "no room" in str(await refusal(StoreUnavailable, log.append(lease, 4, rounds(3, "x" * 1_000_000))))
        await log._file.write(lambda connection: connection.execute("PRAGMA max_page_count = 100000").fetchone())
        await log.append(lease, 4, rounds(3, first=3))
        await assert_nothing_lost(log, {"a": 7})
        await log.close()

    def test_a_file_that_may_not_grow_is_said_and_what_was_there_stays(self, tmp_path):
        path = tmp_path / "kot.db"
        asyncio.run(self._fill(path))
        done = subprocess.run([sys.executable, "-c", FILL, path], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        kept, error = done.stdout.split(" ", 1)
        assert str(path) in error
        assert int(kept) > 100

        async def look():
            log = sqlite_log(path)
            await assert_nothing_lost(log, {"b": int(kept)})
            await log.close()

        asyncio.run(look())
        asyncio.run(self._open_and_read(path))

    async def test_a_file_that_another_holds_is_waited_for_not_for_ever(self, tmp_path, monkeypatch):
        monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", 0.3)
        path = tmp_path / "kot.db"
        log = sqlite_log(path)
        lease = await log.begin("a", begun())
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert "another process" in str(await refusal(StoreUnavailable, log.append(lease, 1, rounds(3))))
            assert await read_all(log, "a") == [begun()], "readers do not wait"
            waiting = asyncio.create_task(log.append(lease, 1, rounds(3)))
            await asyncio.sleep(0.05)
            other.execute("ROLLBACK")
        await in_time(waiting)
        await assert_nothing_lost(log, {"a": 4})
        await log.close()

    def test_many_processes_may_make_the_file_at_once(self, tmp_path):
        path = tmp_path / "kot.db"
        with ExitStack() as stack:
            makers = [
                stack.enter_context(
                    subprocess.Popen([sys.executable, "-c", MAKE, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                )
                for _ in range(4)
            ]
            for maker in makers:
                assert maker.stdout.readline()
            for maker in makers:
                maker.stdin.close()
            assert [maker.wait(60) for maker in makers] == [0] * 4
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("SELECT * FROM schema").fetchall() == [("log", 1)]

    async def test_a_closed_log_refuses(self, tmp_path):
        log = sqlite_log(tmp_path / "kot.db")
        lease = await log.begin("a", begun())
        append = asyncio.create_task(log.append(lease, 1, rounds(3)))
        await asyncio.sleep(0)
        await log.close()
        await in_time(append)
        await refusal(StoreUnavailable, log.append(lease, 4, rounds(3)))
        await refusal(StoreUnavailable, log.read("a"))
        await log.close()

    async def _fill(self, path):
        log = sqlite_log(path)
        lease = await log.begin("a", begun())
        await log.append(lease, 1, rounds(30, "x" * 10_000))
        await log.close()

    async def _open_and_read(self, path):
        log = sqlite_log(path)
        try:
            assert await read_all(log, "a") == [begun(), *rounds(30, "x" * 10_000)]
        finally:
            await log.close()


class TestRedis:
    @pytest.mark.parametrize("moment", [0.05, 0.3, 0.7])
    async def test_a_kill_of_the_server_loses_nothing(self, moment):
        """If it writes its file before it answers; `everysec` puts that off while the disk is slow."""
        with redis_server(appendonly="yes", appendfsync="always") as server:
            async with redis_log(server) as log, asyncio.timeout(60):
                stop = asyncio.Event()
                async with asyncio.TaskGroup() as group:
                    solves = [group.create_task(self._solve(log, f"{i}", stop)) for i in range(SOLVES)]
                    await asyncio.sleep(moment)
                    server.kill()
                    server.start()
                    await asyncio.sleep(0.3)
                    stop.set()
                await assert_nothing_lost(log, dict(solve.result() for solve in solves))

    async def test_connections_that_are_cut_double_nothing(self):
        with redis_server() as server, server.client() as client:
            async with redis_log(server) as log, asyncio.timeout(60):
                stop = asyncio.Event()
                async with asyncio.TaskGroup() as group:
                    solves = [group.create_task(self._solve(log, f"{i}", stop)) for i in range(SOLVES)]
                    for _ in range(30):
                        client.client_kill_filter(_type="normal", skipme=True)
                        await asyncio.sleep(0.02)
                    stop.set()
                await assert_nothing_lost(log, dict(solve.result() for solve in solves))

    async def test_a_server_that_hangs_is_given_up(self):
        with redis_server() as server:
            async with redis_log(server) as log:
                lease = await log.begin("a", begun())
                server.pause()
                started = time.monotonic()
                calls = [log.append(lease, 1, rounds(3)), log.renew(lease), log.read("a"), log.heads(3), log.claim("a")]
                outcomes = await asyncio.gather(*calls, return_exceptions=True)
                taken = time.monotonic() - started
                server.resume()
                assert all(isinstance(outcome, StoreUnavailable) for outcome in outcomes), outcomes
                assert taken < 20 * TIMEOUT_SECONDS, "a few time-outs, and room for a busy machine"
                await in_time(log.append(lease, 1, rounds(3)))
                await assert_nothing_lost(log, {"a": 4})

    async def test_a_server_that_is_away_at_first_is_found_later(self):
        with redis_server() as server:
            server.kill()
            async with redis_log(server) as log:
                await refusal(StoreUnavailable, log.begin("a", begun()))
                await refusal(StoreUnavailable, log.read("a"))
                server.start()
                await log.begin("a", begun())

    async def test_a_full_server_is_said_and_what_was_there_stays(self):
        with redis_server(maxmemory_policy="noeviction") as server, server.client() as client:
            async with redis_log(server) as log:
                lease = await log.begin("a", begun())
                await log.append(lease, 1, rounds(3))
                client.config_set("maxmemory", "1mb")
                for call in (log.append(lease, 4, rounds(3, first=3)), log.begin("b", begun()), log.renew(lease)):
                    assert "full" in str(await refusal(StoreUnavailable, call))
                await assert_nothing_lost(log, {"a": 4})
                assert [head.length for head in await log.heads(10)] == [4]
                client.config_set("maxmemory", "0")
                await log.append(lease, 4, rounds(3, first=3))
                await assert_nothing_lost(log, {"a": 7})

    @pytest.mark.parametrize("password", ["wrong-one", ""])
    async def test_a_wrong_password_is_said_and_not_shown(self, password):
        with redis_server(requirepass="right-one") as server:
            async with redis_log(server, redis_password=password) as log:
                error = await refusal(StoreUnusable, log.begin("a", begun()))
                assert "KOT_REDIS_PASSWORD" in str(error)
                assert "-one" not in str(error)
            async with redis_log(server, redis_password="right-one") as log:
                await log.begin("a", begun())

    async def test_keys_of_another_program_are_said(self):
        with redis_server() as server, server.client() as client:
            async with redis_log(server) as log:
                client.set("kot:1:heads", "mine")
                assert "WRONGTYPE" in str(await refusal(StoreUnusable, log.begin("a", begun())))

    async def test_a_record_of_no_known_kind_is_said(self):
        with redis_server() as server, server.client() as client:
            async with redis_log(server) as log:
                await log.begin("a", begun())
                client.rpush("kot:1:records:a", "noise")
                await refusal(StoreUnusable, log.read("a"))
                await refusal(StoreUnusable, log.head("a"))

    async def _solve(self, log, solve_id, stop):
        """Append until told to stop, again whenever it is unclear; return the id and how many records were taken."""
        lease = None
        while lease is None:
            try:
                lease = await log.begin(solve_id, begun())
            except StoreUnavailable:
                solve_id += "'"
        number = 0
        while not stop.is_set():
            try:
                await log.append(lease, 1 + number, rounds(3, first=number))
            except StoreUnavailable:
                await asyncio.sleep(0.02)
            else:
                number += 3
        return solve_id, 1 + number
