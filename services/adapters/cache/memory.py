"""Answers in the memory of this process: what was not read for longest goes first."""

import time
from collections import OrderedDict
from collections.abc import Callable

from services.core.stores import Turn
from services.settings import CacheSettings

ENTRY_BYTES = 200
"""What an entry takes besides its key and its value, about."""


class MemoryCache:
    """A `Cache` of at most `most_bytes`. Nothing in it waits, so whoever looks is served at once."""

    def __init__(
        self,
        *,
        most_bytes: int,
        most_value_bytes: int,
        seconds: float,
        claim_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.claim_seconds = claim_seconds
        self.bytes = 0
        """What all entries take."""
        self._most_bytes = most_bytes
        self._most_value_bytes = most_value_bytes
        self._seconds = seconds
        self._clock = clock
        self._values: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        """Until when it is kept, and what; what was read last comes last."""
        self._claims: dict[str, tuple[float, str]] = {}
        """Until when it lasts, and whose it is. One is there for each call under way, at most."""

    async def look(self, key: str, claim: str) -> bytes | Turn:
        """Return the value, or whose turn it is."""
        now = self._clock()
        if key in self._values:
            until, value = self._values[key]
            if now < until:
                self._values.move_to_end(key)
                return value
            self._drop(key)
        until, holder = self._claims.get(key, (0.0, ""))
        if holder != claim and now < until:
            return Turn.ANOTHERS
        self._claims[key] = (now + self.claim_seconds, claim)
        return Turn.OURS

    async def renew(self, key: str, claim: str) -> None:
        """Hold the claim for longer."""
        if self._holds(key, claim):
            self._claims[key] = (self._clock() + self.claim_seconds, claim)

    async def keep(self, key: str, claim: str, value: bytes) -> None:
        """Keep the value; others make room for it."""
        await self.release(key, claim)
        if key in self._values:
            self._drop(key)
        if len(value) > self._most_value_bytes or _size(key, value) > self._most_bytes:
            return
        self._values[key] = (self._clock() + self._seconds, value)
        self.bytes += _size(key, value)
        while self.bytes > self._most_bytes:
            self._drop(next(iter(self._values)))

    async def release(self, key: str, claim: str) -> None:
        """Give the claim back."""
        if self._holds(key, claim):
            del self._claims[key]

    async def close(self) -> None:
        """Forget everything."""
        self._values.clear()
        self._claims.clear()
        self.bytes = 0

    def _holds(self, key: str, claim: str) -> bool:
        return key in self._claims and self._claims[key][1] == claim

    def _drop(self, key: str) -> None:
        _, value = self._values.pop(key)
        self.bytes -= _size(key, value)


def _size(key: str, value: bytes) -> int:
    return len(key) + len(value) + ENTRY_BYTES


async def create(settings: CacheSettings) -> MemoryCache:
    """Return an empty cache."""
    return MemoryCache(
        most_bytes=settings.cache_bytes,
        most_value_bytes=settings.cache_value_bytes,
        seconds=settings.cache_seconds,
        claim_seconds=settings.cache_claim_seconds,
    )
