"""Keeps a store of trees up to date: from what a running solve does, or from its log alone.

The store may be slow or away; the solve never waits for it. What is not written in time is read from the log later.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from services.core.errors import HistoryRefused, PermanentError, StoreUnavailable
from services.core.history import Begun, Record, Round
from services.core.projection import Changes, Projection
from services.core.stores import SolveLog, TreeStore

BUFFER = 20_000
"""Events that wait to be written, at most; beyond, they are dropped and read from the log again."""
PAGE = 100
"""Records that are written at a time."""
LINGER_SECONDS = 0.05
"""A write waits so long for more: most thoughts change soon after they were proposed."""
RETRY_SECONDS = 5.0
"""At most so long between two tries to reach a store that is away."""
CLOSE_SECONDS = 5.0
"""So long a solve's end may wait for its tree."""

CANCEL_AGAIN_SECONDS = 0.1

_log = structlog.get_logger()


async def catch_up(log: SolveLog, store: TreeStore, solve_id: str) -> None:
    """Write what the store lacks of a solve: all, if it has nothing. Costs one look at each if it lacks nothing.

    Raises what they do, and `HistoryRefused` if the log adds up to no tree.
    """
    written = await store.position(solve_id)
    if not await log.read(solve_id, after=written, limit=1):
        return
    writer = _Writer(store, solve_id, written)
    while records := await log.read(solve_id, after=writer.position, limit=PAGE):
        await writer.write(records)


class Projector:
    """Follows one solve, in a task of its own. `close` it when the solve ends or moves away.

    While the store is away it is tried again and again. One that refuses is not: the solve's tree stays as it is until
    somebody calls `catch_up`.
    """

    def __init__(self, log: SolveLog, store: TreeStore, solve_id: str) -> None:
        self.degraded = False
        """Whether the tree is behind because its store, or the log, is away or refuses it."""
        self._log = log
        self._store = store
        self._solve_id = solve_id
        self._writer: _Writer | None = None
        self._known = 0
        """How many records the solve has."""
        self._buffer: deque[tuple[int, Record]] = deque()
        """Of those, some that follow each other, with their numbers."""
        self._events = 0
        """In the buffer."""
        self._refused = False
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def take(self, number: int, records: Sequence[Record]) -> None:
        """Note records that are in the log now, the first of which has this number; returns at once.

        A solve that is taken up again may begin anywhere: what came before is read from the log.
        """
        if self._refused:
            return
        if number != self._known:
            self._drop()
        self._known = number + len(records)
        self._buffer.extend(enumerate(records, number))
        self._events += sum(map(_events, records))
        if self._events > BUFFER:
            self._drop()
        if self._task is None:
            self._task = asyncio.create_task(self._follow(), name=f"tree {self._solve_id}")

    async def close(self, within: float = CLOSE_SECONDS) -> None:
        """Write what is left, for so many seconds at most; `catch_up` can do the rest."""
        self._closing.set()
        if (task := self._task) is None:
            return
        _, late = await asyncio.wait([task], timeout=within)
        if late:
            while not task.done():
                # A client may swallow a cancellation that comes while it takes a connection.
                task.cancel()
                await asyncio.wait([task], timeout=CANCEL_AGAIN_SECONDS)
            _log.warning("tree_left_behind", solve_id=self._solve_id)

    async def _follow(self) -> None:
        """Write until nothing is left to write."""
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(StoreUnavailable),
            wait=wait_random_exponential(multiplier=0.1, max=RETRY_SECONDS),
            before_sleep=self._note_outage,
        )
        try:
            while self._writer is None or self._writer.position < self._known:
                await self._linger()
                await retrying(self._write_some)
                self.degraded = False
        except PermanentError as error:
            self._refused = self.degraded = True
            self._drop()
            _log.error("tree_store_refuses", solve_id=self._solve_id, error=str(error))
        finally:
            self._task = None

    async def _linger(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                await self._closing.wait()

    async def _write_some(self) -> None:
        if self._writer is None:
            self._writer = _Writer(self._store, self._solve_id, await self._store.position(self._solve_id))
        await self._writer.write(())
        position = self._writer.position
        records = self._buffered(position) or await self._log.read(self._solve_id, after=position, limit=PAGE)
        await self._writer.write(records)

    def _note_outage(self, state: RetryCallState) -> None:
        if not self.degraded:
            error = state.outcome.exception() if state.outcome else None
            _log.warning("tree_store_away", solve_id=self._solve_id, error=str(error))
        self.degraded = True

    def _buffered(self, position: int) -> list[Record]:
        """Return records from this number on, a page at most; none if the buffer does not have the first of them."""
        while self._buffer and self._buffer[0][0] < position:
            self._events -= _events(self._buffer.popleft()[1])
        if not self._buffer or self._buffer[0][0] > position:
            return []
        return [record for _, record in islice(self._buffer, PAGE)]

    def _drop(self) -> None:
        self._buffer.clear()
        self._events = 0


class _Writer:
    """Writes what records change. What the store has of them already is taken too, and not written again."""

    def __init__(self, store: TreeStore, solve_id: str, written: int) -> None:
        self._store = store
        self._solve_id = solve_id
        self._written = written
        self._projection: Projection | None = None
        self._changes: Changes | None = None
        """Taken, and not written yet."""

    @property
    def position(self) -> int:
        """How many records it has taken."""
        return self._projection.position if self._projection else 0

    async def write(self, records: Sequence[Record]) -> None:
        """Take the next records and write what they change; after a failure, call it with those that follow them."""
        await self._flush()
        known = max(self._written - self.position, 0)
        self._take(records[:known])
        self._changes = self._take(records[known:])
        await self._flush()

    def _take(self, records: Sequence[Record]) -> Changes | None:
        if not records:
            return None
        if self._projection is None:
            begun, *records = records
            if not isinstance(begun, Begun):
                raise HistoryRefused(f"the log of solve {self._solve_id!r} does not begin with its beginning")
            self._projection = Projection(self._solve_id, begun)
        self._projection.take(records)
        return self._projection.changes()

    async def _flush(self) -> None:
        if changes := self._changes:
            await self._store.write(changes.solve, changes.position, changes.thoughts, changes.steps)
            self._changes = None


def _events(record: Record) -> int:
    """Return what a record counts in the buffer."""
    return 1 + (sum(len(told.events) for told in record.told) if isinstance(record, Round) else 0)
