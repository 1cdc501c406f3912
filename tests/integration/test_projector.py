"""The tree store follows a solve: it may be slow, away, or behind; the solve does not wait, and nothing stays lost."""

import asyncio
import base64
import time
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from services.adapters.log.memory import MemoryLog
from services.adapters.tree import Projector, _projector, catch_up
from services.adapters.tree.sqlite import SqliteTrees
from services.core.errors import HistoryRefused, StoreUnavailable, StoreUnusable, UnknownSolve
from services.core.history import Round, Told
from services.core.thought import Value
from services.core.tree import Evaluated
from services.rpc.history import decode
from services.testing.faulty_trees import FaultyTrees
from services.testing.histories import Shape, begun, history
from services.testing.tree_store_suite import read, replayed

HISTORIES = Path(__file__).resolve().parents[1] / "histories"
AWAY = StoreUnavailable("away")


class Solve:
    """A log, a store, and what a solve does with them."""

    def __init__(self, log, store, records, solve_id="solve"):
        self.log, self.store, self.records, self.id = log, store, records, solve_id
        self.taken = 0
        self.lease = None

    async def go_on(self, projector, count=None):
        """Append so many more records, or all, and tell the projector of them, one by one."""
        end = len(self.records) if count is None else self.taken + count
        for number in range(self.taken, end):
            record = self.records[number]
            if number == 0:
                self.lease = await self.log.begin(self.id, record)
            else:
                await self.log.append(self.lease, number, [record])
            projector.take(number, [record])
        self.taken = end

    async def assert_stored(self):
        assert await self.store.position(self.id) == self.taken
        (await read(self.store, self.id)).assert_is(replayed(self.records[: self.taken]))


@pytest.fixture
async def store(tmp_path):
    store = FaultyTrees(SqliteTrees(tmp_path / "kot.db"))
    yield store
    store.error = None
    await store.close()


@pytest.fixture
def solve(store):
    return Solve(MemoryLog(60), store, list(history(1, Shape(thoughts=600, children=2))))


async def until(condition, seconds=20):
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for is no event
            await asyncio.sleep(0.01)


async def test_the_tree_is_that_of_the_log(solve):
    projector = Projector(solve.log, solve.store, solve.id)
    for _ in range(5):
        await solve.go_on(projector, 5)
        await asyncio.sleep(0.02)
    await solve.go_on(projector)
    await projector.close()
    assert not projector.degraded
    await solve.assert_stored()


async def test_many_records_are_few_writes(solve):
    projector = Projector(solve.log, solve.store, solve.id)
    await solve.go_on(projector)
    await projector.close()
    assert solve.store.writes <= len(solve.records) / _projector.PAGE + 1
    await solve.assert_stored()


async def test_a_solve_that_is_taken_up_elsewhere_goes_on(solve):
    first = Projector(solve.log, solve.store, solve.id)
    await solve.go_on(first, 20)
    await first.close()
    second = Projector(solve.log, solve.store, solve.id)
    await solve.go_on(second)
    await first.close()
    await second.close()
    await solve.assert_stored()


async def test_a_store_that_hangs_holds_nothing_up(solve):
    solve.store.answers.clear()
    projector = Projector(solve.log, solve.store, solve.id)
    await solve.go_on(projector)
    assert solve.store.writes == 0
    begin = time.monotonic()
    await projector.close(within=0.2)
    assert time.monotonic() - begin < 5, "the end of a solve waits for so long, not for ever"
    solve.store.answers.set()
    await catch_up(solve.log, solve.store, solve.id)
    await solve.assert_stored()


@pytest.mark.parametrize("buffer", [20, 20_000])
async def test_a_store_that_comes_back_gets_all(solve, monkeypatch, buffer):
    """Whether what it missed was kept or dropped."""
    monkeypatch.setattr(_projector, "BUFFER", buffer)
    projector = Projector(solve.log, solve.store, solve.id)
    await solve.go_on(projector, 10)
    await until(lambda: solve.store.writes)
    with capture_logs() as logs:
        solve.store.error = AWAY
        await solve.go_on(projector, 60)
        await until(lambda: projector.degraded)
        calls = solve.store.calls
        await until(lambda: solve.store.calls > calls + 1)
        assert projector._events <= buffer
        solve.store.error = None
        await until(lambda: not projector.degraded)
    assert [line["event"] for line in logs] == ["tree_store_away"], "once an outage"
    await solve.go_on(projector)
    await projector.close()
    await solve.assert_stored()


async def test_a_store_that_is_away_from_the_start(solve):
    solve.store.error = AWAY
    projector = Projector(solve.log, solve.store, solve.id)
    await solve.go_on(projector, 30)
    await until(lambda: projector.degraded)
    solve.store.error = None
    await until(lambda: not projector.degraded)
    await solve.go_on(projector)
    await projector.close()
    await solve.assert_stored()


async def test_a_store_that_refuses_is_asked_no_more(solve):
    solve.store.error = StoreUnusable("the password is wrong")
    projector = Projector(solve.log, solve.store, solve.id)
    with capture_logs() as logs:
        await solve.go_on(projector, 10)
        await until(lambda: projector.degraded)
        calls = solve.store.calls
        await solve.go_on(projector)
        await projector.close()
    assert solve.store.calls == calls
    assert [line["event"] for line in logs] == ["tree_store_refuses"]
    solve.store.error = None
    await catch_up(solve.log, solve.store, solve.id)
    await solve.assert_stored()


async def test_a_log_alone_is_enough_to_rebuild_a_tree(solve):
    lease = await solve.log.begin(solve.id, solve.records[0])
    await solve.log.append(lease, 1, solve.records[1:])
    solve.taken = len(solve.records)
    await catch_up(solve.log, solve.store, solve.id)
    await solve.assert_stored()
    writes = solve.store.writes
    await catch_up(solve.log, solve.store, solve.id)
    assert solve.store.writes == writes, "what is there is not written again"


async def test_catching_up_says_what_is_wrong(solve):
    with pytest.raises(UnknownSolve):
        await catch_up(solve.log, solve.store, "nobody")
    lease = await solve.log.begin(solve.id, begun())
    told = Told(thought_id="root", draw=0, children=(), events=(Evaluated("nobody", Value()),))
    await solve.log.append(lease, 1, [Round(told=(told,), best="", elapsed=0.0)])
    with pytest.raises(HistoryRefused, match="record 1 of solve"):
        await catch_up(solve.log, solve.store, solve.id)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), faults=st.floats(0, 0.6), merged=st.floats(0, 0.6))
def test_whatever_goes_wrong_the_tree_becomes_that_of_the_log(tmp_path_factory, monkeypatch, seed, faults, merged):
    """Projectors that stop, overlap or are cut off; a store that goes, comes, and writes without saying so."""
    monkeypatch.setattr(_projector, "LINGER_SECONDS", 0.0)
    monkeypatch.setattr(_projector, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(_projector, "PAGE", 3)
    monkeypatch.setattr(_projector, "BUFFER", 100)
    random = Random(seed)

    async def run():
        store = FaultyTrees(SqliteTrees(tmp_path_factory.mktemp("trees") / "kot.db"))
        store.loses_word = lambda: random.random() < faults
        solve = Solve(MemoryLog(60), store, list(history(seed, Shape(thoughts=80, merged=merged))))
        projectors = [Projector(solve.log, store, solve.id)]
        while solve.taken < len(solve.records):
            store.error = AWAY if random.random() < faults else None
            await solve.go_on(projectors[-1], min(random.randint(1, 8), len(solve.records) - solve.taken))
            await asyncio.sleep(random.choice([0, 0, 0.002]))
            if random.random() < faults:
                # Another process goes on; this one may not be dead yet.
                projectors.append(Projector(solve.log, store, solve.id))
        store.error = None
        for projector in projectors:
            await projector.close(within=random.choice([0, 10]))
        store.loses_word = lambda: False
        await catch_up(solve.log, store, solve.id)
        await solve.assert_stored()
        await store.close()

    asyncio.run(run())


@pytest.mark.parametrize("path", sorted(HISTORIES.glob("*.txt")), ids=lambda path: path.stem)
async def test_the_history_of_a_real_solve(store, path):
    """Of every strategy: merged branches, look-aheads, chains, votes."""
    records = [decode(base64.b64decode(line)) for line in path.read_text().split()]
    solve = Solve(MemoryLog(60), store, records)
    projector = Projector(solve.log, store, solve.id)
    await solve.go_on(projector)
    await projector.close()
    await solve.assert_stored()
    end, stored = records[-1], await store.solve(solve.id)
    assert (stored.status, stored.answer) == (end.status, end.answer)
    found = await read(store, solve.id)
    marked = [thought for thought in found.thoughts if thought.on_answer_path]
    if end.status == "SOLVED":
        assert marked[-1].answer == end.answer
        assert [thought.id for thought in await store.path(solve.id, end.best)] == [thought.id for thought in marked]
    else:
        assert not marked
