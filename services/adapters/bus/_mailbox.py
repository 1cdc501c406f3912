"""What a subscription has received and not yet read."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence

from services.core.errors import KotError
from services.core.stores import Numbered

BATCHES = 256
"""A mailbox holds so many; then each new one takes the place of the oldest, so the newest is never lost."""


class Mailbox:
    """One subscription's batches, filled without waiting; numbers only go up."""

    def __init__(self) -> None:
        self._batches: deque[Sequence[Numbered]] = deque(maxlen=BATCHES)
        self._news = asyncio.Event()
        self._is_closed = False
        self._error: KotError | None = None
        self._next = 0

    def put(self, batch: Sequence[Numbered]) -> None:
        """Add a batch; what was received before is left out of it."""
        new = [(number, record) for number, record in batch if number >= self._next]
        if new:
            self._next = new[-1][0] + 1
            self._batches.append(new)
            self._news.set()

    def close(self, error: KotError | None = None) -> None:
        """Let the reader end, or raise `error`, when it has read what is there."""
        self._is_closed = True
        self._error = error
        self._news.set()

    async def read(self) -> AsyncGenerator[Sequence[Numbered], None]:
        """Yield batches as they come."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._batches:
                yield self._batches.popleft()
            if self._error is not None:
                raise self._error
            if self._is_closed:
                return
