"""What every log says when it refuses."""

from services.core.errors import DuplicateSolve, LeaseHeld, LeaseLost, UnknownSolve
from services.core.stores import Lease


def unknown(solve_id: str) -> UnknownSolve:
    """Return the refusal of an id that no log has."""
    return UnknownSolve(f"there is no log of solve {solve_id!r}")


def duplicate(solve_id: str) -> DuplicateSolve:
    """Return the refusal of a second log of one id."""
    return DuplicateSolve(f"there is a log of solve {solve_id!r} already")


def held(solve_id: str) -> LeaseHeld:
    """Return the refusal of a log that another writes."""
    return LeaseHeld(f"another process runs solve {solve_id!r}")


def lost(lease: Lease) -> LeaseLost:
    """Return the refusal of a lease that is void, or of records that do not follow those that are there."""
    return LeaseLost(f"solve {lease.solve_id!r} has gone on without this process")
