"""The contract of a bus. To hold a bus of your own to it, write a test file such as this one:

from contextlib import asynccontextmanager
from services.testing.bus_suite import BusSuite
from my_package.my_bus import create

class TestMyBus(BusSuite):
    @asynccontextmanager
    async def opened(self):
        yield create(...), create(...)
"""  # noqa: D400, D415 - ends in an example
# ruff: noqa: S101 - a suite asserts

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from itertools import pairwise

from services.core.history import Record
from services.core.stores import Bus, Numbered
from services.testing.solve_log_suite import in_time, rounds

Batches = AsyncGenerator[Sequence[Numbered], None]

MORE_THAN_A_MAILBOX = 1000
"""Batches that a watcher is not expected to keep while it does not read."""


async def received(batches: Batches, until: int) -> list[Numbered]:
    """Return what comes up to the record of this number."""
    found: list[Numbered] = []
    while not found or found[-1][0] < until:
        found.extend(await in_time(anext(batches)))
    return found


def numbered(number: int, records: Sequence[Record]) -> list[Numbered]:
    """Return what a subscriber receives of a batch."""
    return list(enumerate(records, number))


class BusSuite:
    """Set `opened`."""

    def opened(self) -> AbstractAsyncContextManager[tuple[Bus, Bus]]:
        """Open a new bus for one test: twice, as two processes would; what lives in one process comes twice."""
        raise NotImplementedError

    async def test_every_subscriber_receives_what_is_published(self) -> None:
        """In order, with its numbers, on any pod."""
        async with self.opened() as (bus, other), AsyncExitStack() as stack:
            await bus.publish("a", 0, rounds(1))
            watching = [await stack.enter_async_context(each.subscribe("a")) for each in (bus, bus, other)]
            await bus.publish("a", 1, rounds(3, first=1))
            await other.publish("a", 4, rounds(1, first=4))
            for batches in watching:
                found = await received(batches, until=4)
                assert found[-4:] == numbered(1, rounds(4, first=1))

    async def test_a_subscriber_receives_its_own_solve_alone(self) -> None:
        """And nothing of others."""
        async with self.opened() as (bus, other), bus.subscribe("a") as batches, bus.subscribe("思考 🌳") as others:
            await other.publish("b", 0, rounds(1, "b"))
            await other.publish("思考 🌳", 0, rounds(1, "🌳"))
            await other.publish("a", 0, rounds(1, "a"))
            assert await received(batches, until=0) == numbered(0, rounds(1, "a"))
            assert await received(others, until=0) == numbered(0, rounds(1, "🌳"))

    async def test_nobody_needs_to_listen(self) -> None:
        """Before, and after the last one has left; then others may come."""
        async with self.opened() as (bus, other):
            await bus.publish("a", 0, rounds(1))
            for number in range(1, 5):
                async with other.subscribe("a") as batches:
                    await bus.publish("a", 2 * number, rounds(1, "heard"))
                    assert (await received(batches, until=2 * number))[-1] == (2 * number, rounds(1, "heard")[0])
                await bus.publish("a", 2 * number + 1, rounds(1, "not heard"))

    async def test_a_slow_subscriber_misses_older_records(self) -> None:
        """It slows nobody, sees the gap, and gets the newest."""
        last = MORE_THAN_A_MAILBOX - 1
        async with self.opened() as (bus, other), other.subscribe("a") as slow, other.subscribe("a") as quick:
            for number in range(MORE_THAN_A_MAILBOX):
                await in_time(bus.publish("a", number, rounds(1, first=number)))
                assert await received(quick, until=number) == numbered(number, rounds(1, first=number))
            numbers = [number for number, _ in await received(slow, until=last)]
            assert numbers[-1] == last
            assert numbers[0] > 0, "older ones are missing"
            assert all(one < next_ for one, next_ in pairwise(numbers))

    async def test_a_record_comes_once(self) -> None:
        """However often it is sent."""
        async with self.opened() as (bus, other), other.subscribe("a") as batches:
            for number, count in ((0, 2), (0, 2), (1, 2), (0, 1), (3, 1)):
                await bus.publish("a", number, rounds(count, first=number))
            assert await received(batches, until=3) == numbered(0, rounds(4))

    async def test_a_record_of_a_megabyte_comes_whole(self) -> None:
        """With any text."""
        async with self.opened() as (bus, other), other.subscribe("a") as batches:
            big = rounds(2, "🌳" * 300_000)
            await bus.publish("a", 0, big)
            assert await received(batches, until=1) == numbered(0, big)

    async def test_hundreds_watch_at_once(self) -> None:
        """Each sees every record of its solve."""
        async with self.opened() as buses, AsyncExitStack() as stack:
            watching = [
                await stack.enter_async_context(buses[i % 2].subscribe(f"{solve}"))
                for solve in range(40)
                for i in range(8)
            ]
            for number in range(5):
                for solve in range(40):
                    await buses[solve % 2].publish(f"{solve}", number, rounds(1, f"{solve}", number))
            found = await asyncio.gather(*(received(batches, until=4) for batches in watching))
            assert found == [numbered(0, rounds(5, f"{solve}")) for solve in range(40) for _ in range(8)]

    async def test_who_is_cancelled_while_it_waits_leaves(self) -> None:
        """And the others go on."""

        async def watch(bus: Bus) -> None:
            async with bus.subscribe("a") as batches:
                async for _ in batches:
                    pass

        async with self.opened() as (bus, other), other.subscribe("a") as batches:
            watchers = [asyncio.create_task(watch(other)) for _ in range(20)]
            await bus.publish("a", 0, rounds(1))
            await asyncio.sleep(0.05)
            for watcher in watchers:
                watcher.cancel()
            await in_time(asyncio.wait(watchers))
            assert all(watcher.cancelled() for watcher in watchers)
            await bus.publish("a", 1, rounds(1, first=1))
            assert await received(batches, until=1) == numbered(0, rounds(2))

    async def test_closing_ends_what_is_subscribed(self) -> None:
        """After what was received."""
        async with self.opened() as (bus, _), bus.subscribe("a") as batches, bus.subscribe("a") as idle:
            await bus.publish("a", 0, rounds(1))
            assert await received(batches, until=0) == numbered(0, rounds(1))
            await in_time(bus.close())
            assert [batch async for batch in batches] == []
            left = [number for batch in [batch async for batch in idle] for number, _ in batch]
            assert left in ([], [0])
