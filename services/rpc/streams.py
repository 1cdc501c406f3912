"""Reading a batch, and streams whose items a task of their own produces."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import aclosing, suppress
from typing import Any, TypeVar

from services.core.errors import InvalidInput

T = TypeVar("T")

MAX_BATCH = 256
"""Requests that one batch may have."""
READ_SECONDS = 30
"""A client that sends its requests, and does not say that these are all, is not waited for longer."""
MAX_UNREAD = 256
"""Items that may wait for a slow reader; then their producer waits."""


async def read_batch(requests: AsyncIterator[T]) -> list[T]:
    """Read a client's stream to its end; `InvalidInput` past `MAX_BATCH`, or if the end does not come."""
    batch: list[T] = []
    try:
        async with asyncio.timeout(READ_SECONDS):
            async for request in requests:
                if len(batch) == MAX_BATCH:
                    raise InvalidInput(f"more than {MAX_BATCH} requests in one batch")
                batch.append(request)
    except TimeoutError as error:
        raise InvalidInput(f"a batch has to be sent within {READ_SECONDS} s, and its stream closed") from error
    return batch


async def produced(
    produce: Callable[[Callable[[T], Awaitable[None]]], Coroutine[Any, Any, None]], *, max_unread: int = MAX_UNREAD
) -> AsyncGenerator[list[T], None]:
    """Run `produce(put)` in a task and yield all that is ready, whenever something is.

    Closing the iterator, or cancelling its task, cancels the producer and waits for its end. What the producer raises
    is raised here, after what it had put.
    """
    unread: list[T] = []
    news, room = asyncio.Event(), asyncio.Event()

    async def put(item: T) -> None:
        while len(unread) >= max_unread:
            room.clear()
            await room.wait()
        unread.append(item)
        news.set()

    producer = asyncio.create_task(produce(put))
    producer.add_done_callback(lambda _: news.set())
    try:
        while unread or not producer.done():
            await news.wait()
            news.clear()
            if unread:
                ready = unread.copy()
                unread.clear()
                room.set()
                yield ready
        await producer
    finally:
        producer.cancel()
        with suppress(asyncio.CancelledError):
            await producer


async def merge(sources: Sequence[AsyncIterator[T]]) -> AsyncGenerator[list[T], None]:
    """Run the sources at the same time and yield all that is ready, whenever something is.

    An error of one source cancels the others and is raised in the end.
    """

    async def pump(source: AsyncIterator[T], put: Callable[[T], Awaitable[None]]) -> None:
        async for item in source:
            await put(item)

    async def pump_all(put: Callable[[T], Awaitable[None]]) -> None:
        async with asyncio.TaskGroup() as group:
            for source in sources:
                group.create_task(pump(source, put))

    async with aclosing(produced(pump_all)) as items:
        async for ready in items:
            yield ready
