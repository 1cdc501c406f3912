"""Every store of trees passes the suite; what is only one's own stands below."""

from contextlib import asynccontextmanager

import pytest

from services.adapters.tree.sqlite import SqliteTrees
from services.testing.tree_store_suite import TreeStoreSuite


class TestSqlite(TreeStoreSuite):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path):
        self.path = tmp_path / "kot.db"

    @asynccontextmanager
    async def opened(self):
        store = SqliteTrees(self.path)
        try:
            yield store
        finally:
            await store.close()
