"""How `kot` ends: its exit codes, and what it says of an error."""

from enum import IntEnum

from services.core.errors import InvalidInput, KotError, UnknownSolve


class Exit(IntEnum):
    """What a script learns from `kot`."""

    ANSWER = 0
    NONE_WITHIN_BUDGET = 1
    USAGE = 2
    INTERRUPTED = 3
    UNAVAILABLE = 4


HELP = (
    "Exit codes: 0 answer found (or all is well), 1 none found within the budget, 2 wrong usage or input, "
    "3 interrupted, 4 unavailable (server, model or port)."
)


def exit_of(error: KotError) -> Exit:
    """Return the exit code for an error: what was typed is wrong, or something is not there."""
    return Exit.USAGE if isinstance(error, InvalidInput | UnknownSolve) else Exit.UNAVAILABLE
