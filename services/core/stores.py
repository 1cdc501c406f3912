"""The ports of what outlives a process: the log, which is the truth of each solve, and what is made of it.

Every store raises `StoreUnavailable` if it cannot be reached, or cannot take more, for now, and `StoreUnusable` if it
never will as it is. None blocks longer than its settings say.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from services.core.history import Begun, Record
from services.core.thought import Usage, Value
from services.core.tree import Status

# --- the log --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write one solve's log; whoever claims it next has a higher `token`, and this one is void."""

    solve_id: str
    token: int


@dataclass(frozen=True, slots=True)
class LogHead:
    """Where a solve's log stands: how many records it has, the first and the last, and whether somebody writes it."""

    solve_id: str
    length: int
    first: Begun
    last: Record
    leased: bool


class SolveLog(Protocol):
    """Histories of solves. Records are numbered from 0 and never changed; only the holder of the lease appends."""

    durable: bool
    """Whether it outlives the process."""
    lease_seconds: float
    """How long a lease lasts that is not renewed."""

    async def begin(self, solve_id: str, begun: Begun) -> Lease:
        """Open a log with its first record and claim it. Raises `DuplicateSolve` if there is one of this id.

        After an unclear failure it may be there; then it can be claimed once the lease has run out.
        """
        ...

    async def claim(self, solve_id: str) -> Lease:
        """Take the lease of a log whose last one ran out or was released. Raises `UnknownSolve`, `LeaseHeld`."""
        ...

    async def renew(self, lease: Lease) -> bool:
        """Hold the lease for another `lease_seconds`; tell whether the solve is to end. Raises `LeaseLost`."""
        ...

    async def ask_to_end(self, solve_id: str) -> None:
        """Have the holder of the lease told, when it renews it next, to end the solve; void once it is released.

        Who takes over from a holder that died is told, too. Nothing happens if the lease is released. Raises
        `UnknownSolve`.
        """
        ...

    async def release(self, lease: Lease) -> None:
        """Give the lease back, which voids it; nothing happens if it is lost already."""
        ...

    async def append(self, lease: Lease, length: int, records: Sequence[Record]) -> None:
        """Add records to a log of `length` records, and hold the lease for longer; on return they are durable.

        Sent again after an unclear failure, with the same arguments, they are added once. A lease that ran out serves
        until another claims the log. Raises `LeaseLost` if the lease is void, or the log has another length.
        """
        ...

    async def read(self, solve_id: str, after: int = 0, limit: int = 1000) -> Sequence[Record]:
        """Return at most `limit` records from number `after` on; none if there are no more. Raises `UnknownSolve`.

        Fewer than `limit` may come although there are more: read on until none come.
        """
        ...

    async def head(self, solve_id: str) -> LogHead:
        """Return where a log stands. Raises `UnknownSolve`."""
        ...

    async def heads(self, limit: int, before: str = "") -> Sequence[LogHead]:
        """Return the logs that were begun last, the last first; of those before the log of `before`, if given.

        Raises `UnknownSolve` if there is no log of `before`.
        """
        ...

    async def close(self) -> None:
        """Release what the log holds; what was appended stays."""
        ...


# --- the bus --------------------------------------------------------------------------------------------------------

Numbered = tuple[int, Record]
"""A record and its number in its log."""


class Bus(Protocol):
    """Live records, to any number of watchers. It may lose some: what is missing is read from the log.

    A lost record shows as a gap in the numbers, when a later one comes. None may come after the last one: who must not
    miss that looks at the log now and then.
    """

    async def publish(self, solve_id: str, number: int, records: Sequence[Record]) -> None:
        """Send records, the first of which has this number, to who is subscribed; waits for none of them."""
        ...

    def subscribe(self, solve_id: str) -> AbstractAsyncContextManager[AsyncGenerator[Sequence[Numbered], None]]:
        """Receive what is published while the context lasts, in order, each at most once.

        One who reads too slowly misses older ones, never the newest. Ends when the bus is closed; raises
        `StoreUnavailable`, after what it has received, when the bus is away: then read the log, and subscribe anew.
        """
        ...

    async def close(self) -> None:
        """Release what the bus holds."""
        ...


# --- the cache ------------------------------------------------------------------------------------------------------


class Turn(Enum):
    """Whose turn it is to make what a cache does not have."""

    OURS = "ours"
    """Whoever was told so: it has claimed the key."""
    ANOTHERS = "another's"
    """Another has claimed the key; look again later."""


class Cache(Protocol):
    """Bytes by key, kept for a while, and claims: who looks for what another is making now, waits instead.

    It may forget anything at any moment; then a thing is made twice. Whoever looks makes up a `claim`, a random word.
    """

    claim_seconds: float
    """How long a claim lasts that is not renewed."""

    async def look(self, key: str, claim: str) -> bytes | Turn:
        """Return what is kept under the key; else claim it, unless another has, and say whose turn it is."""
        ...

    async def renew(self, key: str, claim: str) -> None:
        """Hold the claim for another `claim_seconds`; nothing happens if it is lost."""
        ...

    async def keep(self, key: str, claim: str, value: bytes) -> None:
        """Keep the value, if it is not too large, and give the claim back; whose claim it is does not matter."""
        ...

    async def release(self, key: str, claim: str) -> None:
        """Give the claim back; nothing happens if it is lost, or never was."""
        ...

    async def close(self) -> None:
        """Release what the cache holds."""
        ...


# --- the tree store -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSolve:
    """A solve, as the tree store shows it."""

    solve_id: str
    problem: str
    task: str
    strategy: str
    begun_at: float
    status: str
    """RUNNING, PARKED, FAILED, or a `SolveStatus`."""
    answer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredThought:
    """A thought, as the tree store keeps it. `note` says why it was pruned, failed or rejected."""

    id: str
    number: int
    """Its place in the order of discovery: 0 for the root, and higher than its own parent's."""
    parent_id: str | None
    """Its own parent, which the step `text` led from; None for the root."""
    depth: int
    text: str
    key: str
    answer: str | None
    value: Value | None
    status: Status
    note: str = ""
    draws: int = 0
    usage: Usage
    """Spent on expanding it."""
    on_answer_path: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """A step that led to a thought once more, from another parent than its own."""

    parent_id: str
    thought_id: str
    text: str
    order: int
    """From 1, as the thought's further parents were found."""


class TreeStore(Protocol):
    """Trees to explore. A projection: it can be rebuilt from the log."""

    async def solve(self, solve_id: str) -> StoredSolve | None:
        """Return the solve as it was last written; None if it is unknown."""
        ...

    async def position(self, solve_id: str) -> int:
        """Return how many records of the solve's log are in it; 0 if it does not know the solve."""
        ...

    async def write(
        self, solve: StoredSolve, position: int, thoughts: Sequence[StoredThought], steps: Sequence[Step]
    ) -> None:
        """Add or replace thoughts and add steps, all or nothing; from now on `position` records are in it.

        What was written before may be written again; a write with a lower position than what is there changes
        nothing. Parents are there, or come in the same call, own parents before their children.
        """
        ...

    def thoughts(self, solve_id: str) -> AsyncGenerator[tuple[Sequence[StoredThought], Sequence[Step]], None]:
        """Yield the tree in batches, in the order of discovery, each thought with the further steps that lead to it.

        Nothing if the solve is unknown. A step's parent may come later than the step. A thought that changes meanwhile
        is seen as it was or as it is.
        """
        ...

    async def path(self, solve_id: str, thought_id: str) -> Sequence[StoredThought]:
        """Return the thoughts from the root to this one, along first parents; none if it is unknown."""
        ...

    async def close(self) -> None:
        """Release what the store holds."""
        ...
