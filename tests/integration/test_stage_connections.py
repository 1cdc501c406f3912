"""Many calls to a stage take several connections: what is between carries so many at a time on each, and no more."""

import asyncio

import grpc
from fleet import socket, until

from services.adapters.stages import RemoteValidator
from services.core.ports import TaskSelection, ValidateRequest
from services.rpc.channel import CALLS_PER_CONNECTION

REQUEST = ValidateRequest(id="0", task=TaskSelection(name="game24"), problem="1 1 11 11", answer="24")


class Hangs(grpc.GenericRpcHandler):
    """Counts the calls that arrive, and keeps them."""

    def __init__(self):
        self.calls = 0

    def service(self, _details):
        async def keep(requests, _context):
            async for _ in requests:
                pass
            self.calls += 1
            await asyncio.Event().wait()
            yield b""

        return grpc.stream_stream_rpc_method_handler(keep)


async def test_all_calls_that_a_stage_may_have_arrive_and_no_more():
    served = Hangs()
    calls = CALLS_PER_CONNECTION + 50
    async with socket() as address:
        server = grpc.aio.server([], options=[("grpc.max_concurrent_streams", CALLS_PER_CONNECTION)])
        server.add_generic_rpc_handlers([served])
        server.add_insecure_port(address)
        await server.start()
        stage = RemoteValidator(address, timeout=60, attempts=1, calls=calls)

        async def call():
            async for _ in stage.validate([REQUEST]):
                pass

        under_way = [asyncio.create_task(call()) for _ in range(calls + 10)]
        await until(lambda: served.calls == calls)
        await asyncio.sleep(0.1)
        assert served.calls == calls
        for each in under_way:
            each.cancel()
        await asyncio.wait(under_way)
        await stage.close()
        await server.stop(0)
