"""Serves the page while something else runs in the same loop."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

import uvicorn

from services.core.errors import AddressUnusable
from services.rpc.channel import dial
from services.web.app import create_app
from services.web.guard import LOOPBACK

FAREWELL_SECONDS = 5
"""How long requests in flight have when the server ends; streams end at once."""


class _Server(uvicorn.Server):
    """Leaves signals to who runs the loop."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


@asynccontextmanager
async def serving_page(target: str, host: str, port: int, *, trace_url: str = "") -> AsyncGenerator[str, None]:
    """Serve the page of the orchestrator at `target` while the context lasts; gives its address.

    `trace_url` is where links to traces lead, with `{trace}` in the place of a trace's id. On a loopback interface only
    requests to a name of this machine are answered. Raises `AddressUnusable`.
    """
    closing = asyncio.Event()
    hosts = LOOPBACK if host in LOOPBACK else ()
    with _listen(host, port) as listener:
        async with dial(target) as channel:
            config = uvicorn.Config(
                create_app(channel, closing, hosts, trace_url),
                lifespan="off",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=FAREWELL_SECONDS,
            )
            server = _Server(config)
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            try:
                yield f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
            finally:
                closing.set()
                server.should_exit = True
                await serving


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        # What Python adds in brackets is said here already.
        why = (error.strerror or str(error)).partition(" (")[0]
        raise AddressUnusable(f"cannot serve the page on {host}:{port}: {why.lower()}") from error
