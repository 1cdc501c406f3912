"""Two revisions of the workers behind one route each: a solve keeps to the one that it began with, whoever goes on."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import hooks
from fleet import Run, fleet, solve, solve_request
from pods import COUNTED, WORKERS, revision
from queue_proxy import Route
from redis_server import redis_server
from test_pod_solves import BOUND_SECONDS, FIELDS, assert_as_if_nothing_had_been, midway

from services.adapters.log.redis import RedisLog
from services.adapters.redis_client import connect
from services.core.history import Begun, Resumed
from services.rpc.channel import dial
from services.rpc.gen.kubeofthoughts.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub
from services.settings import RedisSettings

RELEASES = ("v1", "v2")


@asynccontextmanager
async def two_releases(folder, redis):
    """Both releases of each worker at its route, the second without a tag too; an orchestrator of each."""
    shared = redis.environment | {hooks.FOLDER: str(folder), "KOT_CACHE": "redis", "KOT_CACHE_CLAIM_SECONDS": "1"}
    shared |= {"KOT_LOG": "redis", "KOT_BUS": "redis", "KOT_LEASE_SECONDS": "2"}
    async with AsyncExitStack() as stack:
        routes = {}
        for name in WORKERS:
            made = {
                release: revision(
                    name, folder, name=f"{name}-{release}", command=COUNTED, **shared | {hooks.REVISION: release}
                )
                for release in RELEASES
            }
            if name == "evaluator":
                for each in made.values():
                    each.environment |= {"KOT_MODEL": "remote", "KOT_MODEL_TARGET": routes["generator"].target}
            routes[name] = await stack.enter_async_context(Route(made["v2"], **made).serving())
            for each in made.values():
                await each.scale(1)
        targets = {f"KOT_{name.upper()}_TARGET": routes[name].target for name in WORKERS}
        for release in RELEASES:
            front = revision(
                "orchestrator",
                folder,
                name=f"orchestrator-{release}",
                **shared | targets | {"KOT_RELEASE": release, "HOSTNAME": f"orchestrator-{release}"},
            )
            routes[release] = await stack.enter_async_context(Route(front).serving())
            await front.scale(1)
        yield routes


def heard(routes, release):
    """Return how many calls the workers of a release have had, by name; those that wake them included."""
    return {name: len(routes[name].tagged[release.encode()].heard) for name in WORKERS}


def keys(folder, routes, release):
    """Return the keys under which the models of a release were called."""
    pids = {str(pod.process.pid) for name in WORKERS for pod in routes[name].tagged[release.encode()].pods}
    lines = [line.split("\t") for line in (folder / hooks.LINES).read_text().splitlines()]
    return {key for word, key, pid in lines if word == "begun" and pid in pids}


async def begun_records(redis, solve_id):
    log = RedisLog(connect(RedisSettings(redis_url=redis.url)), 10, 60)
    records = await log.read(solve_id, 0)
    await log.close()
    return [record for record in records if isinstance(record, Begun | Resumed)]


async def test_a_solve_goes_on_with_the_workers_that_it_began_with(tmp_path):
    async with fleet() as target:
        undisturbed = await solve(target, **FIELDS)
    nobody = dict.fromkeys(WORKERS, 0)
    request = solve_request(request_id="s", **FIELDS)
    with redis_server() as redis:
        async with two_releases(tmp_path, redis) as routes:
            async with dial(routes["v1"].target) as channel:
                await midway(aiter(OrchestratorServiceStub(channel).Solve(request)), Run())
                [pod] = routes["v1"].revision.pods
                routes["v1"].revision.pods.clear()
                pod.process.kill()
                await pod.ended()
            before = heard(routes, "v1")
            async with dial(routes["v2"].target) as channel, asyncio.timeout(BOUND_SECONDS):
                run = Run([message async for message in OrchestratorServiceStub(channel).Solve(request)])
            assert_as_if_nothing_had_been(run, undisturbed)
            begun, resumed = await begun_records(redis, "s")
            assert (begun.release, resumed.pod) == ("v1", "orchestrator-v2")
            assert heard(routes, "v2") == nobody
            after = heard(routes, "v1")
            assert all(after[name] > before[name] for name in WORKERS)

            assert_as_if_nothing_had_been(await solve(routes["v2"].target, **FIELDS), undisturbed)
            assert heard(routes, "v1") == after
            assert all(heard(routes, "v2").values())
            assert keys(tmp_path, routes, "v1")
            assert not keys(tmp_path, routes, "v1") & keys(tmp_path, routes, "v2"), (
                "one's answers are none of the other's"
            )


async def test_without_a_release_calls_go_where_the_route_sends_them(tmp_path):
    with redis_server() as redis:
        async with two_releases(tmp_path, redis) as routes:
            routes["v1"].revision.environment["KOT_RELEASE"] = ""
            await routes["v1"].revision.restart()
            assert (await solve(routes["v1"].target, **FIELDS)).status == "SOLVED"
            assert heard(routes, "v1") == dict.fromkeys(WORKERS, 0)
            assert all(heard(routes, "v2").values())
