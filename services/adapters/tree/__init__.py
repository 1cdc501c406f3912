"""Stores of trees, to explore them, one a module: its `create(state, neo4j)` returns a `TreeStore`."""

from services.adapters.tree._projector import Projector, catch_up
from services.core.errors import StoreUnusable
from services.core.stores import TreeStore
from services.plugins import TREES
from services.settings import Neo4jSettings, StateSettings

__all__ = ["NONE", "Projector", "catch_up", "create_tree"]

NONE = "none"


def create_tree(state: StateSettings, neo4j: Neo4jSettings) -> TreeStore | None:
    """Return the store that `KOT_TREE` names; None for `none`.

    Raises `StoreUnusable` if there is no such store, or it cannot be used, and `StoreUnavailable` if another process
    holds its file; whether Neo4j can be reached, the first call tells. `InvalidInput` if Neo4j's settings are wrong.
    """
    if state.tree == NONE:
        return None
    try:
        kind = TREES.load(state.tree)
    except KeyError as error:
        known = ", ".join([*TREES.names(), NONE])
        raise StoreUnusable(f"KOT_TREE names no store {state.tree!r}; there are: {known}") from error
    store: TreeStore = kind.create(state, neo4j)
    return store
