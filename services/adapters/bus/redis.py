"""A bus between pods: a Redis stream for each solve, which is capped and expires.

One task a process reads for all of its subscriptions, over one connection. A new subscription wakes it by an entry in
a stream of its own, which it always reads too.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from services.adapters.bus._mailbox import Mailbox
from services.adapters.redis_client import connect, store_errors
from services.core.errors import KotError, StoreUnusable
from services.core.history import Record
from services.core.stores import Numbered
from services.rpc.history import decode, encode
from services.settings import RedisSettings, StateSettings

if TYPE_CHECKING:
    from redis.asyncio import Redis

PREFIX = "kot:1:"
"""What every key begins with."""
BATCHES = 256
"""A stream holds about so many; what was trimmed is in the log."""
EXPIRES_SECONDS = 600
"""After so long without news, a stream goes."""
READ_AT_ONCE = 64
"""Batches of one stream that one answer may bring."""

Fields = dict[Any, Any]
"""An entry's, as the client takes and gives them."""
_BEFORE_ALL = "0-0"
_NUMBER = b"number"


def create(state: StateSettings, redis: RedisSettings) -> "RedisBus":  # noqa: ARG001 - every bus is created alike
    """Return the bus in the Redis of the settings; it connects when it is first used."""
    return RedisBus(connect(redis), redis.redis_timeout)


class RedisBus:
    """A `Bus` in Redis. Each call takes at most a few `timeout` seconds, those that an answer may take."""

    def __init__(self, redis: "Redis", timeout: float) -> None:
        self._redis = redis
        self._block = max(1, round(timeout * 1000 / 2))
        self._mailboxes: dict[str, list[Mailbox]] = {}
        self._wake = f"{PREFIX}wake:{uuid4().hex}"
        self._read_until: dict[Any, Any] = {self._wake: _BEFORE_ALL}
        self._reader: asyncio.Task[None] | None = None

    async def publish(self, solve_id: str, number: int, records: Sequence[Record]) -> None:
        """Send records."""
        fields: Fields = {"number": number} | {str(i): encode(record) for i, record in enumerate(records)}
        await self._add(_stream(solve_id), fields, BATCHES)

    @asynccontextmanager
    async def subscribe(self, solve_id: str) -> AsyncIterator[AsyncGenerator[Sequence[Numbered], None]]:
        """Receive what is published; `StoreUnavailable` ends it when Redis is away."""
        stream, mailbox = _stream(solve_id), Mailbox()
        with store_errors():
            newest = await self._redis.xrevrange(stream, count=1)
        self._read_until.setdefault(stream, _text(newest[0][0]) if newest else _BEFORE_ALL)
        self._mailboxes.setdefault(stream, []).append(mailbox)
        try:
            if self._reader is None or self._reader.done():
                self._reader = asyncio.create_task(self._read())
            else:
                await self._add(self._wake, {"number": 0}, 1)
            async with aclosing(mailbox.read()) as batches:
                yield batches
        finally:
            self._leave(stream, mailbox)

    async def close(self) -> None:
        """End what is subscribed, and close the connections."""
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait([self._reader])
        self._close_mailboxes(None)
        await self._redis.aclose()

    async def _add(self, stream: str, fields: Fields, most: int) -> None:
        with store_errors():
            async with self._redis.pipeline(transaction=False) as both:
                both.xadd(stream, fields, maxlen=most)
                both.expire(stream, EXPIRES_SECONDS)
                await both.execute()

    def _leave(self, stream: str, mailbox: Mailbox) -> None:
        self._mailboxes[stream].remove(mailbox)
        if not self._mailboxes[stream]:
            del self._mailboxes[stream], self._read_until[stream]

    def _close_mailboxes(self, error: KotError | None) -> None:
        for mailboxes in self._mailboxes.values():
            for mailbox in mailboxes:
                mailbox.close(error)

    async def _read(self) -> None:
        """Fill the mailboxes until none is left, or Redis is away."""
        error: KotError | None = None
        try:
            while self._mailboxes:
                with store_errors():
                    found: Any = await self._redis.xread(self._read_until, count=READ_AT_ONCE, block=self._block)
                for stream, entries in found or ():
                    self._deliver(_text(stream), entries)
        except KotError as raised:
            error = raised
        finally:
            self._close_mailboxes(error)

    def _deliver(self, stream: str, entries: Sequence[tuple[bytes, Fields]]) -> None:
        if stream not in self._read_until:
            return
        self._read_until[stream] = _text(entries[-1][0])
        mailboxes = self._mailboxes.get(stream, ())
        try:
            for batch in map(_batch, [fields for _, fields in entries] if mailboxes else ()):
                for mailbox in mailboxes:
                    mailbox.put(batch)
        except StoreUnusable as error:
            for mailbox in mailboxes:
                mailbox.close(error)


def _stream(solve_id: str) -> str:
    return f"{PREFIX}bus:{solve_id}"


def _batch(fields: Fields) -> Sequence[Numbered]:
    records = [decode(value) for name, value in fields.items() if name != _NUMBER]
    return list(enumerate(records, int(fields[_NUMBER])))


def _text(value: Any) -> str:  # noqa: ANN401 - what Redis returns
    return value if isinstance(value, str) else value.decode()
