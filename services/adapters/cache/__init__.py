"""Caches of models' answers, one a module: its `create(settings)` returns a `Cache`, once it is known to be usable."""

from services.adapters.cache._guard import Guarded
from services.core.errors import InvalidInput
from services.core.stores import Cache
from services.plugins import CACHES
from services.settings import CacheSettings

NONE = "none"


async def create_cache(settings: CacheSettings) -> Cache | None:
    """Return the cache that `KOT_CACHE` names, with what keeps the loss of it from mattering; None for `none`.

    Raises `InvalidInput` if there is no such cache or its settings are wrong, `StoreUnusable` if it lets nobody in.
    One that is away for now is no error.
    """
    if settings.cache == NONE:
        return None
    try:
        module = CACHES.load(settings.cache)
    except KeyError as error:
        known = ", ".join([*CACHES.names(), NONE])
        raise InvalidInput(
            f"KOT_CACHE names no cache {settings.cache!r}; there are: {known}", field="KOT_CACHE"
        ) from error
    return Guarded(await module.create(settings))
