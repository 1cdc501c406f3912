"""What happens below a store in Redis is told as the store's own trouble."""

import asyncio

import pytest
import uvloop

from services.adapters.redis_client import store_errors
from services.core.errors import StoreUnavailable


def test_a_connection_that_is_cut_before_a_command_is_written_is_a_server_that_is_away(tmp_path):
    async def write_too_late():
        path = tmp_path / "socket"
        async with await asyncio.start_unix_server(lambda _reader, writer: writer.close(), path):
            _, writer = await asyncio.open_unix_connection(path)
            writer.transport.abort()
            await asyncio.sleep(0)
            with pytest.raises(StoreUnavailable, match="cut"), store_errors():
                writer.writelines([b"PING\r\n"])

    uvloop.run(write_too_late())


async def test_a_defect_stays_one():
    with pytest.raises(RuntimeError, match="mine"), store_errors():
        raise RuntimeError("mine")


async def command():
    """Wait as the client does while it writes: with a limit of time, for a task that is done at once."""
    with store_errors():
        await asyncio.wait_for(asyncio.sleep(0), 10)


@pytest.mark.parametrize("turns", range(1, 9))
async def test_a_cancellation_is_not_lost_whenever_it_comes(turns):
    async def renew():
        while True:
            await command()

    renewing = asyncio.create_task(renew())
    for _ in range(turns):
        await asyncio.sleep(0)
    renewing.cancel()
    await asyncio.wait([renewing], timeout=1)
    cancelled = renewing.cancelled()
    renewing.cancel()
    assert cancelled
