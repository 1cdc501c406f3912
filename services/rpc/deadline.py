"""The deadline that work has to meet: set where a call comes in, obeyed where calls go out.

gRPC passes no deadline on by itself. It travels in a context variable, which tasks inherit.
"""

import asyncio
from contextvars import ContextVar

MARGIN_SECONDS = 0.1
"""A call ends this much before its caller's own deadline, so that its error still arrives."""

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


def hold_to(seconds: float | None) -> None:
    """Hold the rest of this task, and those that it starts, to a deadline so many seconds from now.

    An earlier deadline stays in force; None sets none.
    """
    if seconds is not None:
        moment = asyncio.get_running_loop().time() + seconds
        earlier = _deadline.get()
        _deadline.set(moment if earlier is None else min(earlier, moment))


def lift() -> None:
    """Hold the rest of this task to no deadline: for work that others wait for too, who have their own."""
    _deadline.set(None)


def time_left(own: float) -> float:
    """Return the seconds that a call may take: `own`, or what is left until the deadline, less a margin; at least 0."""
    deadline = _deadline.get()
    if deadline is None:
        return own
    return max(0.0, min(own, deadline - asyncio.get_running_loop().time() - MARGIN_SECONDS))
