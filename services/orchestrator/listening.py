"""Hears of a solve's records as they are made: what a follower does between two looks into the log."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Self

from services.core.errors import StoreUnavailable, StoreUnusable
from services.core.history import Record
from services.core.stores import Bus, Numbered


class Listener:
    """Hears of one solve's records as they are made, while the bus is there."""

    def __init__(self, bus: Bus, solve_id: str) -> None:
        self._bus = bus
        self._solve_id = solve_id
        self._subscription = AsyncExitStack()
        self._news: AsyncGenerator[Sequence[Numbered], None] | None = None
        self._coming: asyncio.Task[Sequence[Numbered]] | None = None

    async def __aenter__(self) -> Self:
        await self._subscribe()
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._coming:
            self._coming.cancel()
            # That it could not come any more concerns nobody now.
            await asyncio.gather(self._coming, return_exceptions=True)
        await self._subscription.aclose()

    async def _subscribe(self) -> None:
        with suppress(StoreUnavailable, StoreUnusable):
            self._news = await self._subscription.enter_async_context(self._bus.subscribe(self._solve_id))

    async def hear(self, length: int, timeout: float) -> Sequence[Record]:
        """Return what comes next in a history of `length` records.

        Nothing, if it does not come in time, or if what comes is not what comes next: then the log has it.
        """
        if self._news is None:
            await asyncio.sleep(timeout)
            await self._subscribe()
            return ()
        if self._coming is None:
            self._coming = asyncio.ensure_future(anext(self._news))
        done, _ = await asyncio.wait([self._coming], timeout=timeout)
        if not done:
            return ()
        coming, self._coming = self._coming, None
        try:
            numbered = coming.result()
        except (StopAsyncIteration, StoreUnavailable, StoreUnusable):
            self._news = None
            await self._subscription.aclose()
            return ()
        return [record for _, record in numbered] if numbered[0][0] == length else ()
