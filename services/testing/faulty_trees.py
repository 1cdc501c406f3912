"""A store of trees that is away, hangs, or refuses when told to."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence

from services.core.errors import KotError, StoreUnavailable
from services.core.stores import Step, StoredSolve, StoredThought, TreeStore


class FaultyTrees:
    """Another store, with faults: `error` is raised by every call while it is set; writes wait for `answers`."""

    def __init__(self, store: TreeStore) -> None:
        self.error: KotError | None = None
        self.loses_word: Callable[[], bool] = lambda: False
        """Whether a write fails after all was written."""
        self.answers = asyncio.Event()
        self.answers.set()
        self.calls = 0
        """Reads and writes, the failed ones too."""
        self.writes = 0
        """That were made."""
        self._store = store

    async def solve(self, solve_id: str) -> StoredSolve | None:
        """Return the solve."""
        self._fail()
        return await self._store.solve(solve_id)

    async def position(self, solve_id: str) -> int:
        """Return how many records are in it."""
        self._fail()
        return await self._store.position(solve_id)

    async def write(
        self, solve: StoredSolve, position: int, thoughts: Sequence[StoredThought], steps: Sequence[Step]
    ) -> None:
        """Write, unless it fails or hangs."""
        self._fail()
        await self.answers.wait()
        await self._store.write(solve, position, thoughts, steps)
        self.writes += 1
        if self.loses_word():
            raise StoreUnavailable("nobody knows whether it was written")

    async def thoughts(self, solve_id: str) -> AsyncGenerator[tuple[Sequence[StoredThought], Sequence[Step]], None]:
        """Yield the tree."""
        self._fail()
        async for batch in self._store.thoughts(solve_id):
            yield batch

    async def path(self, solve_id: str, thought_id: str) -> Sequence[StoredThought]:
        """Return a path."""
        self._fail()
        return await self._store.path(solve_id, thought_id)

    async def close(self) -> None:
        """Close the other one."""
        await self._store.close()

    def _fail(self) -> None:
        self.calls += 1
        if self.error:
            raise self.error
