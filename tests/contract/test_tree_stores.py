"""Every store of trees passes the suite; what is only one's own is tested in tests/integration."""

from contextlib import asynccontextmanager

import pytest
from graph_server import graph_server

from services.adapters.tree.neo4j import Neo4jTrees
from services.adapters.tree.sqlite import SqliteTrees
from services.settings import Neo4jSettings, read_settings
from services.testing.tree_store_suite import TreeStoreSuite

GRAPH = "arcadedb-embedded is missing: pip install -e '.[graph]', then make test-all"
NEO4J = "no Neo4j here: set NEO4J_URI, NEO4J_USERNAME and NEO4J_PASSWORD to one"


@asynccontextmanager
async def closing(store):
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture(scope="module")
def server():
    pytest.importorskip("arcadedb_embedded", reason=GRAPH)
    with graph_server() as server:
        yield server


class TestSqlite(TreeStoreSuite):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path):
        self.path = tmp_path / "kot.db"

    def opened(self):
        return closing(SqliteTrees(self.path))


@pytest.mark.heavy
class TestNeo4jStandIn(TreeStoreSuite):
    """Over Bolt, against ArcadeDB."""

    @pytest.fixture(autouse=True)
    def _place(self, server):
        self.settings = server.settings(timeout=60)

    def opened(self):
        return closing(Neo4jTrees(self.settings))


@pytest.mark.heavy
class TestNeo4j(TreeStoreSuite):
    """The real one."""

    @pytest.fixture(autouse=True)
    def _place(self):
        self.settings = read_settings(Neo4jSettings)
        if not self.settings.uri:
            pytest.skip(NEO4J)

    def opened(self):
        return closing(Neo4jTrees(self.settings))
