"""The model of a generator, over gRPC: for evaluators without an engine of their own."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import grpc
from tenacity import AsyncRetrying, retry_if_exception, stop_before_delay, wait_random_exponential

from services.core.errors import Overloaded, WorkerUnavailable
from services.core.ports import CallBegun, CompletionEvent, CompletionRequest
from services.rpc import release
from services.rpc.channel import dial
from services.rpc.convert import completion_event_from_proto, completion_request_to_proto
from services.rpc.deadline import time_left
from services.rpc.gen.kubeofthoughts.v1 import language_model_service_pb2_grpc
from services.rpc.status import from_rpc_error
from services.settings import ModelSettings

_FIRST_WAIT_SECONDS = 0.1
_LONGEST_WAIT_SECONDS = 2.0


class RemoteModel:
    """A `LanguageModel` behind `LanguageModelService.Complete`."""

    name = "remote"
    revision = ""
    """Whoever serves it knows, and keeps its answers."""

    def __init__(self, target: str, *, timeout: float) -> None:
        self._timeout = timeout
        self._target = target
        self._channel = dial(target)
        self._stub = language_model_service_pb2_grpc.LanguageModelServiceStub(self._channel)

    async def complete(self, request: CompletionRequest) -> AsyncGenerator[CompletionEvent, None]:
        """Draw the samples; leaving the iterator cancels the call.

        While nothing is said, a call that is refused or breaks is made again, in the time that there is. Each that was
        begun is told, since each is paid.
        """
        now = asyncio.get_running_loop().time
        seconds, spoken = time_left(self._timeout), False
        until = now() + seconds

        def may_pass(error: BaseException) -> bool:
            return isinstance(error, WorkerUnavailable | Overloaded) and not spoken

        retrying = AsyncRetrying(
            retry=retry_if_exception(may_pass),
            # A wait that outlasted the time would hide why.
            stop=stop_before_delay(seconds),
            wait=wait_random_exponential(multiplier=_FIRST_WAIT_SECONDS, max=_LONGEST_WAIT_SECONDS),
            reraise=True,
        )
        async for attempt in retrying:
            with attempt:
                async with aclosing(self._draw(request, until - now())) as events:
                    async for event in events:
                        spoken = spoken or not isinstance(event, CallBegun)
                        yield event

    async def _draw(self, request: CompletionRequest, seconds: float) -> AsyncGenerator[CompletionEvent, None]:
        message = completion_request_to_proto(request)
        call = self._stub.Complete(message, timeout=seconds, metadata=release.metadata())
        try:
            async for event in call:
                yield completion_event_from_proto(event)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, f"the model at {self._target}") from error
        finally:
            call.cancel()

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()


def create(settings: ModelSettings) -> RemoteModel:
    """Return the model behind `KOT_MODEL_TARGET`."""
    return RemoteModel(settings.model_target, timeout=settings.model_timeout)
