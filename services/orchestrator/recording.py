"""Keeps one solve's history: first in the log, and what is durable there on the bus and in the tree store."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import ParamSpec, Protocol, TypeVar

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_delay, wait_random_exponential

from services.core.errors import StoreUnavailable, StoreUnusable
from services.core.history import Record, Round
from services.core.stores import Bus, Lease, SolveLog
from services.orchestrator.measuring import Meter
from services.telemetry import instruments, metrics

_log = structlog.get_logger()

BUS_PAUSE_SECONDS = 5.0
"""A bus that is away is not tried again for so long: its silence would hold up the solve each time."""

_FIRST_WAIT_SECONDS = 0.05
_LONGEST_WAIT_SECONDS = 1.0

P = ParamSpec("P")
T = TypeVar("T")


async def patiently(seconds: float, ask: Callable[P, Awaitable[T]], *args: P.args, **named: P.kwargs) -> T:
    """Ask a log that may be away, again and again for so long. Raises `StoreUnavailable` then, else what it raises."""
    retrying = AsyncRetrying(
        retry=retry_if_exception_type(StoreUnavailable),
        stop=stop_after_delay(seconds),
        wait=wait_random_exponential(multiplier=_FIRST_WAIT_SECONDS, max=_LONGEST_WAIT_SECONDS),
        before_sleep=_note_away,
        reraise=True,
    )
    return await retrying(ask, *args, **named)


def _note_away(state: RetryCallState) -> None:
    metrics.add(instruments.RETRIES, of="log")
    _log.warning("the log is away", attempt=state.attempt_number)


class Projector(Protocol):
    """What makes a tree of a history, in its own time."""

    degraded: bool
    """Whether it is behind, because its store is away."""

    def take(self, number: int, records: Sequence[Record]) -> None:
        """Take records, the first of which has this number. Never waits."""
        ...

    async def close(self) -> None:
        """Write what is left, as far as that is possible in a short time."""
        ...


class Recorder:
    """The one that writes a solve's log, while it holds the lease."""

    def __init__(
        self,
        log: SolveLog,
        bus: Bus,
        projector: Projector | None,
        lease: Lease,
        length: int,
        *,
        patience: float,
        meter: Meter | None = None,
    ) -> None:
        self._log = log
        self._bus = bus
        self._projector = projector
        self._lease = lease
        self._length = length
        self._patience = patience
        self._meter = meter
        self._bus_is_away = False
        self._bus_tried = 0.0
        self._writing: asyncio.Task[None] | None = None

    def kept(self, records: Sequence[Record]) -> int:
        """Take note of records that are in the log; returns the number of the first."""
        number, self._length = self._length, self._length + len(records)
        if self._projector:
            self._projector.take(number, records)
        if self._meter:
            self._meter.take(records)
        return number

    async def keep(self, *records: Record) -> None:
        """Return once the records are durable. One who is cancelled meanwhile leaves them on their way.

        Raises `LeaseLost`, and `StoreUnavailable` if the log stays away for longer than it is waited for.
        """
        marked = [replace(record, away=self._away()) if isinstance(record, Round) else record for record in records]
        self._writing = asyncio.create_task(self._write(self._writing, marked))
        # Whether anybody still waits for it or not, its error is no defect.
        self._writing.add_done_callback(lambda task: task.cancelled() or task.exception())
        await asyncio.shield(self._writing)

    async def hold(self) -> None:
        """Hold the lease; returns when somebody asks for the end of the solve. Raises `LeaseLost`."""
        while True:
            await asyncio.sleep(min(self._log.lease_seconds / 4, 1.0))
            try:
                if await self._log.renew(self._lease):
                    return
            except (StoreUnavailable, StoreUnusable):
                # Nobody can take the lease either, from a log that is away; if one did, appending says so.
                continue

    async def release(self) -> None:
        """Give the lease back, when all is written."""
        if self._writing:
            await asyncio.wait([self._writing])
        if self._meter:
            self._meter.close()
        try:
            await self._log.release(self._lease)
        except (StoreUnavailable, StoreUnusable) as error:
            _log.warning("lease not released", solve_id=self._lease.solve_id, message=str(error))

    async def close(self) -> None:
        """Let the tree be written to its end, as far as that is possible in a short time."""
        if self._projector:
            await self._projector.close()

    async def _write(self, before: asyncio.Task[None] | None, records: Sequence[Record]) -> None:
        if before:
            await asyncio.wait([before])
        await patiently(self._patience, self._log.append, self._lease, self._length, records)
        number = self.kept(records)
        await self._publish(number, records)

    async def _publish(self, number: int, records: Sequence[Record]) -> None:
        """Tell who follows; if the bus is away, or refuses, they read the log meanwhile."""
        if self._bus_is_away and time.monotonic() < self._bus_tried + BUS_PAUSE_SECONDS:
            return
        try:
            await self._bus.publish(self._lease.solve_id, number, records)
            self._bus_is_away = False
        except (StoreUnavailable, StoreUnusable) as error:
            if not self._bus_is_away:
                _log.warning("the bus is away", solve_id=self._lease.solve_id, message=str(error))
            self._bus_is_away, self._bus_tried = True, time.monotonic()

    def _away(self) -> tuple[str, ...]:
        tree_is_away = self._projector is not None and self._projector.degraded
        return ("bus",) * self._bus_is_away + ("tree",) * tree_is_away
