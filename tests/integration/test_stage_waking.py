"""A stage of which nothing was heard for long is woken before it is called, unless it has a call: then it is awake."""

import asyncio

import grpc
from fleet import socket
from grpc_health.v1 import health_pb2

from services.adapters import stages
from services.core.ports import TaskSelection, ValidateRequest
from services.rpc.gen.kubeofthoughts.v1.validator_service_pb2 import ValidateResponse, ValidateUpdate

REQUESTS = [ValidateRequest(id=name, task=TaskSelection(name="game24"), problem="1", answer="1") for name in "ab"]
LONG = 0.2


class Slow(grpc.GenericRpcHandler):
    """A stage that says that it serves, and is done with the second answer of a batch once it may be."""

    def __init__(self):
        self.checks = 0
        self.may_end = asyncio.Event()

    def service(self, details):
        async def check(_request, _context):
            self.checks += 1
            return health_pb2.HealthCheckResponse(status="SERVING").SerializeToString()

        async def validate(requests, _context):
            async for _ in requests:
                pass
            yield ValidateResponse(updates=[ValidateUpdate(id="a")]).SerializeToString()
            await self.may_end.wait()
            yield ValidateResponse(updates=[ValidateUpdate(id="b")]).SerializeToString()

        if details.method.endswith("/Check"):
            return grpc.unary_unary_rpc_method_handler(check)
        return grpc.stream_stream_rpc_method_handler(validate)


async def test_a_stage_that_takes_long_over_a_call_is_not_taken_to_be_asleep(monkeypatch):
    monkeypatch.setattr(stages, "ASLEEP_SECONDS", LONG)
    slow = Slow()
    async with socket() as address:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers([slow])
        server.add_insecure_port(address)
        await server.start()
        stage = stages.RemoteValidator(address, timeout=60, attempts=1, calls=2, absence=60)
        first = stage.validate(REQUESTS)
        assert [update.id for update in await anext(first)] == ["a"]
        assert slow.checks == 1
        await asyncio.sleep(2 * LONG)
        second = stage.validate(REQUESTS)
        await anext(second)
        assert slow.checks == 1
        slow.may_end.set()
        assert [update.id for call in (first, second) async for updates in call for update in updates] == ["b", "b"]
        await asyncio.sleep(2 * LONG)
        assert [update.id async for updates in stage.validate(REQUESTS) for update in updates] == ["a", "b"]
        assert slow.checks == 2
        await stage.close()
        await server.stop(0)
