"""Stores of trees that cannot be used say why; no password is shown; nothing waits for longer than it is set to."""

import asyncio
import logging
import sqlite3
import time
from contextlib import asynccontextmanager

import pytest
from graph_server import PASSWORD, free_port, graph_server

from services.adapters.log.memory import MemoryLog
from services.adapters.tree import Projector, create_tree
from services.adapters.tree.neo4j import Neo4jTrees
from services.adapters.tree.sqlite import SqliteTrees
from services.core.errors import InvalidInput, StoreUnavailable, StoreUnusable
from services.settings import Neo4jSettings, StateSettings
from services.testing.histories import Shape, begun, history
from services.testing.tree_store_suite import all_changes, new_id, read, replayed, write

GRAPH = "arcadedb-embedded is missing: pip install -e '.[graph]', then make test-all"
SECRET = "open-sesame"


@asynccontextmanager
async def closing(store):
    try:
        yield store
    finally:
        await store.close()


# --- which store ----------------------------------------------------------------------------------------------------


async def test_a_store_is_found_by_its_name(tmp_path):
    state = {"state_path": tmp_path / "kot.db"}
    neo4j = Neo4jSettings(uri="bolt://localhost:7687", username="neo4j", database="neo4j")
    assert create_tree(StateSettings(tree="none", **state), neo4j) is None
    for name, kind in {"sqlite": SqliteTrees, "neo4j": Neo4jTrees}.items():
        async with closing(create_tree(StateSettings(tree=name, **state), neo4j)) as store:
            assert isinstance(store, kind)
    with pytest.raises(StoreUnusable, match="KOT_TREE names no store 'oak'; there are: neo4j, sqlite, none"):
        create_tree(StateSettings(tree="oak", **state), neo4j)


# --- SQLite ---------------------------------------------------------------------------------------------------------


async def test_a_damaged_file_is_said_to_be_damaged(tmp_path):
    path = tmp_path / "kot.db"
    path.write_bytes(b"not a database, whatever its name says" * 100)
    with pytest.raises(StoreUnusable, match=r"kot\.db is damaged"):
        SqliteTrees(path)


async def test_a_file_of_a_later_version_is_left_alone(tmp_path):
    path = tmp_path / "kot.db"
    await SqliteTrees(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE schema SET version = 99 WHERE store = 'tree'")
    connection.close()
    with pytest.raises(StoreUnusable, match="has the tree in version 99"):
        SqliteTrees(path)


async def test_a_damaged_tree_is_not_told_as_half_of_one(tmp_path):
    path = tmp_path / "kot.db"
    solve_id = new_id()
    async with closing(SqliteTrees(path)) as store:
        await write(store, all_changes(solve_id, list(history(1, Shape(thoughts=3000))))[0])
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\xff" * 40_000)
    async with closing(SqliteTrees(path)) as store:
        with pytest.raises(StoreUnusable, match="is damaged"):
            await read(store, solve_id)


# --- Neo4j ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "NEO4J_URI must be set"),
        ({"uri": "http://localhost"}, "NEO4J_URI is none such as"),
        ({"uri": "localhost:7687"}, "NEO4J_URI is none such as"),
        ({"uri": f"bolt://neo4j:{SECRET}@localhost"}, "NEO4J_URI is none such as"),
        ({"uri": "bolt://localhost", "password_file": "/nowhere"}, "no password can be read"),
    ],
)
async def test_wrong_settings_are_named(settings, message):
    with pytest.raises(InvalidInput, match=message) as refused:
        Neo4jTrees(Neo4jSettings(**{"uri": ""} | settings))
    assert SECRET not in str(refused.value)


@asynccontextmanager
async def silent_server():
    """Take connections and say nothing."""
    done = asyncio.Event()

    async def wait(_reader, writer):
        await done.wait()
        writer.close()

    server = await asyncio.start_server(wait, "127.0.0.1", 0)
    try:
        yield f"bolt://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        done.set()
        server.close()
        await server.wait_closed()


async def assert_away(settings):
    """Every call fails in time, with an error that may pass, and without the password."""
    [changes] = all_changes("solve", [begun()])
    async with closing(Neo4jTrees(settings)) as store:
        for call in (
            lambda: store.position("solve"),
            lambda: store.solve("solve"),
            lambda: store.path("solve", "thought"),
            lambda: read(store, "solve"),
            lambda: write(store, changes),
        ):
            begin = time.monotonic()
            with pytest.raises(StoreUnavailable) as refused:
                await call()
            assert time.monotonic() - begin < settings.timeout + 10
            assert SECRET not in str(refused.value)


async def test_a_server_that_is_not_there():
    await assert_away(Neo4jSettings(uri=f"bolt://127.0.0.1:{free_port()}", password=SECRET, timeout=1))


async def test_a_server_that_says_nothing():
    async with silent_server() as uri:
        await assert_away(Neo4jSettings(uri=uri, password=SECRET, timeout=0.3))


@pytest.fixture(scope="module")
def server():
    pytest.importorskip("arcadedb_embedded", reason=GRAPH)
    with graph_server() as server:
        yield server


@pytest.mark.heavy
async def test_a_wrong_password_is_told_with_advice_and_not_shown(server, caplog):
    caplog.set_level(logging.DEBUG)
    async with closing(Neo4jTrees(server.settings(password=SECRET, timeout=30))) as store:
        with pytest.raises(StoreUnusable, match="refuses 'root': check NEO4J_USERNAME, NEO4J_PASSWORD") as refused:
            await store.position("solve")
    told = [str(refused.value), caplog.text, repr(server.settings(password=SECRET))]
    assert not any(SECRET in text for text in told)


@pytest.mark.heavy
async def test_a_password_from_a_file(server, tmp_path):
    path = tmp_path / "password"
    path.write_text(PASSWORD + "\n")
    async with closing(Neo4jTrees(server.settings(password="", password_file=path, timeout=30))) as store:
        assert await store.position("solve") == 0


@pytest.mark.heavy
async def test_a_database_that_is_not_there(server):
    async with closing(Neo4jTrees(server.settings(database="nowhere", timeout=30))) as store:
        with pytest.raises(StoreUnusable, match=r"refuses what we ask of 'nowhere'.*check NEO4J_DATABASE"):
            await store.position("solve")


@pytest.mark.heavy
async def test_a_server_that_dies_midway_gets_the_rest_when_it_is_back(server):
    """Killed in the middle of a solve, started again: the tree is whole."""
    solve_id = new_id()
    records = list(history(5, Shape(thoughts=600, children=2)))
    log = MemoryLog(60)
    lease = await log.begin(solve_id, records[0])
    async with closing(Neo4jTrees(server.settings(timeout=20))) as store:
        projector = Projector(log, store, solve_id)
        projector.take(0, records[:1])
        for number in range(1, len(records)):
            await log.append(lease, number, [records[number]])
            projector.take(number, [records[number]])
            if number == len(records) // 3:
                async with asyncio.timeout(60):
                    while not await store.position(solve_id):  # noqa: ASYNC110 - it says nothing by itself
                        await asyncio.sleep(0.05)
                server.kill()
            if number == 2 * len(records) // 3:
                async with asyncio.timeout(60):
                    while not projector.degraded:  # noqa: ASYNC110 - it says nothing by itself
                        await asyncio.sleep(0.05)
                server.start()
        await projector.close(within=60)
        assert not projector.degraded
        assert await store.position(solve_id) == len(records)
        (await read(store, solve_id)).assert_is(replayed(records))
