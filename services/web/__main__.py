"""Runs the page's server: `python -m services.web`."""

import asyncio
import signal
import sys
from contextlib import AsyncExitStack

import structlog
import uvloop

from services.core.errors import KotError
from services.settings import ServerSettings, TelemetrySettings, WebSettings, read_settings
from services.telemetry import logs, metrics
from services.web.serving import serving_page

UNUSABLE = 78
"""Exit code for settings that cannot work (EX_CONFIG)."""


async def serve(settings: ServerSettings, web: WebSettings) -> None:
    """Serve until SIGTERM or SIGINT. Raises `AddressUnusable`."""
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    target, telemetry = web.orchestrator_target, read_settings(TelemetrySettings)
    async with AsyncExitStack() as resources:
        metrics.configure(telemetry, service="web", pod=settings.pod, revision=settings.revision, host=settings.host)
        resources.push_async_callback(metrics.close)
        address = await resources.enter_async_context(
            serving_page(target, settings.host, settings.port, trace_url=web.trace_url)
        )
        structlog.get_logger().info("serving", address=address, orchestrator=target)
        await told.wait()
    structlog.get_logger().info("stopped")


def main() -> None:
    """Serve as the environment has it; an error of the settings is one line in the log and exit code 78."""
    _configure_logs(ServerSettings.model_construct())
    try:
        settings, web = read_settings(ServerSettings), read_settings(WebSettings)
        _configure_logs(settings)
        uvloop.run(serve(settings, web))
    except KotError as error:
        structlog.get_logger().error("unusable", reason=error.reason, message=str(error))
        sys.exit(UNUSABLE)


def _configure_logs(settings: ServerSettings) -> None:
    logs.configure(service="web", pod=settings.pod, revision=settings.revision, level=settings.log_level)


if __name__ == "__main__":
    main()
