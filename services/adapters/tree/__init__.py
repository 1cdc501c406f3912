"""Stores of trees, to explore them, one a module: its `create(settings)` returns a `TreeStore`."""

from services.core.errors import InvalidInput
from services.core.stores import TreeStore
from services.plugins import TREES
from services.settings import StateSettings

NONE = "none"


def create_tree(settings: StateSettings) -> TreeStore | None:
    """Return the store that `KOT_TREE` names; None for `none`.

    Raises `InvalidInput` if there is no such store or its settings are wrong, `StoreUnusable` and `StoreUnavailable` as
    the store does.
    """
    if settings.tree == NONE:
        return None
    try:
        module = TREES.load(settings.tree)
    except KeyError as error:
        known = ", ".join([*TREES.names(), NONE])
        raise InvalidInput(
            f"KOT_TREE names no store {settings.tree!r}; there are: {known}", field="KOT_TREE"
        ) from error
    store: TreeStore = module.create(settings)
    return store
