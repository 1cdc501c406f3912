"""A cache that never fails: while the one behind it does, nothing is found, and nothing is kept."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from services.core.errors import StoreUnavailable, StoreUnusable
from services.core.stores import Cache, Turn
from services.telemetry import instruments, metrics

PATIENCE_SECONDS = 1.0
"""How long one command may take."""
PAUSE_SECONDS = 5.0
"""A cache that failed is left alone for so long; then one command tries it, and the others go on without."""

T = TypeVar("T")


class Guarded:
    """A `Cache` that answers for `cache` while that is away: whoever looks asks the model.

    It says once when it fails, and once when it is back. Reading and writing fail apart: a store without room is read.
    """

    def __init__(self, cache: Cache) -> None:
        self.claim_seconds = cache.claim_seconds
        self._cache = cache
        self._reading = _Circuit("reading")
        self._writing = _Circuit("writing")

    async def look(self, key: str, claim: str) -> bytes | Turn:
        """Look, if it can be done."""
        return await self._reading.run(lambda: self._cache.look(key, claim), Turn.OURS)

    async def renew(self, key: str, claim: str) -> None:
        """Renew, if it can be done."""
        await self._reading.run(lambda: self._cache.renew(key, claim), None)

    async def keep(self, key: str, claim: str, value: bytes) -> None:
        """Keep, if it can be done; if not, nobody has to wait for it."""

        async def is_kept() -> bool:
            await self._cache.keep(key, claim, value)
            return True

        if not self._reading.open and not await self._writing.run(is_kept, instead=False):
            await self.release(key, claim)

    async def release(self, key: str, claim: str) -> None:
        """Release, if it can be done."""
        await self._reading.run(lambda: self._cache.release(key, claim), None)

    async def close(self) -> None:
        """Close the cache."""
        await self._cache.close()


class _Circuit:
    """Opens when a command fails; then commands are left out, but for one after each pause, which may close it."""

    def __init__(self, what: str) -> None:
        self.open = False
        self._what = what
        self._again_at = 0.0

    async def run(self, command: Callable[[], Awaitable[T]], instead: T) -> T:
        """Run the command; `instead` if it fails, or is left out."""
        now = asyncio.get_running_loop().time
        if self.open:
            if now() < self._again_at:
                return instead
            # Others do not try it too while this one does.
            self._again_at = now() + PATIENCE_SECONDS + PAUSE_SECONDS
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                result = await command()
        except (StoreUnavailable, StoreUnusable, TimeoutError) as error:
            if not self.open:
                said = str(error) or f"no answer within {PATIENCE_SECONDS} s"
                structlog.get_logger().warning("cache_away", doing=self._what, message=said)
                metrics.add(instruments.STORES_AWAY, 1, store="cache")
            self.open = True
            self._again_at = now() + PAUSE_SECONDS
            return instead
        if self.open:
            structlog.get_logger().info("cache_back", doing=self._what)
            metrics.add(instruments.STORES_AWAY, -1, store="cache")
            self.open = False
        return result
