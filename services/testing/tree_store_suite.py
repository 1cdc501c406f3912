"""The contract of a store of trees. To hold one of your own to it, write a test file such as this one:

from contextlib import asynccontextmanager
from services.testing.tree_store_suite import TreeStoreSuite

class TestMine(TreeStoreSuite):
    @asynccontextmanager
    async def opened(self):
        store = MyStore(PLACE)
        try:
            yield store
        finally:
            await store.close()
"""  # noqa: D400, D415 - ends in an example
# ruff: noqa: S101 - a suite asserts

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from itertools import pairwise
from random import Random
from secrets import token_hex

from services.core.history import Begun, Record, Round
from services.core.projection import Changes, Projection
from services.core.stores import Step, StoredThought, TreeStore
from services.core.thought import Thought
from services.core.tree import Tree
from services.testing.histories import HOSTILE, Shape, begun, history

PATIENCE_SECONDS = 60


def new_id() -> str:
    """Return the id of a solve that no store knows."""
    return f"solve-{token_hex(8)}"


def replayed(records: Iterable[Record]) -> Tree:
    """Return the tree that a history adds up to."""
    first, *rest = records
    assert isinstance(first, Begun)
    rounds = (record for record in rest if isinstance(record, Round))
    events = (event for round_ in rounds for told in round_.told for event in told.events)
    return Tree.replay(Thought.root(first.problem), events)


def all_changes(solve_id: str, records: Sequence[Record], cuts: Sequence[int] = ()) -> list[Changes]:
    """Return what is to be written of a history, cut at these positions: each is the end of a write, and so is all."""
    first = records[0]
    assert isinstance(first, Begun)
    projection = Projection(solve_id, first)
    changes = []
    for end in (*sorted(cuts), len(records)):
        projection.take(records[projection.position : end])
        changes.append(projection.changes())
    return changes


async def write(store: TreeStore, changes: Changes) -> None:
    """Write what a projection says."""
    await store.write(changes.solve, changes.position, changes.thoughts, changes.steps)


@dataclass(frozen=True)
class Stored:
    """A tree, as it was read."""

    thoughts: list[StoredThought]
    steps: list[Step]
    batches: list[int]
    """How many thoughts each had."""

    def assert_is(self, tree: Tree) -> None:
        """Check that it is this tree: every thought, its parents in order, and what became of it."""
        assert [thought.id for thought in self.thoughts] == [node.thought.id for node in tree]
        assert [thought.number for thought in self.thoughts] == list(range(len(tree)))
        parents = {thought.id: [thought.parent_id] if thought.parent_id else [] for thought in self.thoughts}
        for step in self.steps:
            assert step.order == len(parents[step.thought_id])
            parents[step.thought_id].append(step.parent_id)
        for thought, node in zip(self.thoughts, tree, strict=True):
            assert Thought(thought.id, thought.parent_id, thought.depth, thought.text, thought.key, thought.answer) == (
                node.thought
            )
            assert parents[thought.id] == node.parents
            assert (thought.value, thought.status, thought.draws) == (node.value, node.status, node.draws)


async def read(store: TreeStore, solve_id: str) -> Stored:
    """Read a whole tree."""
    found = Stored([], [], [])
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for thoughts, steps in store.thoughts(solve_id):
            found.thoughts.extend(thoughts)
            found.steps.extend(steps)
            found.batches.append(len(thoughts))
    return found


class TreeStoreSuite:
    """Solves of other tests, and of other runs, may be in the store."""

    largest: int = 10_000
    """Thoughts of the largest tree that is written."""

    def opened(self) -> AbstractAsyncContextManager[TreeStore]:
        """Open the store, as it was left."""
        raise NotImplementedError

    async def test_what_is_not_known(self) -> None:
        """Is told as nothing, not as an error."""
        async with self.opened() as store:
            solve_id = new_id()
            assert await store.solve(solve_id) is None
            assert await store.position(solve_id) == 0
            assert (await read(store, solve_id)).batches == []
            assert await store.path(solve_id, "0123456789abcdef") == []
            [changes] = all_changes(solve_id, [begun()])
            await write(store, changes)
            assert await store.path(solve_id, "0123456789abcdef") == []
            assert await store.path(new_id(), changes.thoughts[0].id) == []

    async def test_a_history_is_read_as_it_was_written(self) -> None:
        """The solve, every thought, every step; hostile texts are texts."""
        records = list(history(1))
        solve_id = new_id()
        [changes] = all_changes(solve_id, records)
        async with self.opened() as store:
            await write(store, changes)
            found = await read(store, solve_id)
            assert await store.solve(solve_id) == changes.solve
            assert await store.position(solve_id) == len(records)
        found.assert_is(replayed(records))
        assert found.thoughts == list(changes.thoughts)
        assert sorted(found.steps, key=repr) == sorted(changes.steps, key=repr)
        assert len(changes.steps) > 3
        assert any(thought.on_answer_path for thought in found.thoughts)

    async def test_it_outlives_the_store_that_wrote_it(self) -> None:
        """What is in it is there when it is opened again."""
        solve_id = new_id()
        [changes] = all_changes(solve_id, list(history(2)))
        async with self.opened() as store:
            await write(store, changes)
        async with self.opened() as store:
            assert (await read(store, solve_id)).thoughts == list(changes.thoughts)

    async def test_writes_in_parts_add_up(self) -> None:
        """After each, the tree is that of the records so far, and the position is their number."""
        records = list(history(3))
        solve_id = new_id()
        cuts = sorted(Random(3).sample(range(1, len(records)), 5))
        async with self.opened() as store:
            for changes in all_changes(solve_id, records, cuts):
                await write(store, changes)
                assert await store.position(solve_id) == changes.position
                assert await store.solve(solve_id) == changes.solve
                (await read(store, solve_id)).assert_is(replayed(records[: changes.position]))

    async def test_repeated_late_and_overlapping_writes_change_nothing(self) -> None:
        """Two writers of one history, one of which stopped for a while, leave the tree that one leaves."""
        records = list(history(4))
        random = Random(4)
        one, other = (all_changes("", records, sorted(random.sample(range(1, len(records)), 6))) for _ in range(2))
        solve_id = new_id()
        async with self.opened() as store:
            for mine, theirs in zip(one, other, strict=True):
                for changes in sorted((mine, theirs, mine), key=lambda changes: changes.position):
                    await write(store, replace(changes, solve=replace(changes.solve, solve_id=solve_id)))
                late = replace(one[0], solve=replace(one[0].solve, solve_id=solve_id, status="LATE"))
                await write(store, replace(late, position=0))
            found = await read(store, solve_id)
            assert await store.position(solve_id) == len(records)
            stored = await store.solve(solve_id)
            assert stored is not None
            assert stored.status == one[-1].solve.status
        found.assert_is(replayed(records))

    async def test_a_write_that_nobody_waits_for_can_be_repeated(self) -> None:
        """It may have happened or not, as a whole."""
        records = list(history(5))
        solve_id = new_id()
        async with self.opened() as store:
            for number, changes in enumerate(all_changes(solve_id, records, [len(records) // 3, len(records) // 2])):
                before = await store.position(solve_id)
                abandoned = asyncio.create_task(write(store, changes))
                for _ in range(number * 3):
                    await asyncio.sleep(0)
                abandoned.cancel()
                await asyncio.wait([abandoned])
                assert await store.position(solve_id) in {before, changes.position}
                await write(store, changes)
                (await read(store, solve_id)).assert_is(replayed(records[: changes.position]))

    async def test_the_path_to_a_thought(self) -> None:
        """From the root, along own parents, whatever other parents there are."""
        records = list(history(6, Shape(merged=0.5)))
        solve_id = new_id()
        tree = replayed(records)
        async with self.opened() as store:
            await write(store, all_changes(solve_id, records)[0])
            for node in tree:
                path = await store.path(solve_id, node.thought.id)
                assert [thought.text for thought in path[1:]] == list(tree.steps(node.thought.id))
                assert path[0].id == tree.root.id
                assert all(child.parent_id == parent.id for parent, child in pairwise(path))
            assert path[-1] == (await read(store, solve_id)).thoughts[-1]

    async def test_solves_of_one_problem_do_not_mix(self) -> None:
        """Their thoughts have the same ids."""
        solves = {new_id(): list(history(seed)) for seed in (7, 7, 8)}
        async with self.opened() as store, asyncio.TaskGroup() as group:
            for solve_id, records in solves.items():
                group.create_task(self._written(store, solve_id, records))
        async with self.opened() as store:
            for solve_id, records in solves.items():
                (await read(store, solve_id)).assert_is(replayed(records))

    async def _written(self, store: TreeStore, solve_id: str, records: Sequence[Record]) -> None:
        for changes in all_changes(solve_id, records, range(1, len(records), 9)):
            await write(store, changes)

    async def test_hostile_names(self) -> None:
        """Ids of solves come from clients."""
        async with self.opened() as store:
            for text in HOSTILE:
                solve_id = f"{text} {new_id()}"
                [changes] = all_changes(solve_id, [begun(problem=f"{text} 1 2 3 4")])
                await write(store, changes)
                assert await store.solve(solve_id) == changes.solve
                assert (await read(store, solve_id)).thoughts == list(changes.thoughts)

    async def test_a_large_tree_comes_in_batches(self) -> None:
        """So that a client never holds more of it than it wants."""
        solve_id = new_id()
        records = list(history(9, Shape(thoughts=self.largest)))
        async with self.opened() as store:
            for changes in all_changes(solve_id, records, range(50, len(records), 50)):
                await write(store, changes)
            found = await read(store, solve_id)
            async for thoughts, _ in store.thoughts(solve_id):
                assert thoughts == found.thoughts[: len(thoughts)]
                break
            assert await store.position(solve_id) == len(records), "a reader that leaves early holds nothing up"
        found.assert_is(replayed(records))
        assert len(found.batches) >= len(found.thoughts) / 1000
        assert max(found.batches) <= 1000
