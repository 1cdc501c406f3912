"""Logs of solves, one a module: its `create(state, redis)` returns a `SolveLog`."""

from services.core.errors import StoreUnusable
from services.core.stores import SolveLog
from services.plugins import LOGS
from services.settings import RedisSettings, StateSettings


def create_log(state: StateSettings, redis: RedisSettings) -> SolveLog:
    """Return the log that `KOT_LOG` names.

    Raises `StoreUnusable` if there is no such log, or it cannot be used, and `StoreUnavailable` if another process
    holds its file; whether Redis can be reached, the first call tells. `InvalidInput` if Redis's settings are wrong.
    """
    try:
        kind = LOGS.load(state.log)
    except KeyError as error:
        known = ", ".join(LOGS.names())
        raise StoreUnusable(f"KOT_LOG names no log {state.log!r}; there are: {known}") from error
    log: SolveLog = kind.create(state, redis)
    return log
