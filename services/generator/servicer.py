"""The generator's services: `Generate`, and `Complete` for whoever has no model of its own."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

from services.core.ports import LanguageModel, Proposer
from services.rpc.convert import (
    completion_event_to_proto,
    completion_request_from_proto,
    propose_request_from_proto,
    propose_update_to_proto,
)
from services.rpc.gen.kubeofthoughts.v1.generator_service_pb2 import GenerateRequest, GenerateResponse
from services.rpc.gen.kubeofthoughts.v1.generator_service_pb2_grpc import GeneratorServiceServicer
from services.rpc.gen.kubeofthoughts.v1.language_model_service_pb2 import CompleteRequest, CompleteResponse
from services.rpc.gen.kubeofthoughts.v1.language_model_service_pb2_grpc import LanguageModelServiceServicer
from services.rpc.streams import read_batch


class GeneratorServicer(GeneratorServiceServicer):
    """`GeneratorService` over a `Proposer`, in `pod`."""

    def __init__(self, proposer: Proposer, pod: str) -> None:
        self._proposer = proposer
        self._pod = pod

    async def Generate(  # noqa: N802 - the wire's name
        self,
        request_iterator: AsyncIterator[GenerateRequest],
        context: Any,  # noqa: ANN401, ARG002
    ) -> AsyncGenerator[GenerateResponse, None]:
        """Serve one batch."""
        batch = [propose_request_from_proto(message) for message in await read_batch(request_iterator)]
        async with aclosing(self._proposer.propose(batch)) as ready:
            async for updates in ready:
                yield GenerateResponse(updates=map(propose_update_to_proto, updates), pod=self._pod)


class LanguageModelServicer(LanguageModelServiceServicer):
    """`LanguageModelService` over a `LanguageModel`."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model

    async def Complete(  # noqa: N802 - the wire's name
        self,
        request: CompleteRequest,
        context: Any,  # noqa: ANN401, ARG002
    ) -> AsyncGenerator[CompleteResponse, None]:
        """Draw completions."""
        async with aclosing(self._model.complete(completion_request_from_proto(request))) as events:
            async for event in events:
                yield completion_event_to_proto(event)
