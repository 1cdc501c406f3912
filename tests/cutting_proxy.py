"""A proxy that passes bytes on, and cuts every connection now and then."""

import asyncio
from contextlib import asynccontextmanager, suppress


class CuttingProxy:
    """Passes connections on to a port of this machine; `cuts` counts those that it has cut."""

    def __init__(self, port: int, seconds: float) -> None:
        self.target = ""
        self.cuts = 0
        self._port = port
        self._seconds = seconds
        self._connections: set[asyncio.Task] = set()

    async def serve(self, reader, writer):
        self._connections.add(asyncio.current_task())
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._port)
            ways = [asyncio.create_task(_pass(reader, there_writer)), asyncio.create_task(_pass(there_reader, writer))]
            done, under_way = await asyncio.wait(ways, timeout=self._seconds, return_when=asyncio.FIRST_COMPLETED)
            self.cuts += not done
            for way in under_way:
                way.cancel()
            for each in writer, there_writer:
                each.transport.abort()
        except (OSError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            self._connections.discard(asyncio.current_task())

    async def close(self):
        for connection in list(self._connections):
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)


async def _pass(reader, writer):
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def cutting_proxy(target, seconds):
    """Serve before `target`; each connection is cut after so many seconds."""
    proxy = CuttingProxy(int(target.rpartition(":")[2]), seconds)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.target = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
