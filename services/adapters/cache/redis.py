"""Answers in a Redis that all pods share. What it holds at most is its own setting, `maxmemory`, with `allkeys-lru`.

Each step is one script, hence one way to the server and back, and nothing comes between its commands. Keys of one
answer hash to one slot of a cluster.
"""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from services.adapters.redis_client import connect, store_errors
from services.core.errors import InvalidInput, StoreUnavailable, StoreUnusable
from services.core.stores import Turn
from services.settings import CacheSettings, RedisSettings, read_settings

if TYPE_CHECKING:
    from redis.asyncio import Redis

VERSION = 1
"""Of the keys and of what is under them: another version reads none of them."""

_LOOK = """
local value = redis.call('GET', KEYS[1])
if value then return value end
local holder = redis.call('GET', KEYS[2])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return 1
"""
_RENEW = "if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('PEXPIRE', KEYS[2], ARGV[2]) end"
_RELEASE = "if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[2]) end"
_KEEP = f"""
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[2])
{_RELEASE}
"""


class RedisCache:
    """A `Cache` in Redis. Raises `StoreUnavailable`, `StoreUnusable`."""

    def __init__(self, redis: "Redis", *, most_value_bytes: int, seconds: float, claim_seconds: float) -> None:
        self.claim_seconds = claim_seconds
        self._redis = redis
        self._most_value_bytes = most_value_bytes
        self._milliseconds = round(seconds * 1000)
        self._claim_milliseconds = round(claim_seconds * 1000)
        self._look = redis.register_script(_LOOK)
        self._renew = redis.register_script(_RENEW)
        self._keep = redis.register_script(_KEEP)
        self._release = redis.register_script(_RELEASE)

    async def check(self) -> None:
        """Raise `StoreUnusable` if the server does not let us in."""
        with store_errors():
            await self._redis.ping()

    async def look(self, key: str, claim: str) -> bytes | Turn:
        """Return the value, or whose turn it is; where there is no room for a claim, it is ours without one."""
        from redis.exceptions import OutOfMemoryError

        with store_errors():
            try:
                found: Any = await self._look(keys=_keys(key), args=[claim, self._claim_milliseconds])
            except OutOfMemoryError:
                return Turn.OURS
        if isinstance(found, bytes):
            return found
        return Turn.OURS if found else Turn.ANOTHERS

    async def renew(self, key: str, claim: str) -> None:
        """Hold the claim for longer."""
        with store_errors():
            await self._renew(keys=_keys(key), args=[claim, self._claim_milliseconds])

    async def keep(self, key: str, claim: str, value: bytes) -> None:
        """Keep the value and give the claim back."""
        if len(value) > self._most_value_bytes:
            await self.release(key, claim)
            return
        with store_errors():
            await self._keep(keys=_keys(key), args=[claim, self._milliseconds, value])

    async def release(self, key: str, claim: str) -> None:
        """Give the claim back."""
        with store_errors():
            await self._release(keys=_keys(key), args=[claim])

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()


def _keys(key: str) -> list[str]:
    return [f"kot:{VERSION}:cache:{{{key}}}:answer", f"kot:{VERSION}:cache:{{{key}}}:claim"]


async def create(settings: CacheSettings) -> RedisCache:
    """Return the cache. Raises `StoreUnusable` if the server does not let us in; one that is away is not waited for."""
    shared = read_settings(RedisSettings)
    if not shared.redis_url:
        raise InvalidInput("KOT_CACHE=redis needs KOT_REDIS_URL, such as redis://localhost:6379/0", field="KOT_CACHE")
    cache = RedisCache(
        connect(shared),
        most_value_bytes=settings.cache_value_bytes,
        seconds=settings.cache_seconds,
        claim_seconds=settings.cache_claim_seconds,
    )
    try:
        # Whoever looks first says that it is away.
        with suppress(StoreUnavailable):
            await cache.check()
    except StoreUnusable:
        await cache.close()
        raise
    return cache
