"""Runs one service as a process: its settings, its logs, its loop, its orderly end."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack

import structlog
import uvloop

from services.adapters.cache import create_cache
from services.adapters.lazy import WhenNeeded
from services.adapters.llm import create_model
from services.adapters.mortal import UntilDeath
from services.core.errors import KotError
from services.core.ports import LanguageModel
from services.rpc.server import Mount, ServedInVain, serve_until_told
from services.settings import CacheSettings, ModelSettings, ServerSettings, TelemetrySettings, read_settings
from services.telemetry import logs, metrics, tracing

UNUSABLE = 78
"""Exit code for settings that cannot work (EX_CONFIG)."""
DIED = 70
"""Exit code of a service whose model died (EX_SOFTWARE): whoever runs it starts another."""


def run(
    service: str, assemble: Callable[[AsyncExitStack], Awaitable[Sequence[Mount]]], *, died: asyncio.Event | None = None
) -> None:
    """Serve what `assemble` returns until SIGTERM; what it opened, it pushes on the stack to be closed in the end.

    An error of the settings is one line in the log and exit code 78; `died`, if it is ever set, is exit code 70.
    """

    async def serve(settings: ServerSettings) -> None:
        async with AsyncExitStack() as resources:
            told = read_settings(TelemetrySettings)
            pod, revision = settings.pod, settings.revision
            tracing.configure(told, service=service, pod=pod, revision=revision)
            resources.push_async_callback(tracing.close)
            metrics.configure(told, service=service, pod=pod, revision=revision, host=settings.host)
            resources.push_async_callback(metrics.close)
            address = f"{settings.host}:{settings.port}"
            mounts = await assemble(resources)
            await serve_until_told(mounts, address, drain_seconds=settings.drain_seconds, died=died)

    _configure_logs(service, ServerSettings.model_construct())
    try:
        settings = read_settings(ServerSettings)
        _configure_logs(service, settings)
        uvloop.run(serve(settings))
    except KotError as error:
        structlog.get_logger().error("unusable", reason=error.reason, message=str(error))
        sys.exit(UNUSABLE)
    except ServedInVain:
        sys.exit(DIED)


def run_with_model(
    service: str, mounts: Callable[[LanguageModel], Sequence[Mount]], *, when_needed: bool = False
) -> None:
    """Do the same for a service with a language model of its own, and the cache of that; it ends when its model dies.

    With `when_needed` the model is made when it is first asked.
    """
    died = asyncio.Event()

    async def with_model(resources: AsyncExitStack) -> Sequence[Mount]:
        settings = read_settings(ModelSettings)
        cache = await create_cache(read_settings(CacheSettings))
        if cache:
            resources.push_async_callback(cache.close)
        model = WhenNeeded(lambda: create_model(settings, cache)) if when_needed else create_model(settings, cache)
        resources.push_async_callback(model.close)
        return mounts(UntilDeath(model, died))

    run(service, with_model, died=died)


def _configure_logs(service: str, settings: ServerSettings) -> None:
    logs.configure(service=service, pod=settings.pod, revision=settings.revision, level=settings.log_level)
