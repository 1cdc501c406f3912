"""All four services in one process, over real gRPC: what `kot` runs where no server is named."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from services.adapters.cache import create_cache
from services.adapters.llm import create_model
from services.core.ports import LanguageModel
from services.evaluator import wiring as evaluator
from services.generator import wiring as generator
from services.orchestrator import wiring as orchestrator
from services.rpc.server import Mount, serving
from services.settings import (
    CacheSettings,
    ModelSettings,
    OrchestratorSettings,
    ServerSettings,
    StageSettings,
    StateSettings,
    TelemetrySettings,
    read_settings,
)
from services.telemetry import metrics, tracing
from services.validator import wiring as validator

DRAIN_SECONDS = 1.0
"""A search that is left behind when its client is gone has no one to answer to."""


@asynccontextmanager
async def all_in_one(settings: ModelSettings, *, keeps: bool = True) -> AsyncGenerator[str, None]:
    """Serve everything on a private socket while the context lasts; gives the target to dial.

    Unless it `keeps` solves, they go with it.
    """
    async with AsyncExitStack() as resources:
        observe(resources)
        model = await cached_model(settings, resources)
        address = private_address(resources)
        mounts = [*orchestrator_over(address, resources, keeps=keeps), *stages_with(model)]
        await resources.enter_async_context(serving(mounts, address, drain_seconds=DRAIN_SECONDS))
        yield address


@asynccontextmanager
async def orchestrator_alone() -> AsyncGenerator[str, None]:
    """Serve an orchestrator without stages: it can say what it knows, and solve nothing."""
    async with AsyncExitStack() as resources:
        address = private_address(resources)
        mounts = orchestrator_over(address, resources)
        await resources.enter_async_context(serving(mounts, address, drain_seconds=DRAIN_SECONDS))
        yield address


def observe(resources: AsyncExitStack, *, host: str = "") -> None:
    """Trace and count what happens in this process, if the settings say where to, until `resources` are closed.

    Only a server, which says its `host`, is there for long enough to show metrics to Prometheus.
    """
    server, told = read_settings(ServerSettings), read_settings(TelemetrySettings)
    tracing.configure(told, service="kot", pod=server.pod, revision=server.revision)
    resources.push_async_callback(tracing.close)
    counted = told if host else told.model_copy(update={"metrics_port": 0})
    metrics.configure(counted, service="kot", pod=server.pod, revision=server.revision, host=host)
    resources.push_async_callback(metrics.close)


async def cached_model(settings: ModelSettings, resources: AsyncExitStack) -> LanguageModel:
    """Return the model, with the cache of its answers; both are closed with `resources`."""
    cache = await create_cache(read_settings(CacheSettings))
    if cache:
        resources.push_async_callback(cache.close)
    model = create_model(settings, cache)
    resources.push_async_callback(model.close)
    return model


def private_address(resources: AsyncExitStack) -> str:
    """Return a socket in a new folder that only this user can enter; it goes with `resources`."""
    folder = resources.enter_context(TemporaryDirectory(prefix="kot-"))
    return f"unix:{Path(folder) / 'kot.sock'}"


def stages_with(model: LanguageModel) -> list[Mount]:
    """Return the services that the orchestrator calls."""
    return [*generator.mounts(model), *evaluator.mounts(model), *validator.mounts(model)]


def orchestrator_over(address: str, resources: AsyncExitStack, *, keeps: bool = True) -> list[Mount]:
    """Return the orchestrator; it reaches every stage at `address`, where they are to be served."""
    state = read_settings(StateSettings)
    if not keeps:
        state = state.model_copy(update={"log": "memory", "bus": "memory", "tree": "none"})
    stages = read_settings(StageSettings).model_copy(
        update={"generator_target": address, "evaluator_target": address, "validator_target": address}
    )
    return orchestrator.mounts(resources, stages, read_settings(OrchestratorSettings), state)
