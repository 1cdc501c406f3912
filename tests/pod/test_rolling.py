"""Rolling restarts under load: every solve ends as if nothing had been, and nothing is paid twice but what was cut."""

import asyncio
import os
import random
import time
from contextlib import asynccontextmanager

import hooks
import pytest
from chaos_fleet import SETTINGS, Calls, ChaosFleet, assert_undisturbed
from fleet import fleet
from pods import COUNTED, WORKERS, cluster, logs
from redis_server import redis_server
from test_kills import AT_ONCE, Solving

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(7200)]

RESTARTS = int(os.environ.get("ROLLING_RESTARTS", "5"))
"""Of each service."""
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


async def restart(revision, chance):
    """Restart pods: in turn while they are busy, and as Knative does, which waits until they are quiet."""
    for number in range(RESTARTS):
        await asyncio.sleep(chance.uniform(0, 1))
        assert await revision.restart(quiet=QUIET_SECONDS if number % 2 else None) == 0


async def test_a_rolling_restart_is_noticed_by_nobody(tmp_path, monkeypatch, rolling_table):
    monkeypatch.setenv(hooks.FOLDER, str(tmp_path))
    chance = random.Random(RESTARTS)
    begun = time.monotonic()
    async with restartable(tmp_path, rolling_table) as (running, clients), fleet() as undisturbed:
        solving = Solving(clients, undisturbed, chance)
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(solving.client([FRONT]))
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
