"""The model of a generator, over gRPC: for evaluators without an engine of their own."""

from collections.abc import AsyncGenerator

import grpc

from services.core.ports import CompletionEvent, CompletionRequest
from services.rpc import release
from services.rpc.channel import dial
from services.rpc.convert import completion_event_from_proto, completion_request_to_proto
from services.rpc.deadline import time_left
from services.rpc.gen.kubeofthoughts.v1 import language_model_service_pb2_grpc
from services.rpc.status import from_rpc_error
from services.settings import ModelSettings


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
        """Draw the samples; leaving the iterator cancels the call."""
        message, timeout = completion_request_to_proto(request), time_left(self._timeout)
        call = self._stub.Complete(message, timeout=timeout, metadata=release.metadata())
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
