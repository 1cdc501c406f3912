"""Buses of live records, one a module: its `create(state, redis)` returns a `Bus`."""

from services.core.errors import StoreUnusable
from services.core.stores import Bus
from services.plugins import BUSES
from services.settings import RedisSettings, StateSettings


def create_bus(state: StateSettings, redis: RedisSettings) -> Bus:
    """Return the bus that `KOT_BUS` names; whether Redis can be reached, the first call tells.

    Raises `StoreUnusable` if there is no such bus, `InvalidInput` if Redis's settings are wrong.
    """
    try:
        kind = BUSES.load(state.bus)
    except KeyError as error:
        known = ", ".join(BUSES.names())
        raise StoreUnusable(f"KOT_BUS names no bus {state.bus!r}; there are: {known}") from error
    bus: Bus = kind.create(state, redis)
    return bus
