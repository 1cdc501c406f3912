"""The contract of a cache. To hold one of your own to it, write a test file such as this one:

from contextlib import asynccontextmanager
from services.testing.cache_suite import CacheSuite
from my_package.my_cache import MyCache

class TestMyCache(CacheSuite):
    @asynccontextmanager
    async def opened(self, *, seconds, claim_seconds, most_value_bytes):
        yield MyCache(...)
"""  # noqa: D400, D415 - ends in an example
# ruff: noqa: S101 - a suite asserts

import asyncio
from contextlib import AbstractAsyncContextManager

from services.core.stores import Cache, Turn

LONG_SECONDS = 60.0
SHORT_SECONDS = 0.2
LARGEST_BYTES = 1000

VALUE = bytes(range(256))
"""Any bytes are kept as they are."""


class CacheSuite:
    """Set `opened`, which opens an empty cache for one test."""

    def opened(
        self,
        *,
        seconds: float = LONG_SECONDS,
        claim_seconds: float = LONG_SECONDS,
        most_value_bytes: int = LARGEST_BYTES,
    ) -> AbstractAsyncContextManager[Cache]:
        """Open an empty cache."""
        raise NotImplementedError

    async def test_what_is_kept_is_found(self) -> None:
        """By its own key, and by whoever looks."""
        async with self.opened() as cache:
            assert await cache.look("key", "a") is Turn.OURS
            await cache.keep("key", "a", VALUE)
            assert await cache.look("key", "a") == VALUE
            assert await cache.look("key", "b") == VALUE
            assert await cache.look("another key", "b") is Turn.OURS

    async def test_an_empty_value_is_a_value(self) -> None:
        """It is found, and taken for no claim."""
        async with self.opened() as cache:
            await cache.keep("key", "a", b"")
            assert await cache.look("key", "a") == b""

    async def test_what_is_kept_again_replaces_what_was_there(self) -> None:
        """Two who made the same do no harm."""
        async with self.opened() as cache:
            await cache.keep("key", "a", b"one")
            await cache.keep("key", "b", b"two")
            assert await cache.look("key", "c") == b"two"

    async def test_only_one_has_the_turn(self) -> None:
        """Of many who look at once; it may look again and has it still."""
        async with self.opened() as cache:
            claims = [f"claim {number}" for number in range(20)]
            turns = await asyncio.gather(*(cache.look("key", claim) for claim in claims))
            assert turns.count(Turn.OURS) == 1
            assert turns.count(Turn.ANOTHERS) == len(claims) - 1
            assert await cache.look("key", claims[turns.index(Turn.OURS)]) is Turn.OURS

    async def test_a_claim_that_is_given_back_is_free(self) -> None:
        """By its holder, not by another, nor without one."""
        async with self.opened() as cache:
            await cache.release("key", "a")
            assert await cache.look("key", "a") is Turn.OURS
            await cache.release("key", "b")
            assert await cache.look("key", "b") is Turn.ANOTHERS
            await cache.release("key", "a")
            assert await cache.look("key", "b") is Turn.OURS

    async def test_keeping_gives_the_claim_back_but_not_that_of_another(self) -> None:
        """What was kept may be forgotten, by a bound for one; then the next one makes it."""
        async with self.opened() as cache:
            too_large = bytes(LARGEST_BYTES + 1)
            assert await cache.look("key", "a") is Turn.OURS
            await cache.keep("key", "b", too_large)
            assert await cache.look("key", "c") is Turn.ANOTHERS
            await cache.keep("key", "a", too_large)
            assert await cache.look("key", "c") is Turn.OURS

    async def test_a_claim_runs_out_unless_it_is_renewed(self) -> None:
        """Its holder may be dead. A claim that ran out is not renewed over that of another."""
        async with self.opened(claim_seconds=SHORT_SECONDS) as cache:
            assert cache.claim_seconds == SHORT_SECONDS
            assert await cache.look("key", "a") is Turn.OURS
            assert await _turn_comes(cache, "b")
            await cache.renew("key", "a")
            assert await cache.look("key", "a") is Turn.ANOTHERS

    async def test_a_claim_that_is_renewed_lasts(self) -> None:
        """Far beyond the time of one claim; and renewing claims nothing."""
        async with self.opened(claim_seconds=LONG_SECONDS) as cache:
            await cache.renew("key", "a")
            assert await cache.look("key", "b") is Turn.OURS
        async with self.opened(claim_seconds=1.0) as cache:
            assert await cache.look("key", "a") is Turn.OURS
            for _ in range(30):
                await cache.renew("key", "a")
                assert await cache.look("key", "b") is Turn.ANOTHERS
                await asyncio.sleep(0.05)

    async def test_a_value_is_kept_for_its_time_only(self) -> None:
        """Then it is made anew."""
        async with self.opened(seconds=SHORT_SECONDS) as cache:
            await cache.keep("key", "a", VALUE)
            assert await _turn_comes(cache, "b")

    async def test_a_value_that_is_too_large_is_not_kept(self) -> None:
        """The largest that is allowed is."""
        async with self.opened() as cache:
            await cache.keep("large", "a", bytes(LARGEST_BYTES))
            await cache.keep("larger", "a", bytes(LARGEST_BYTES + 1))
            assert await cache.look("large", "a") == bytes(LARGEST_BYTES)
            assert await cache.look("larger", "a") is Turn.OURS


async def _turn_comes(cache: Cache, claim: str) -> bool:
    """Look until it is our turn; fails the test if it never is."""
    async with asyncio.timeout(20 * SHORT_SECONDS):
        while await cache.look("key", claim) is not Turn.OURS:  # noqa: ASYNC110 - time has no event
            await asyncio.sleep(SHORT_SECONDS / 10)
    return True
