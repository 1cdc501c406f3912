"""Rolling restarts under load: every solve ends as if nothing had been, and nothing is paid twice but what was cut."""

import asyncio
import os
import random
import time
from contextlib import asynccontextmanager
from itertools import count

import hooks
import pytest
from chaos_fleet import BUDGET, SETTINGS, Calls, ChaosFleet, assert_undisturbed
from fleet import fleet, solve
from pods import COUNTED, WORKERS, cluster, logs
from redis_server import redis_server

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(7200)]

RESTARTS = int(os.environ.get("ROLLING_RESTARTS", "5"))
"""Of each service."""
AT_ONCE = 4
"""Solves."""
PROBLEMS = ("3 3 8 8", "1 3 4 6", "1 4 5 6", "2 3 7 11", "4 4 10 10")
ENOUGH = BUDGET | {"model_calls": 300}
"""Six times what a solve needs here; what needs more is one in which the scripted model sees no way to the answer."""
FRONT = "orchestrator"
QUIET_SECONDS = 0.2
PARKS_AFTER_SECONDS = 1
"""Solves that have not ended so long after their orchestrator was told to end are parked, and go on elsewhere."""


@asynccontextmanager
async def restartable(folder, table):
    """All four services with the routes before them; each that is told to end is a line among the model's calls."""
    with redis_server(appendonly="yes", appendfsync="always") as redis:
        own = {FRONT: {"KOT_DRAIN_SECONDS": str(PARKS_AFTER_SECONDS)}, "evaluator": {"KOT_MODEL": "remote"}}
        shared = SETTINGS | redis.environment | {hooks.FOLDER: str(folder)}
        async with cluster(folder, command=COUNTED, orchestrators=2, own=own, **shared) as running:
            for name, route in running.routes.items():
                route.revision.told_to_end = lambda pod, name=name: table.told_to_end(name, pod)
            yield running, ChaosFleet(folder, redis, {FRONT: running[FRONT].port})


class Clients:
    """They solve, one solve after the other, until they are to stop; each then ends the one it has begun."""

    def __init__(self, clients, undisturbed):
        self.runs = {}
        """By id: what a fleet without trouble makes of it, and what the client saw."""
        self.stopping = False
        self._clients = clients
        self._undisturbed = undisturbed
        self._numbers = count(1)

    async def work(self):
        while not self.stopping:
            number = next(self._numbers)
            fields = {"problem": PROBLEMS[number % len(PROBLEMS)], "seed": number, "budget": ENOUGH}
            expected = await solve(self._undisturbed, **fields)
            if expected.status == "SOLVED":
                self.runs[f"s{number}"] = expected, await self._clients.solve([FRONT], f"s{number}", **fields)


async def restart(revision, chance):
    """Restart pods: in turn while they are busy, and as Knative does, which waits until they are quiet."""
    for number in range(RESTARTS):
        await asyncio.sleep(chance.uniform(0, 1))
        assert await revision.restart(quiet=QUIET_SECONDS if number % 2 else None) == 0


async def test_a_rolling_restart_is_noticed_by_nobody(tmp_path, monkeypatch, rolling_table):
    monkeypatch.setenv(hooks.FOLDER, str(tmp_path))
    monkeypatch.setattr("fleet.PATIENCE_SECONDS", 600)
    chance = random.Random(RESTARTS)
    begun = time.monotonic()
    async with restartable(tmp_path, rolling_table) as (running, clients), fleet() as undisturbed:
        solving = Clients(clients, undisturbed)
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(solving.work())
            restarts = [group.create_task(restart(running[name].revision, chance)) for name in (*WORKERS, FRONT)]
            await asyncio.gather(*restarts)
            solving.stopping = True
        for solve_id, (expected, run) in solving.runs.items():
            assert_undisturbed(solve_id, expected, run, await clients.history(solve_id))
        for route in running.routes.values():
            assert [line for line in logs(route.revision) if line["level"] == "error"] == []
    calls = Calls.read(tmp_path)
    rolling_table.add(calls, solves=len(solving.runs), seconds=time.monotonic() - begun)
    assert solving.runs
    assert len(calls.kills) == RESTARTS * (len(WORKERS) + 1)
    assert calls.paid_twice == []
