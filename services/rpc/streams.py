"""Reading a batch, and running several streams as one."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import suppress
from typing import TypeVar

from services.core.errors import InvalidInput

T = TypeVar("T")

MAX_BATCH = 256
"""Requests that one batch may have."""


async def read_batch(requests: AsyncIterator[T]) -> list[T]:
    """Read a client's stream to its end; `InvalidInput` past `MAX_BATCH`."""
    batch: list[T] = []
    async for request in requests:
        if len(batch) == MAX_BATCH:
            raise InvalidInput(f"more than {MAX_BATCH} requests in one batch")
        batch.append(request)
    return batch


async def merge(sources: Sequence[AsyncIterator[T]]) -> AsyncGenerator[list[T], None]:
    """Run the sources at the same time and yield all that is ready, whenever something is.

    Closing the iterator, or cancelling its task, cancels the sources. An error of one cancels the others and is
    raised in the end. The queue between is bounded by what the sources yield in all: a batch.
    """
    queue: asyncio.Queue[T | None] = asyncio.Queue()

    async def pump(source: AsyncIterator[T]) -> None:
        async for item in source:
            queue.put_nowait(item)

    async def run() -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for source in sources:
                    group.create_task(pump(source))
        finally:
            queue.put_nowait(None)

    running = asyncio.create_task(run())
    try:
        ended = False
        while not ended:
            ready = [await queue.get()]
            while not queue.empty():
                ready.append(queue.get_nowait())
            ended = ready[-1] is None
            if items := [item for item in ready if item is not None]:
                yield items
        await running
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
