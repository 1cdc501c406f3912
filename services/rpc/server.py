"""Serving: one port, health, reflection, limits on messages, and an orderly end on SIGTERM."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from services.core.errors import AddressUnusable
from services.rpc.boundary import Boundary

_log = structlog.get_logger()

MAX_MESSAGE_BYTES = 16 * 2**20
CANCELLED_SECONDS = 5.0
"""How long calls that outlast the draining have to take their cancellation."""

MAX_CONCURRENT_RPCS = 1000
"""Calls at a time; more are refused as RESOURCE_EXHAUSTED."""

OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # Clients may keep silent calls alive with pings; none is told to go away for it.
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    # A port that is taken is an error, not a second listener.
    ("grpc.so_reuseport", 0),
)


class ServedInVain(Exception):
    """What was served can serve no more."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A servicer and how it joins a server: its full name, the generated `add_*_to_server`, and itself."""

    name: str
    add: Callable[[Any, grpc.aio.Server], None]
    servicer: object


@contextlib.asynccontextmanager
async def serving(mounts: Sequence[Mount], address: str, *, drain_seconds: float) -> AsyncGenerator[int, None]:
    """Serve while the context lasts; gives the port (0 for a unix socket), then drains.

    Draining: health turns to NOT_SERVING, new calls are refused, calls in flight have `drain_seconds` to end and are
    cancelled then. After `ServedInVain` they are cancelled at once. Raises `AddressUnusable`.
    """
    boundary = Boundary()
    server = grpc.aio.server(interceptors=[boundary], options=OPTIONS, maximum_concurrent_rpcs=MAX_CONCURRENT_RPCS)
    for mount in mounts:
        mount.add(mount.servicer, server)
    names = [mount.name for mount in mounts]
    status = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(status, server)
    reflection.enable_server_reflection([*names, health.SERVICE_NAME, reflection.SERVICE_NAME], server)
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise AddressUnusable(f"cannot listen on {address}: is it taken, or none of this machine's?") from error
    await server.start()
    for name in ["", *names]:
        await status.set(name, health_pb2.HealthCheckResponse.SERVING)
    try:
        yield port
    except ServedInVain:
        drain_seconds = 0.0
        raise
    finally:
        await status.enter_graceful_shutdown()
        await server.stop(drain_seconds)
        await boundary.ended(CANCELLED_SECONDS)


async def serve_until_told(
    mounts: Sequence[Mount], address: str, *, drain_seconds: float, died: asyncio.Event | None = None
) -> None:
    """Serve until SIGTERM or SIGINT, then drain; `ServedInVain` if `died` is set before."""
    told, died = asyncio.Event(), died or asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    async with serving(mounts, address, drain_seconds=drain_seconds):
        _log.info("serving", address=address, services=[mount.name for mount in mounts])
        await _first(told, died)
        if died.is_set():
            _log.error("the model died")
            raise ServedInVain
        _log.info("draining", seconds=drain_seconds)
    _log.info("stopped")


async def _first(*events: asyncio.Event) -> None:
    """Wait until one of the events is set."""
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()
