"""The evaluator's service."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

from services.core.errors import InvalidInput
from services.core.ports import Evaluator
from services.rpc.convert import evaluate_request_from_proto, evaluate_update_to_proto
from services.rpc.gen.kubeofthoughts.v1.evaluator_service_pb2 import EvaluateRequest, EvaluateResponse
from services.rpc.gen.kubeofthoughts.v1.evaluator_service_pb2_grpc import EvaluatorServiceServicer
from services.rpc.streams import MAX_BATCH, read_batch


class EvaluatorServicer(EvaluatorServiceServicer):
    """`EvaluatorService` over an `Evaluator`, in `pod`."""

    def __init__(self, evaluator: Evaluator, pod: str) -> None:
        self._evaluator = evaluator
        self._pod = pod

    async def Evaluate(  # noqa: N802 - the wire's name
        self,
        request_iterator: AsyncIterator[EvaluateRequest],
        context: Any,  # noqa: ANN401, ARG002
    ) -> AsyncGenerator[EvaluateResponse, None]:
        """Serve one batch."""
        batch = [evaluate_request_from_proto(message) for message in await read_batch(request_iterator)]
        if sum(len(request.states) for request in batch) > MAX_BATCH:
            raise InvalidInput(f"more than {MAX_BATCH} states in one batch", field="states")
        async with aclosing(self._evaluator.evaluate(batch)) as ready:
            async for updates in ready:
                yield EvaluateResponse(updates=map(evaluate_update_to_proto, updates), pod=self._pod)
