"""Each service as Knative runs it, with its route; and all four together."""

import json
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from queue_proxy import Revision, Route

WORKERS = ("generator", "evaluator", "validator")
COUNTED = (sys.executable, str(Path(__file__).with_name("counted.py")))
"""Runs a service so that the calls of its model are written down; see `hooks` of the chaos tests."""


def revision(service, folder, *, name="", concurrency=0, bursts=True, command=None, **environment):
    """Return a revision of a service, with the scripted model unless the environment says otherwise."""
    own = {"KOT_MODEL": "scripted", "KOT_STATE_PATH": str(Path(folder) / "kot.db")} | environment
    more = {"command": command} if command else {}
    return Revision(name or f"{service}-1", f"services.{service}", Path(folder), own, concurrency, bursts, **more)


@asynccontextmanager
async def route(service, folder, *, timeout=300.0, pods=1, **settings):
    """Serve one service at a route of its own; it has so many pods from the beginning."""
    async with Route(revision(service, folder, **settings), timeout=timeout).serving() as serving:
        await serving.revision.scale(pods)
        yield serving


def logs(revision):
    """Return what the pods of a revision have logged; anything but JSON fails."""
    lines = (path.read_text().splitlines() for path in revision.folder.glob(f"{revision.name}-*.log"))
    return [json.loads(line) for of_pod in lines for line in of_pod]


@dataclass
class Cluster:
    """The routes of the four services; solves go to the orchestrator's."""

    routes: dict[str, Route]

    def __getitem__(self, name):
        return self.routes[name]

    @property
    def target(self):
        return self.routes["orchestrator"].target


@asynccontextmanager
async def cluster(
    folder, *, timeout=300.0, concurrency=0, bursts=True, pods=1, command=None, orchestrators=1, own=None, **environment
):
    """Serve all four; `own` has settings of single services: `{"generator": {"KOT_MODEL": "slow"}}`."""
    async with AsyncExitStack() as stack:
        routes = {}
        for name in WORKERS:
            limits = {"concurrency": concurrency, "bursts": bursts, "command": command}
            made = revision(name, folder, **limits, **environment | (own or {}).get(name, {}))
            if "generator" in routes:
                made.environment["KOT_MODEL_TARGET"] = routes["generator"].target
            routes[name] = await stack.enter_async_context(Route(made, timeout=timeout).serving())
            await made.scale(pods)
        targets = {f"KOT_{name.upper()}_TARGET": routes[name].target for name in WORKERS}
        settings = targets | environment | (own or {}).get("orchestrator", {})
        front = revision("orchestrator", folder, command=command, **settings)
        routes["orchestrator"] = await stack.enter_async_context(Route(front, timeout=600).serving())
        await front.scale(orchestrators)
        yield Cluster(routes)
