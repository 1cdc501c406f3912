"""What a store of trees costs: writing a large tree in batches, the path from the root to a thought, reading it all.

Batches are made while the clock stands, so that the store alone is measured, with its threads and its waiting. Memory
is that of a process of its own that only reads.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

from common import print_table, write_json

from services.adapters.tree.sqlite import SqliteTrees
from services.core.stores import StoredSolve, StoredThought, TreeStore
from services.core.thought import Usage, Value, thought_id
from services.core.tree import Status

SOLVE = StoredSolve(
    solve_id="benchmark", problem="1 2 3 4", task="game24", strategy="bfs", begun_at=0.0, status="RUNNING"
)
BRANCHING = 10
PATHS = 2000


def batches(thoughts: int, size: int) -> Iterator[list[StoredThought]]:
    """Yield a tree whose thoughts have ten children each, and texts like those of the Game of 24."""
    random = Random(24)
    ids: list[str] = []
    depths: list[int] = []
    batch = []
    for number in range(thoughts):
        parent = (number - 1) // BRANCHING if number else None
        text = f"{number % 97} + {number % 89} = {number} (left: {number} {number % 13} {number % 11})"
        ids.append(thought_id("" if parent is None else ids[parent], text))
        depths.append(0 if parent is None else depths[parent] + 1)
        batch.append(
            StoredThought(
                id=ids[-1],
                number=number,
                parent_id=None if parent is None else ids[parent],
                depth=depths[-1],
                text=text,
                key=f"{number} {number % 13} {number % 11}",
                answer=None,
                value=Value(sure=random.random(), likely=0.1),
                status=Status.OPEN,
                draws=1,
                usage=Usage(model_calls=1, prompt_tokens=100, completion_tokens=50),
            )
        )
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


async def write(store: TreeStore, thoughts: int, size: int) -> tuple[float, float, list[str]]:
    """Write the tree; return the seconds that it took, those of this process's processor, and the thoughts' ids."""
    spent = worked = 0.0
    ids = []
    for position, batch in enumerate(batches(thoughts, size), 1):
        begun, began = time.perf_counter(), time.process_time()
        await store.write(SOLVE, position, batch, [])
        spent += time.perf_counter() - begun
        worked += time.process_time() - began
        ids += [thought.id for thought in batch]
    return spent, worked, ids


async def paths(store: TreeStore, ids: list[str]) -> list[float]:
    """Return the seconds that the paths to thoughts at random took."""
    spent = []
    for thought in Random(1).choices(ids, k=PATHS):
        begun = time.perf_counter()
        assert await store.path(SOLVE.solve_id, thought)
        spent.append(time.perf_counter() - begun)
    return spent


async def read(store: TreeStore) -> tuple[float, float, int]:
    """Read the tree; return seconds to the first batch, seconds to the last, and thoughts."""
    begun = time.perf_counter()
    first, thoughts = 0.0, 0
    async for batch, _ in store.thoughts(SOLVE.solve_id):
        first = first or time.perf_counter() - begun
        thoughts += len(batch)
    return first, time.perf_counter() - begun, thoughts


async def read_alone(path: Path) -> None:
    """Print how many MB this process grows by when it reads all."""
    store = SqliteTrees(path)
    await store.position(SOLVE.solve_id)
    before = peak_memory()
    await read(store)
    print(peak_memory() - before)
    await store.close()


def peak_memory() -> float:
    """Return the most memory that this process has had, in MB; what `getrusage` says counts its parent's too."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


async def measure(store: TreeStore, thoughts: int, size: int) -> dict[str, object]:
    """Return the figures of one store."""
    seconds, worked, ids = await write(store, thoughts, size)
    spent = sorted(await paths(store, ids))
    first, whole, count = await read(store)
    assert count == thoughts
    return {
        "thoughts": thoughts,
        "thoughts a batch": size,
        "thoughts written a second": round(thoughts / seconds),
        "microseconds of our processor time a thought written": worked / thoughts * 1e6,
        "path, median ms": statistics.median(spent) * 1e3,
        "path, 95th percentile ms": spent[int(0.95 * len(spent))] * 1e3,
        "path, longest ms": spent[-1] * 1e3,
        "thoughts read a second": round(count / whole),
        "first batch read after ms": first * 1e3,
    }


async def closing(store: TreeStore, thoughts: int, size: int) -> dict[str, object]:
    """Measure a store and close it."""
    try:
        return await measure(store, thoughts, size)
    finally:
        await store.close()


def sqlite(options: argparse.Namespace) -> dict[str, object]:
    """Measure SQLite, and the file that it makes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kot.db"
        figures = asyncio.run(closing(SqliteTrees(path), options.thoughts, options.batch))
        figures["bytes a thought in the file"] = round(path.stat().st_size / options.thoughts)
        command = [sys.executable, __file__, "--read", str(path)]
        alone = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        figures["MB that a process grows by when it reads all"] = float(alone)
        return figures


def neo4j(options: argparse.Namespace) -> dict[str, object]:
    """Measure the server at NEO4J_URI, or one that is started for it."""
    from services.adapters.tree.neo4j import Neo4jTrees
    from services.settings import Neo4jSettings, read_settings

    async def measured(settings: Neo4jSettings) -> dict[str, object]:
        return await closing(Neo4jTrees(settings), options.graph_thoughts, options.batch)

    settings = read_settings(Neo4jSettings)
    if settings.uri:
        return asyncio.run(measured(settings))
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from graph_server import graph_server

    with graph_server() as server:
        return asyncio.run(measured(server.settings(timeout=60)))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--thoughts", type=int, default=1_000_000)
    parser.add_argument("--graph-thoughts", type=int, default=10_000)
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument("--store", choices=["sqlite", "neo4j"], action="append", help="both unless named")
    parser.add_argument("--json", help="write the figures to this file")
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        asyncio.run(read_alone(options.read))
        return
    figures: dict[str, object] = {}
    for name in options.store or ["sqlite", "neo4j"]:
        found = {"sqlite": sqlite, "neo4j": neo4j}[name](options)
        figures |= {f"{name}: {what}": figure for what, figure in found.items()}
    print_table("Stores of trees", figures)
    write_json(options.json, figures)


if __name__ == "__main__":
    main()
