"""A log in this process: what the others are compared with, and what there is where nothing may be written."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from services.adapters.log._refusals import duplicate, held, lost, unknown
from services.core.history import Begun, Record
from services.core.stores import Lease, LogHead
from services.settings import RedisSettings, StateSettings

RESTING_LOGS = 1000
"""So many logs of solves that nobody runs are kept; the one that was left first goes first."""


def create(state: StateSettings, redis: RedisSettings) -> "MemoryLog":  # noqa: ARG001 - every log is created alike
    """Return an empty log."""
    return MemoryLog(state.lease_seconds)


@dataclass(slots=True)
class _Log:
    first: Begun
    records: list[Record]
    token: int
    expires: float
    """0 if it was released."""
    is_to_end: bool = False

    @property
    def leased(self) -> bool:
        return self.expires > time.monotonic()


class MemoryLog:
    """A `SolveLog` that ends with its process."""

    durable = False

    def __init__(self, lease_seconds: float) -> None:
        self.lease_seconds = lease_seconds
        self._logs: dict[str, _Log] = {}
        self._resting: dict[str, None] = {}
        """Those that were released, in the order of that."""
        self._tokens = count(1)

    async def begin(self, solve_id: str, begun: Begun) -> Lease:
        """Open a log."""
        if solve_id in self._logs:
            raise duplicate(solve_id)
        log = _Log(begun, [begun], next(self._tokens), self._expiry())
        self._logs[solve_id] = log
        return Lease(solve_id, log.token)

    async def claim(self, solve_id: str) -> Lease:
        """Take the lease, if nobody has it."""
        log = self._find(solve_id)
        if log.leased:
            raise held(solve_id)
        log.token, log.expires = next(self._tokens), self._expiry()
        self._resting.pop(solve_id, None)
        return Lease(solve_id, log.token)

    async def renew(self, lease: Lease) -> bool:
        """Hold the lease for longer."""
        log = self._leased_by(lease)
        log.expires = self._expiry()
        return log.is_to_end

    async def ask_to_end(self, solve_id: str) -> None:
        """Have the holder told."""
        log = self._find(solve_id)
        log.is_to_end = log.expires > 0

    async def release(self, lease: Lease) -> None:
        """Give the lease back."""
        log = self._logs.get(lease.solve_id)
        if log and log.token == lease.token:
            log.token, log.expires, log.is_to_end = next(self._tokens), 0, False
            self._resting[lease.solve_id] = None
        if len(self._resting) > RESTING_LOGS:
            oldest = next(iter(self._resting))
            del self._resting[oldest], self._logs[oldest]

    async def append(self, lease: Lease, length: int, records: Sequence[Record]) -> None:
        """Add records, once."""
        log = self._leased_by(lease)
        if len(log.records) == length:
            log.records.extend(records)
        elif len(log.records) != length + len(records) or log.records[length:] != list(records):
            raise lost(lease)
        log.expires = self._expiry()

    async def read(self, solve_id: str, after: int = 0, limit: int = 1000) -> Sequence[Record]:
        """Return records from number `after` on."""
        return self._find(solve_id).records[after : after + limit]

    async def head(self, solve_id: str) -> LogHead:
        """Return where a log stands."""
        log = self._find(solve_id)
        return LogHead(solve_id, len(log.records), log.first, log.records[-1], log.leased)

    async def heads(self, limit: int, before: str = "") -> Sequence[LogHead]:
        """Return the newest logs."""
        ids = list(self._logs)
        if before:
            self._find(before)
            ids = ids[: ids.index(before)]
        return [await self.head(solve_id) for solve_id in ids[::-1][:limit]]

    async def close(self) -> None:
        """Hold nothing outside this object."""

    def _find(self, solve_id: str) -> _Log:
        if solve_id not in self._logs:
            raise unknown(solve_id)
        return self._logs[solve_id]

    def _leased_by(self, lease: Lease) -> _Log:
        log = self._logs.get(lease.solve_id)
        if log is None or log.token != lease.token:
            raise lost(lease)
        return log

    def _expiry(self) -> float:
        return time.monotonic() + self.lease_seconds
