"""The orchestrator as the page's server sees it: calls with a deadline, and errors as those of the domain."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing
from typing import Any, TypeVar

import grpc

from services.core.errors import DeadlineExceeded, InvalidInput, KotError
from services.rpc.gen.kubeofthoughts.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub
from services.rpc.status import from_rpc_error

PATIENCE_SECONDS = 30.0
"""Until the answer to a question, or the first message of a stream."""
PEER = "the orchestrator"

Message = TypeVar("Message")


class Orchestrator:
    """One orchestrator, at the other end of a channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.stub = OrchestratorServiceStub(channel)

    async def ask(self, call: Awaitable[Message]) -> Message:
        """Return the response of a unary call. Raises `KotError`."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await call
        except grpc.aio.AioRpcError as error:
            raise _translated(error) from error
        except TimeoutError as error:
            raise DeadlineExceeded(f"{PEER} gave no answer within {PATIENCE_SECONDS:g} s") from error

    async def follow(self, call: Any) -> AsyncGenerator[Any, None]:  # noqa: ANN401 - gRPC's call
        """Yield the messages of a stream; leaving the iterator leaves the call. Raises `KotError`."""
        try:
            async for message in call:
                yield message
        except grpc.aio.AioRpcError as error:
            raise _translated(error) from error
        finally:
            call.cancel()

    async def begun(self, call: Any) -> AsyncGenerator[Any, None]:  # noqa: ANN401
        """Return the messages of a stream once the first is there: what refuses the call is raised here and now."""
        messages = self.follow(call)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                first = await anext(messages, None)
        except TimeoutError as error:
            raise DeadlineExceeded(f"{PEER} gave no answer within {PATIENCE_SECONDS:g} s") from error
        return _chained(first, messages)


async def _chained(first: Message | None, rest: AsyncGenerator[Message, None]) -> AsyncGenerator[Message, None]:
    async with aclosing(rest):
        if first is None:
            return
        yield first
        async for message in rest:
            yield message


def _translated(error: grpc.aio.AioRpcError) -> KotError:
    """Return the domain error; wrong input concerns who typed it, not who read it."""
    known = from_rpc_error(error, PEER)
    if isinstance(known, InvalidInput):
        return InvalidInput(error.details() or str(known), field=known.field, reason=known.reason)
    return known
