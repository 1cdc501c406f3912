"""Streams whose items a task produces, and several streams run as one."""

import asyncio
from contextlib import aclosing

import pytest
from fleet import until

from services.core.errors import InvalidInput, ModelFailed
from services.rpc.streams import MAX_BATCH, merge, produced, read_batch


class Source:
    """Yields numbers, then waits for ever or raises; knows whether it was left."""

    def __init__(self, *items, then=None):
        self.left = False
        self._items = items
        self._then = then

    async def __aiter__(self):
        try:
            for item in self._items:
                await asyncio.sleep(0)
                yield item
            if isinstance(self._then, Exception):
                raise self._then
            if self._then == "wait":
                await asyncio.Event().wait()
        finally:
            self.left = True


def merged(*sources):
    return merge([aiter(source) for source in sources])


async def test_all_items_of_all_sources_come_and_each_source_keeps_its_order():
    sources = [Source(*((name, i) for i in range(100))) for name in "abc"]
    async with asyncio.timeout(5):
        items = [item async for ready in merged(*sources) for item in ready]
    for name in "abc":
        assert [i for source, i in items if source == name] == list(range(100))
    assert [source for source, _ in items[:6]] != ["a"] * 6, "they run at the same time"


async def test_nothing_to_merge_is_an_empty_stream():
    assert [ready async for ready in merge([])] == []
    assert [ready async for ready in merged(Source(), Source())] == []


async def test_an_error_of_one_source_cancels_the_others_and_is_raised():
    waiting = Source(1, then="wait")
    items = []
    with pytest.raises(ExceptionGroup) as raised:  # noqa: PT012
        async with asyncio.timeout(5):
            async for ready in merged(waiting, Source(2, then=ModelFailed("it broke"))):
                items += ready
    assert [str(error) for error in raised.value.exceptions] == ["it broke"]
    assert waiting.left
    assert sorted(items) == [1, 2], "what came before the error is not lost"


async def test_closing_early_cancels_the_sources():
    sources = [Source(i, then="wait") for i in range(3)]
    async with aclosing(merged(*sources)) as ready:
        await anext(ready)
    assert all(source.left for source in sources)


async def test_cancelling_the_reader_cancels_the_sources():
    sources = [Source(i, then="wait") for i in range(3)]

    async def read():
        async for _ in merged(*sources):
            pass

    reading = asyncio.create_task(read())
    await asyncio.sleep(0.02)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await until(lambda: all(source.left for source in sources))


async def test_a_producer_waits_for_a_slow_reader():
    put_so_far = []

    async def produce(put):
        for i in range(50):
            await put(i)
            put_so_far.append(i)

    async with aclosing(produced(produce, max_unread=4)) as ready:
        items = list(await anext(ready))
        await asyncio.sleep(0.02)
        assert len(put_so_far) <= len(items) + 4
        async for more in ready:
            items += more
    assert items == list(range(50))


async def test_what_a_producer_raises_comes_after_what_it_had_put():
    async def produce(put):
        for i in range(3):
            await put(i)
        raise ModelFailed("at last")

    items = []
    with pytest.raises(ModelFailed, match="at last"):  # noqa: PT012
        async for ready in produced(produce):
            items += ready
    assert items == [0, 1, 2]


async def test_a_batch_is_read_to_its_end_and_no_further():
    assert await read_batch(aiter(Source(*range(MAX_BATCH)))) == list(range(MAX_BATCH))
    with pytest.raises(InvalidInput, match=str(MAX_BATCH)):
        await read_batch(aiter(Source(*range(MAX_BATCH + 1))))
