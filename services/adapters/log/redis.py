"""A log in Redis: what pods share.

A solve's records are a list; beside it is a hash of its lease. Each change is one script, so it happens as a whole or
not at all, and leases run by the server's clock. Every lease has a token from one counter, which never goes back. The
records of a solve that has ended expire after `KOT_LOG_RETENTION`, with everything else of it; those of others stay.

What the server keeps when it dies itself is a matter of its settings: with `appendonly yes` and `appendfsync always`
all that it acknowledged; with `everysec`, its default, but for the last two seconds, for it puts off its writes while
the disk is slow; a replica that takes over may lack as much. Who then writes on is refused with `LeaseLost`. Redis
Cluster is not served: the scripts use several keys.
"""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

import structlog

from services.adapters.log._refusals import duplicate, held, lost, unknown
from services.adapters.redis_client import connect, store_errors
from services.core.errors import StoreUnusable
from services.core.history import Begun, Ended, Record
from services.core.stores import Lease, LogHead
from services.rpc.history import decode, encode
from services.settings import RedisSettings, StateSettings

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.commands.core import AsyncScript

PREFIX = "kot:1:"
"""What every key begins with; the number is that of the layout below."""
PAGE_BYTES = 1_000_000
"""About so much is read at a time, to stay within the time that an answer may take."""
_COUNTER = PREFIX + "counter"
_HEADS = PREFIX + "heads"
"""Solves by the order in which they began."""
_ENDED = PREFIX + "ended"
"""Ended solves by when they expire."""

_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""
_FORGET_EXPIRED = """
local expired = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 1000)
if #expired > 0 then
  redis.call('ZREM', KEYS[1], unpack(expired))
  redis.call('ZREM', KEYS[2], unpack(expired))
end
"""
_HEAD = """
local function head(id)
  local records = ARGV[1] .. 'records:' .. id
  local expires = redis.call('HGET', ARGV[1] .. 'lease:' .. id, 'expires')
  local length = redis.call('LLEN', records)
  if length == 0 then return false end
  local leased = expires and tonumber(expires) > now
  return {id, length, redis.call('LINDEX', records, 0), redis.call('LINDEX', records, -1), leased and 1 or 0}
end
"""


@dataclass(frozen=True)
class _Scripts:
    """What a log does, each in one step; `once` tells a command that was sent again after its answer was lost."""

    # KEYS: heads, ended, counter, records, lease. ARGV: id, record, once, lease's milliseconds.
    begin: str = f"""{_NOW}{_FORGET_EXPIRED}
        if redis.call('EXISTS', KEYS[4]) == 1 then
          local lease = redis.call('HMGET', KEYS[5], 'once', 'token')
          return lease[1] == ARGV[3] and tonumber(lease[2]) or 0
        end
        local token = redis.call('INCR', KEYS[3])
        redis.call('RPUSH', KEYS[4], ARGV[2])
        redis.call('HSET', KEYS[5], 'token', token, 'expires', now + ARGV[4], 'once', ARGV[3], 'is_to_end', 0)
        redis.call('ZADD', KEYS[1], token, ARGV[1])
        -- It may be the id of an expired solve that is not forgotten yet.
        redis.call('ZREM', KEYS[2], ARGV[1])
        return token
    """
    # KEYS: records, lease, counter. ARGV: once, lease's milliseconds. Returns the token; 0 if held, -1 if unknown.
    claim: str = f"""{_NOW}
        if redis.call('EXISTS', KEYS[1]) == 0 then return -1 end
        local lease = redis.call('HMGET', KEYS[2], 'once', 'token', 'expires')
        if lease[1] == ARGV[1] then return tonumber(lease[2]) end
        if lease[3] and tonumber(lease[3]) > now then return 0 end
        local token = redis.call('INCR', KEYS[3])
        redis.call('HSET', KEYS[2], 'token', token, 'expires', now + ARGV[2], 'once', ARGV[1])
        return token
    """
    # KEYS: lease. ARGV: token, lease's milliseconds. Returns whether it is to end; -1 if the lease is lost.
    renew: str = f"""{_NOW}
        if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return -1 end
        redis.call('HSET', KEYS[1], 'expires', now + ARGV[2])
        return tonumber(redis.call('HGET', KEYS[1], 'is_to_end'))
    """
    # KEYS: records, lease. Returns 0 if unknown.
    ask_to_end: str = """
        if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
        local expires = redis.call('HGET', KEYS[2], 'expires')
        if expires and expires ~= '0' then redis.call('HSET', KEYS[2], 'is_to_end', 1) end
        return 1
    """
    # KEYS: lease, counter. ARGV: token.
    release: str = """
        if redis.call('HGET', KEYS[1], 'token') == ARGV[1] then
          local void = redis.call('INCR', KEYS[2])
          redis.call('HSET', KEYS[1], 'token', void, 'expires', 0, 'once', '', 'is_to_end', 0)
        end
    """
    # KEYS: ended, records, lease. ARGV: id, token, length, lease's milliseconds, how long it is kept in milliseconds,
    # 0 for ever; then the records. Returns whether they are there.
    append: str = f"""{_NOW}
        if redis.call('HGET', KEYS[3], 'token') ~= ARGV[2] then return 0 end
        local length = redis.call('LLEN', KEYS[2])
        local first = tonumber(ARGV[3])
        if length == first then
          for i = 6, #ARGV do redis.call('RPUSH', KEYS[2], ARGV[i]) end
        else
          if length ~= first + #ARGV - 5 then return 0 end
          local found = redis.call('LRANGE', KEYS[2], first, -1)
          for i = 6, #ARGV do if found[i - 5] ~= ARGV[i] then return 0 end end
        end
        redis.call('HSET', KEYS[3], 'expires', now + ARGV[4])
        if #ARGV == 5 then return 1 end
        if ARGV[5] ~= '0' then
          redis.call('ZADD', KEYS[1], now + ARGV[5], ARGV[1])
          redis.call('PEXPIREAT', KEYS[2], now + ARGV[5])
          redis.call('PEXPIREAT', KEYS[3], now + ARGV[5])
        else
          redis.call('ZREM', KEYS[1], ARGV[1])
          redis.call('PERSIST', KEYS[2])
          redis.call('PERSIST', KEYS[3])
        end
        return 1
    """
    # KEYS: records. ARGV: the number of the first, limit, bytes after which a page ends. Returns 0 if unknown.
    read: str = """
        if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
        local found, bytes, first = {}, 0, tonumber(ARGV[1])
        local last = first + ARGV[2] - 1
        while first <= last and bytes < tonumber(ARGV[3]) do
          local some = redis.call('LRANGE', KEYS[1], first, math.min(first + 15, last))
          if #some == 0 then break end
          for _, record in ipairs(some) do
            found[#found + 1] = record
            bytes = bytes + #record
          end
          first = first + #some
        end
        return found
    """
    # ARGV: prefix, id.
    head: str = f"""{_NOW}{_HEAD}
        return head(ARGV[2])
    """
    # KEYS: heads, ended. ARGV: prefix, limit, the id before. Returns 0 if that is unknown.
    heads: str = f"""{_NOW}{_FORGET_EXPIRED}{_HEAD}
        local newest = '+inf'
        if ARGV[3] ~= '' then
          newest = redis.call('ZSCORE', KEYS[1], ARGV[3])
          if not newest then return 0 end
          newest = '(' .. newest
        end
        local found = {{}}
        for _, id in ipairs(redis.call('ZREVRANGEBYSCORE', KEYS[1], newest, '-inf', 'LIMIT', 0, ARGV[2])) do
          local one = head(id)
          if one then found[#found + 1] = one end
        end
        return found
    """


def create(state: StateSettings, redis: RedisSettings) -> "RedisLog":
    """Return the log in the Redis of the settings; it connects when it is first used."""
    return RedisLog(connect(redis), state.lease_seconds, state.log_retention)


class RedisLog:
    """A `SolveLog` in Redis. Each call takes at most a few `KOT_REDIS_TIMEOUT`."""

    durable = True

    def __init__(self, redis: "Redis", lease_seconds: float, retention_seconds: float) -> None:
        self.lease_seconds = lease_seconds
        self._redis = redis
        self._lease = round(lease_seconds * 1000)
        self._retention = max(1, round(retention_seconds * 1000))
        self._scripts: dict[str, AsyncScript] = {
            name: redis.register_script(script) for name, script in vars(_Scripts()).items()
        }
        self._is_known = False

    async def begin(self, solve_id: str, begun: Begun) -> Lease:
        """Open a log."""
        keys = [_HEADS, _ENDED, _COUNTER, _records(solve_id), _lease(solve_id)]
        token = await self._run("begin", keys, solve_id, encode(begun), uuid4().hex, self._lease)
        if not token:
            raise duplicate(solve_id)
        return Lease(solve_id, token)

    async def claim(self, solve_id: str) -> Lease:
        """Take the lease, if nobody has it."""
        keys = [_records(solve_id), _lease(solve_id), _COUNTER]
        token = await self._run("claim", keys, uuid4().hex, self._lease)
        if token < 0:
            raise unknown(solve_id)
        if not token:
            raise held(solve_id)
        return Lease(solve_id, token)

    async def renew(self, lease: Lease) -> bool:
        """Hold the lease for longer."""
        is_to_end = await self._run("renew", [_lease(lease.solve_id)], lease.token, self._lease)
        if is_to_end < 0:
            raise lost(lease)
        return bool(is_to_end)

    async def ask_to_end(self, solve_id: str) -> None:
        """Have the holder told."""
        if not await self._run("ask_to_end", [_records(solve_id), _lease(solve_id)]):
            raise unknown(solve_id)

    async def release(self, lease: Lease) -> None:
        """Give the lease back; its token is void from now on."""
        await self._run("release", [_lease(lease.solve_id), _COUNTER], lease.token)

    async def append(self, lease: Lease, length: int, records: Sequence[Record]) -> None:
        """Add records, once."""
        keys = [_ENDED, _records(lease.solve_id), _lease(lease.solve_id)]
        kept = self._retention if records and isinstance(records[-1], Ended) else 0
        encoded = [encode(record) for record in records]
        if not await self._run("append", keys, lease.solve_id, lease.token, length, self._lease, kept, *encoded):
            raise lost(lease)

    async def read(self, solve_id: str, after: int = 0, limit: int = 1000) -> Sequence[Record]:
        """Return records from number `after` on."""
        found = await self._run("read", [_records(solve_id)], after, limit, PAGE_BYTES)
        if found == 0:
            raise unknown(solve_id)
        return [decode(record) for record in found]

    async def head(self, solve_id: str) -> LogHead:
        """Return where a log stands."""
        head = await self._run("head", [], PREFIX, solve_id)
        if head is None:
            raise unknown(solve_id)
        return _head(head)

    async def heads(self, limit: int, before: str = "") -> Sequence[LogHead]:
        """Return the newest logs."""
        heads = await self._run("heads", [_HEADS, _ENDED], PREFIX, limit, before)
        if heads == 0:
            raise unknown(before)
        return [_head(head) for head in heads]

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def _run(self, name: str, keys: Sequence[str], *arguments: str | bytes | int) -> Any:  # noqa: ANN401 - Redis's
        with store_errors():
            if not self._is_known:
                await self._warn_of_loss()
            return await cast("Awaitable[Any]", self._scripts[name](keys=keys, args=arguments))

    async def _warn_of_loss(self) -> None:
        """Say once if the server is set up to lose what it has acknowledged; it may forbid the question."""
        from redis.exceptions import ResponseError

        try:
            found = await self._redis.config_get("appendonly", "maxmemory-policy")
        except ResponseError:
            found = {}
        if self._is_known:
            return
        self._is_known = True
        if found.get("appendonly") == "no":
            structlog.get_logger().warning("redis_forgets", advice="set `appendonly yes`, or its restart loses solves")
        if str(found.get("maxmemory-policy")).startswith("allkeys"):
            structlog.get_logger().warning("redis_evicts", advice="set `maxmemory-policy noeviction`")


def _records(solve_id: str) -> str:
    return f"{PREFIX}records:{solve_id}"


def _lease(solve_id: str) -> str:
    return f"{PREFIX}lease:{solve_id}"


def _head(found: Sequence[Any]) -> LogHead:
    solve_id, length, first, last, leased = found
    begun = decode(first)
    if not isinstance(begun, Begun):
        raise StoreUnusable(f"the log of solve {solve_id.decode()!r} does not begin with its request")
    return LogHead(solve_id.decode(), length, begun, decode(last), bool(leased))
