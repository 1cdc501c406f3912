"""What a search costs by itself: processor time and memory a node, with a model that answers at once and is free.

Each policy grows the same kind of tree, every expansion bringing the same number of new thoughts, to two sizes. A lower
bound in plain Python is measured in the same run: a breadth-first search that keeps nothing but a queue and a dict.
Each measurement is a process of its own; the median of several is shown.
"""

import argparse
import gc
import resource
import statistics
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from random import Random

from common import print_table, write_json

from services.core.search import Ask, Child, Tell
from services.core.thought import Value
from services.plugins import find_strategy

STRATEGIES = ("bfs", "dfs", "best_first", "a_star", "mcts")
PLAIN = "plain Python"
SIZES = (10_000, 1_000_000)
BRANCHING = 10
DEPTH = 8
CAPACITY = 64


class World:
    """A tree without end: every expansion brings `BRANCHING` thoughts that are new, with scores that are seeded."""

    def __init__(self) -> None:
        self.nodes = 1
        self._random = Random(24)

    def expand(self, ask: Ask, depth: int) -> Tell:
        """Return what comes of an ask."""
        first = self.nodes
        self.nodes += BRANCHING
        scores = [self._random.random() for _ in range(BRANCHING)]
        children = tuple(
            Child(f"{first + index:016x}", depth + 1, Value(sure=score)) for index, score in enumerate(scores)
        )
        return Tell(ask.thought_id, ask.draw, children)


def grow(strategy: str, size: int) -> float:
    """Run a policy until the tree has `size` nodes; return the seconds that it took itself, without the world."""
    module = find_strategy(strategy)
    policy = module.Policy("root", module.Settings(depth=DEPTH))
    world = World()
    depths = {"root": 0}
    spent = 0.0
    while world.nodes < size:
        begun = time.process_time()
        asks = policy.ask(CAPACITY)
        spent += time.process_time() - begun
        results = [world.expand(ask, depths[ask.thought_id]) for ask in asks]
        for result in results:
            for child in result.children:
                depths[child.thought_id] = child.depth
        begun = time.process_time()
        for result in results:
            policy.tell(result)
        spent += time.process_time() - begun
    return spent


def plain(_strategy: str, size: int) -> float:
    """Do the least that any search does: take a node, make its children, remember them."""
    random = Random(24)
    begun = time.process_time()
    scores = {0: 0.0}
    queue = deque([0])
    while len(scores) < size:
        queue.popleft()
        for child in range(len(scores), len(scores) + BRANCHING):
            scores[child] = random.random()
            queue.append(child)
    return time.process_time() - begun


def measure(strategy: str, size: int) -> tuple[float, float]:
    """Return microseconds and bytes a node, measured in this process."""
    work: Callable[[str, int], float] = plain if strategy == PLAIN else grow
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = work(strategy, size)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return seconds / size * 1e6, (after - before) * 1024 / size


def measured_apart(strategy: str, size: int, rounds: int) -> tuple[float, float]:
    """Return the medians of several processes."""
    command = [sys.executable, __file__, "--one", strategy, "--size", str(size)]
    runs = [subprocess.run(command, check=True, capture_output=True, text=True).stdout.split() for _ in range(rounds)]
    return statistics.median(float(run[0]) for run in runs), statistics.median(float(run[1]) for run in runs)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", help="write the figures to this file")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(*measure(options.one, options.size))
        return
    figures: dict[str, object] = {}
    for strategy in (PLAIN, *STRATEGIES):
        small, large = (measured_apart(strategy, size, options.rounds) for size in SIZES)
        figures |= {
            f"{strategy}: microseconds a node, {SIZES[0]:,} nodes": small[0],
            f"{strategy}: microseconds a node, {SIZES[1]:,} nodes": large[0],
            f"{strategy}: large over small": large[0] / small[0],
            f"{strategy}: bytes a node, {SIZES[1]:,} nodes": round(large[1]),
        }
    print_table("Search alone", figures)
    write_json(options.json, figures)


if __name__ == "__main__":
    main()
