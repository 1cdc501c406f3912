"""`kot serve`: all services on one port, and the page on another."""

import asyncio
from contextlib import AsyncExitStack

import structlog

from services.adapters.mortal import UntilDeath
from services.cli.all_in_one import (
    DRAIN_SECONDS,
    cached_model,
    observe,
    orchestrator_over,
    private_address,
    stages_with,
)
from services.core.errors import AddressUnusable, WorkerUnavailable
from services.rpc.server import ServedInVain, serve_until_told, serving
from services.settings import ModelSettings, ServerSettings, WebSettings, read_settings

WEB_PORT = 8080
"""Where the page is, if nothing else is asked for."""

_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - how the page reaches a server of every interface


async def serve(host: str, port: int, web_port: int | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then let the solves that are followed end, and park those that do not in time.

    The orchestrator reaches the stages over a private socket that closes last: a server that drains refuses new calls,
    its own included, and what runs is parked while its stages are still there. There is no page if
    `web_port` is 0, or if none was asked for and `WEB_PORT` is taken. Raises `WorkerUnavailable` if the model dies,
    `AddressUnusable`.
    """
    died = asyncio.Event()
    try:
        async with AsyncExitStack() as resources:
            observe(resources, host=host)
            model = await cached_model(read_settings(ModelSettings), resources)
            stages = stages_with(UntilDeath(model, died))
            address = private_address(resources)
            await resources.enter_async_context(serving(stages, address, drain_seconds=DRAIN_SECONDS))
            await _open_page(host, port, web_port, resources)
            public = [*orchestrator_over(address, resources), *stages]
            drain_seconds = read_settings(ServerSettings).drain_seconds
            await serve_until_told(public, f"{host}:{port}", drain_seconds=drain_seconds, died=died)
    except ServedInVain as error:
        raise WorkerUnavailable("the model died; start `kot serve` again") from error


async def _open_page(host: str, port: int, web_port: int | None, resources: AsyncExitStack) -> None:
    """Serve the page until `resources` are closed."""
    if web_port == 0:
        return
    # A client of the public port, as any other; it connects when the first page is opened.
    from services.web.serving import serving_page

    target = f"{_ANYWHERE.get(host, host)}:{port}"
    try:
        page = serving_page(target, host, web_port or WEB_PORT, trace_url=read_settings(WebSettings).trace_url)
        address = await resources.enter_async_context(page)
    except AddressUnusable as error:
        if web_port is not None:
            raise
        structlog.get_logger().warning("no page", reason=f"{error}; --web-port takes another port, or 0")
    else:
        structlog.get_logger().info("page", address=address)
