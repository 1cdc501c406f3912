"""The history of a solve: what a log keeps of it, in order. Replaying it gives the same tree and the same search.

A search is a function of its settings, its seed and the results told to it, so these are what is kept; what a policy
asks for follows from them.
"""

from dataclasses import dataclass, field

from services.core.budget import Limits
from services.core.errors import Reason
from services.core.task import Method
from services.core.thought import Usage
from services.core.tree import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """The first record: what is to be solved, and how."""

    request: bytes
    """The whole request, as it came."""
    request_hash: str
    """Tells the same request, sent again, from another one of the same id."""
    problem: str
    """In the task's normal form."""
    task: str
    strategy: str
    """The one that was asked for, or picked."""
    versions: str
    """Of the task and the strategy: under other ones the history may not replay."""
    begun_at: float
    """Seconds since 1970."""
    trace: str = ""
    """Names its trace (a W3C traceparent); empty if it is not traced."""
    release: str = ""
    """Of the workers that it keeps to; empty is whichever answers."""
    pod: str = ""
    """The one that began it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """The solve waits for a stage to wake up."""

    stage: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one expansion brought since it was last told of: `children` in order, and all that changed in the tree.

    `usage` is what was spent for it; `done` if nothing more comes of this draw. `method` is what was asked for, if the
    history says.
    """

    thought_id: str
    draw: int
    children: tuple[str, ...]
    events: tuple[Event, ...]
    usage: Usage = field(default_factory=Usage)
    done: bool = True
    failed: bool = False
    method: Method | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What the search was told before it was asked again; `best` is the last step of its best line of thought then."""

    told: tuple[Told, ...]
    best: str
    elapsed: float
    """Seconds that the solve has run so far, pauses left out."""
    away: tuple[str, ...] = ()
    """The stores that cannot be reached; they catch up later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """The solve rests: nobody waits for it, or its process ends; or, with a `reason`, a service is away.

    `usage` is all that was spent, what was cut short included.
    """

    why: str
    usage: Usage
    elapsed: float
    reason: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """A process took the solve up again, under these limits."""

    pod: str
    limits: Limits
    trace: str = ""
    """Names the trace of what this process does for it; empty if it is not traced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The end: `status` is a `SolveStatus`, or FAILED with a reason. With a larger budget a solve may go on from here.

    `usage` is all that was spent, what was cut short included.
    """

    status: str
    answer: str = ""
    steps: tuple[str, ...] = ()
    best: str = ""
    usage: Usage = field(default_factory=Usage)
    elapsed: float = 0.0
    reason: Reason | None = None
    message: str = ""


Record = Begun | Awaited | Round | Parked | Resumed | Ended
