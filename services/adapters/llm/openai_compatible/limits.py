"""Keeps requests and tokens below what a provider allows in a minute: of one process, or of all that share a Redis.

The algorithm is GCRA (ITU-T I.371, annex A) as `pyrate-limiter` has it: its state is one number, which one script in
Redis changes, and a refusal says when to come back. `limits` and `aiolimiter` were looked at too: the first keeps an
entry for each token of the last minute in Redis, the second knows no Redis.
"""

import asyncio
import random
from typing import TYPE_CHECKING, Protocol, cast

import structlog
from pyrate_limiter import GCRA, Decision, InMemoryStateStore, Rate, RedisStateStore

from services.adapters.redis_client import commanding
from services.core.errors import Overloaded
from services.core.ports import CompletionRequest

if TYPE_CHECKING:
    from redis.asyncio import Redis

MINUTE_SECONDS = 60.0
BURST = 10
"""A tenth of a minute's worth may be sent at once; the rest is spread, so that no minute has more than allowed."""
PARTS = 4
"""Quarters of a burst are taken one after the other: a large request does not wait behind small ones for ever."""
AWAY_SECONDS = 5.0
"""A Redis that failed is left alone for so long."""

_CHARACTERS_PER_TOKEN = 4
_algorithm = GCRA()


def estimated_tokens(text: str) -> int:
    """Return about how many tokens a text has, where no server says."""
    return max(1, len(text) // _CHARACTERS_PER_TOKEN)


class RateLimits:
    """A limit of requests and one of tokens a minute; 0 is no limit.

    What a request costs is known only after it, so its prompt is estimated and its samples count with the most
    tokens that they may have; `correct` makes up for the difference.
    """

    def __init__(self, requests_per_minute: int, tokens_per_minute: int, counts: "Counts") -> None:
        self._counts = counts
        self._requests = _Limit("requests", requests_per_minute, counts) if requests_per_minute else None
        self._tokens = _Limit("tokens", tokens_per_minute, counts) if tokens_per_minute else None

    async def admit(self, request: CompletionRequest, deadline: float) -> int:
        """Wait for the request's turn and return the tokens reserved; `Overloaded` if it is not before `deadline`."""
        tokens = estimated_tokens(request.prompt) + request.samples * request.sampling.max_tokens
        try:
            async with asyncio.timeout_at(deadline):
                if self._requests:
                    await self._requests.take(1)
                if self._tokens:
                    return await self._tokens.take(tokens)
        except TimeoutError:
            raise Overloaded(
                "no room within KOT_OPENAI_REQUESTS_PER_MINUTE and KOT_OPENAI_TOKENS_PER_MINUTE before the deadline"
            ) from None
        return 0

    async def correct(self, reserved: int, used: int) -> None:
        """Count what a request has used instead of what was reserved for it."""
        if self._tokens:
            await self._tokens.give_back(reserved - used)

    async def close(self) -> None:
        """Close what the counts are kept in."""
        await self._counts.close()


class Counts(Protocol):
    """Where it is kept how much of a limit is taken."""

    async def check(self, name: str, rate: Rate, weight: int) -> Decision:
        """Take `weight` of the limit `name`, all or nothing; below 0 gives back. A refusal says when to come back."""
        ...

    async def close(self) -> None:
        """Release what is held."""
        ...


class OwnCounts:
    """Counts of this process."""

    def __init__(self) -> None:
        self._stores: dict[str, InMemoryStateStore] = {}

    async def check(self, name: str, rate: Rate, weight: int) -> Decision:
        """Take from the limit."""
        store = self._stores.setdefault(name, InMemoryStateStore())
        return cast("Decision", store.check(_algorithm, [rate], store.default_clock.now(), weight))

    async def close(self) -> None:
        """Hold nothing."""


class SharedCounts:
    """Counts of all processes that share a Redis and call the limits by one `prefix`.

    While Redis is away, this process keeps to the limits alone, and a line of its log says so: then ten processes
    may send ten times as much, and the provider's refusals are what holds them.
    """

    def __init__(self, redis: "Redis", prefix: str) -> None:
        self._redis = redis
        self._prefix = prefix
        self._stores: dict[str, RedisStateStore] = {}
        self._own = OwnCounts()
        self._alone_until: float | None = None

    async def check(self, name: str, rate: Rate, weight: int) -> Decision:
        """Take from the limit."""
        from redis.exceptions import RedisError

        now = asyncio.get_running_loop().time()
        if self._alone_until and now < self._alone_until:
            return await self._own.check(name, rate, weight)
        store = self._stores.setdefault(name, RedisStateStore(self._redis, f"{self._prefix}:{name}"))
        try:
            with commanding():
                decision: Decision = await store.check(_algorithm, [rate], store.default_clock.now(), weight)
        except (RedisError, OSError) as error:
            if self._alone_until is None:
                structlog.get_logger().warning("limits_not_shared", message=str(error) or type(error).__name__)
            self._alone_until = asyncio.get_running_loop().time() + AWAY_SECONDS
            return await self._own.check(name, rate, weight)
        if self._alone_until:
            structlog.get_logger().info("limits_shared_again")
            self._alone_until = None
        return decision

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()


class _Limit:
    """One limit; who waits in this process is served in order."""

    def __init__(self, name: str, per_minute: int, counts: Counts) -> None:
        burst = max(1, per_minute // BURST)
        # A minute that begins with a whole burst has as many again but one as come one by one.
        self._rate = Rate(per_minute - burst + 1, round(MINUTE_SECONDS * 1000), burst)
        self._name = name
        self._most = per_minute
        self._part = max(1, burst // PARTS)
        self._counts = counts
        self._turn = asyncio.Lock()
        self._owed = 0
        """What was used without having been taken."""

    async def take(self, weight: int) -> int:
        """Wait until there is room and return `weight`, or a minute's worth if that is less."""
        async with self._turn:
            taken = min(weight, self._most)
            missing, self._owed = min(taken + self._owed, self._most), 0
            while missing > 0:
                part = min(missing, self._part)
                decision = await self._counts.check(self._name, self._rate, part)
                if decision.allowed:
                    missing -= part
                else:
                    # Processes that were refused together do not come back together.
                    await asyncio.sleep((decision.retry_after_ms or 1) / 1000 * random.uniform(1, 1.1))
        return taken

    async def give_back(self, weight: int) -> None:
        """Make room again; below 0, the next one pays."""
        if weight > 0:
            await self._counts.check(self._name, self._rate, -weight)
        else:
            self._owed -= weight
