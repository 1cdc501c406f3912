"""The contract of a log of solves. To hold a log of your own to it, write a test file such as this one:

from contextlib import asynccontextmanager
from services.testing.solve_log_suite import SolveLogSuite
from my_package.my_log import create

class TestMyLog(SolveLogSuite):
    @asynccontextmanager
    async def opened(self, lease_seconds=60.0):
        yield create(...), create(...)
"""  # noqa: D400, D415 - ends in an example
# ruff: noqa: S101 - a suite asserts

import asyncio
import time
from collections.abc import Awaitable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import TypeVar

import pytest

from services.core.errors import DuplicateSolve, KotError, LeaseHeld, LeaseLost, UnknownSolve
from services.core.history import Ended, Record, Round, Told
from services.core.stores import Lease, SolveLog
from services.core.thought import Thought, Usage
from services.core.tree import Proposed
from services.testing.histories import begun

PATIENCE_SECONDS = 60
"""After this a log is taken to hang."""
SHORT_LEASE_SECONDS = 0.5

T = TypeVar("T")


def rounds(number: int, text: str = "11 - 1 = 10", first: int = 0) -> list[Round]:
    """Return records that follow the first one, each different."""
    root = Thought.root("1 1 11 11")
    return [_round(root, i, text) for i in range(first, first + number)]


def _round(root: Thought, number: int, text: str) -> Round:
    thought = Thought(f"{number}", root.id, 1, text, f"key {number}")
    told = Told(thought_id=root.id, draw=number, children=(thought.id,), events=(Proposed(thought),))
    return Round(told=(told,), best=thought.id, elapsed=float(number))


async def in_time(call: Awaitable[T]) -> T:
    """Wait for a call, not for ever."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await call


async def refusal(kind: type[KotError], call: Awaitable[object]) -> KotError:
    """Assert that a call is refused in this way, and says why."""
    with pytest.raises(kind, match=r".") as refused:
        await in_time(call)
    return refused.value


async def read_all(log: SolveLog, solve_id: str, page: int = 1000) -> Sequence[Record]:
    """Return all of a log's records."""
    records: list[Record] = []
    while found := await in_time(log.read(solve_id, len(records), page)):
        assert len(found) <= page
        records.extend(found)
    return records


class SolveLogSuite:
    """Set `opened`."""

    def opened(self, lease_seconds: float = 60.0) -> AbstractAsyncContextManager[tuple[SolveLog, SolveLog]]:
        """Open a new log for one test: twice, as two processes would; what lives in one process comes twice."""
        raise NotImplementedError

    async def test_a_log_begins_with_its_first_record(self) -> None:
        """And is leased to who began it."""
        async with self.opened() as (log, other):
            lease = await in_time(log.begin("a", begun()))
            assert lease.solve_id == "a"
            assert await read_all(other, "a") == [begun()]
            head = await other.head("a")
            assert (head.solve_id, head.length, head.first, head.last, head.leased) == ("a", 1, begun(), begun(), True)

    async def test_a_solve_has_one_log(self) -> None:
        """A second one is refused, and the first stays as it is."""
        async with self.opened() as (log, other):
            lease = await log.begin("a", begun())
            await refusal(DuplicateSolve, other.begin("a", begun("another")))
            await log.append(lease, 1, rounds(1))
            assert await read_all(log, "a") == [begun(), *rounds(1)]

    async def test_one_of_many_begins_a_log(self) -> None:
        """Whoever asks at the same time."""
        async with self.opened() as logs:
            begins = [logs[i % 2].begin("a", begun(f"{i}")) for i in range(20)]
            outcomes = await asyncio.gather(*begins, return_exceptions=True)
            leases = [outcome for outcome in outcomes if isinstance(outcome, Lease)]
            assert len(leases) == 1
            assert sum(isinstance(outcome, DuplicateSolve) for outcome in outcomes) == 19
            await logs[0].append(leases[0], 1, rounds(1))

    async def test_what_is_unknown_is_refused(self) -> None:
        """Whatever is asked of it."""
        async with self.opened() as (log, _):
            await refusal(UnknownSolve, log.claim("a"))
            await refusal(UnknownSolve, log.read("a"))
            await refusal(UnknownSolve, log.head("a"))
            await refusal(UnknownSolve, log.ask_to_end("a"))
            await refusal(UnknownSolve, log.heads(10, "a"))
            await refusal(LeaseLost, log.renew(Lease("a", 1)))
            await refusal(LeaseLost, log.append(Lease("a", 1), 0, rounds(1)))
            await log.release(Lease("a", 1))
            assert list(await log.heads(10)) == []

    async def test_records_come_back_as_they_went_in(self) -> None:
        """In order, by pages, from any number on."""
        async with self.opened() as (log, other):
            lease = await log.begin("a", begun())
            await log.append(lease, 1, rounds(1))
            await log.append(lease, 2, rounds(7, first=1))
            await log.append(lease, 9, [])
            expected = [begun(), *rounds(8)]
            assert await read_all(other, "a") == expected
            assert await read_all(other, "a", page=2) == expected
            assert list(await other.read("a", 4, 3)) == expected[4:7]
            assert list(await other.read("a", 9)) == []
            assert list(await other.read("a", 100)) == []
            head = await other.head("a")
            assert (head.length, head.first, head.last) == (9, begun(), expected[-1])

    async def test_any_text_and_a_record_of_a_megabyte_are_kept(self) -> None:
        """In ids too."""
        async with self.opened() as (log, other):
            for solve_id in ("a:b/{c} *", "思考 🌳", "x" * 200):
                lease = await log.begin(solve_id, begun("ünïcode \u0000 🌳\n"))
                big = rounds(3, "🌳" * 350_000)
                await log.append(lease, 1, big[:2])
                await log.append(lease, 3, big[2:])
                assert await read_all(other, solve_id) == [begun("ünïcode \u0000 🌳\n"), *big]
                assert (await other.head(solve_id)).solve_id == solve_id

    async def test_a_wrong_length_is_refused(self) -> None:
        """And nothing is added."""
        async with self.opened() as (log, _):
            lease = await log.begin("a", begun())
            await log.append(lease, 1, rounds(3))
            for length in (0, 1, 2, 3, 5, 100):
                await refusal(LeaseLost, log.append(lease, length, rounds(2, "another")))
            assert await read_all(log, "a") == [begun(), *rounds(3)]
            await log.append(lease, 4, rounds(1, first=3))

    async def test_an_append_that_is_sent_again_is_added_once(self) -> None:
        """As after an answer that was lost; what differs is refused."""
        async with self.opened() as (log, other):
            lease = await log.begin("a", begun())
            for handle in (log, log, other):
                await handle.append(lease, 1, rounds(3))
            await refusal(LeaseLost, log.append(lease, 1, rounds(2)))
            await refusal(LeaseLost, log.append(lease, 1, rounds(3, "another")))
            assert await read_all(log, "a") == [begun(), *rounds(3)]
            await log.append(lease, 4, rounds(1, first=3))
            await refusal(LeaseLost, log.append(lease, 1, rounds(3)))

    async def test_of_appends_to_one_length_one_is_added(self) -> None:
        """The others are refused, each for itself."""
        async with self.opened() as logs:
            lease = await logs[0].begin("a", begun())
            appends = [logs[i % 2].append(lease, 1, rounds(1, f"{i}")) for i in range(20)]
            outcomes = await asyncio.gather(*appends, return_exceptions=True)
            assert outcomes.count(None) == 1
            assert sum(isinstance(outcome, LeaseLost) for outcome in outcomes) == 19
            assert await read_all(logs[0], "a") == [begun(), *rounds(1, f"{outcomes.index(None)}")]

    async def test_only_the_holder_of_the_lease_writes(self) -> None:
        """Not who had it before, whatever it tries; it does not harm who has it now."""
        async with self.opened() as (log, other):
            old = await log.begin("a", begun())
            await refusal(LeaseHeld, other.claim("a"))
            await log.release(old)
            assert not (await log.head("a")).leased
            await refusal(LeaseLost, log.append(old, 1, rounds(1)))
            await refusal(LeaseLost, log.renew(old))
            new = await other.claim("a")
            assert new.token > old.token
            await refusal(LeaseLost, log.append(old, 1, rounds(1)))
            await refusal(LeaseLost, log.renew(old))
            await log.release(old)
            await refusal(LeaseHeld, log.claim("a"))
            await other.append(new, 1, rounds(1))
            assert await read_all(log, "a") == [begun(), *rounds(1)]

    async def test_a_lease_that_ran_out_can_be_claimed(self) -> None:
        """Not before; then the old one is void, and until then it serves."""
        async with self.opened(SHORT_LEASE_SECONDS) as (log, other):
            began = time.monotonic()
            old = await log.begin("a", begun())
            new = await self._claim_when_free(other, "a")
            assert time.monotonic() - began >= SHORT_LEASE_SECONDS * 0.95
            assert new.token > old.token
            await refusal(LeaseLost, log.append(old, 1, rounds(1)))
            await asyncio.sleep(SHORT_LEASE_SECONDS * 1.1)
            assert not (await log.head("a")).leased
            await other.append(new, 1, rounds(1))
            await asyncio.sleep(SHORT_LEASE_SECONDS * 1.1)
            assert not await other.renew(new)

    async def test_a_lease_that_is_renewed_is_held(self) -> None:
        """By `renew`, and by `append`."""
        async with self.opened(SHORT_LEASE_SECONDS) as (log, other):
            lease = await log.begin("a", begun())
            for number in range(12):
                held_since = time.monotonic()
                await (log.renew(lease) if number % 2 else log.append(lease, 1 + number // 2, rounds(1, first=number)))
                await asyncio.sleep(SHORT_LEASE_SECONDS / 5)
                try:
                    await other.claim("a")
                except LeaseHeld:
                    continue
                assert time.monotonic() - held_since > SHORT_LEASE_SECONDS * 0.95, "the lease was held"
                return  # This machine was too busy to renew in time.

    async def test_one_of_many_claims_a_log(self) -> None:
        """Whoever asks at the same time."""
        async with self.opened() as logs:
            lease = await logs[0].begin("a", begun())
            for _ in range(5):
                await logs[0].release(lease)
                claims = [logs[i % 2].claim("a") for i in range(20)]
                outcomes = await asyncio.gather(*claims, return_exceptions=True)
                [taken] = [outcome for outcome in outcomes if isinstance(outcome, Lease)]
                assert sum(isinstance(outcome, LeaseHeld) for outcome in outcomes) == 19
                assert taken.token > lease.token
                lease = taken

    async def test_the_holder_of_the_lease_is_asked_to_end(self) -> None:
        """It hears so when it renews; once it has released the lease, nobody does."""
        async with self.opened(SHORT_LEASE_SECONDS) as (log, other):
            lease = await log.begin("a", begun())
            assert not await log.renew(lease)
            await other.ask_to_end("a")
            assert await log.renew(lease)
            assert await log.renew(lease)
            heir = await self._claim_when_free(other, "a")
            assert await other.renew(heir)
            await other.release(heir)
            await log.ask_to_end("a")
            assert not await log.renew(await log.claim("a"))

    async def test_many_solves_append_at_once(self) -> None:
        """Each gets its own, in its order."""

        async def solve(log: SolveLog, solve_id: str) -> None:
            lease = await log.begin(solve_id, begun(solve_id))
            for number in range(10):
                await log.append(lease, 1 + number, rounds(1, solve_id, number))
            await log.release(lease)

        async with self.opened() as logs:
            await in_time(asyncio.gather(*(solve(logs[i % 2], f"{i}") for i in range(60))))
            for i in range(60):
                assert await read_all(logs[0], f"{i}") == [begun(f"{i}"), *rounds(10, f"{i}")]

    async def test_the_newest_logs_come_first(self) -> None:
        """By the order in which they began, whatever their clocks said; by pages."""
        async with self.opened() as (log, other):
            leases = [await log.begin(f"{i}", replace(begun(), begun_at=1e9 - i)) for i in range(7)]
            await log.append(leases[0], 1, rounds(2))
            await log.release(leases[2])
            heads = await other.heads(100)
            assert [head.solve_id for head in heads] == list("6543210")
            assert [head.length for head in heads] == [1, 1, 1, 1, 1, 1, 3]
            assert [head.leased for head in heads] == [True, True, True, True, False, True, True]
            assert [head.first.begun_at for head in heads] == [1e9 - i for i in range(6, -1, -1)]
            assert (heads[0].last, heads[-1].last) == (replace(begun(), begun_at=1e9 - 6), rounds(2)[-1])
            assert [head.solve_id for head in await other.heads(3)] == list("654")
            assert [head.solve_id for head in await other.heads(3, "4")] == list("321")
            assert [head.solve_id for head in await other.heads(3, "1")] == ["0"]
            assert list(await other.heads(3, "0")) == []

    async def test_a_solve_goes_on_after_its_end(self) -> None:
        """With a larger budget it may."""
        end = Ended(status="NODES_SPENT", best="1", usage=Usage(model_calls=3), elapsed=1.5)
        async with self.opened() as (log, other):
            lease = await log.begin("a", begun())
            await log.append(lease, 1, [*rounds(1), end])
            await log.release(lease)
            lease = await other.claim("a")
            await other.append(lease, 3, rounds(1, first=1))
            await other.append(lease, 4, [])
            assert await read_all(log, "a") == [begun(), *rounds(1), end, *rounds(1, first=1)]

    async def test_an_append_that_is_cut_short_is_whole_or_not_there(self) -> None:
        """And can be sent again; the log serves on."""
        async with self.opened() as (log, _):
            lease = await log.begin("a", begun())
            for number in range(30):
                records = rounds(5, first=5 * number)
                append = asyncio.create_task(log.append(lease, 1 + 5 * number, records))
                await asyncio.sleep(0.0001 * number)
                append.cancel()
                await asyncio.wait([append])
                assert (await log.head("a")).length in {1 + 5 * number, 6 + 5 * number}
                await in_time(log.append(lease, 1 + 5 * number, records))
            assert await read_all(log, "a") == [begun(), *rounds(150)]

    async def _claim_when_free(self, log: SolveLog, solve_id: str) -> Lease:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                try:
                    return await log.claim(solve_id)
                except LeaseHeld:
                    await asyncio.sleep(SHORT_LEASE_SECONDS / 50)
