"""The validator's service."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

from services.core.ports import Validator
from services.rpc.convert import validate_request_from_proto, validate_update_to_proto
from services.rpc.gen.kubeofthoughts.v1.validator_service_pb2 import ValidateRequest, ValidateResponse
from services.rpc.gen.kubeofthoughts.v1.validator_service_pb2_grpc import ValidatorServiceServicer
from services.rpc.streams import read_batch


class ValidatorServicer(ValidatorServiceServicer):
    """`ValidatorService` over a `Validator`, in `pod`."""

    def __init__(self, validator: Validator, pod: str) -> None:
        self._validator = validator
        self._pod = pod

    async def Validate(  # noqa: N802 - the wire's name
        self,
        request_iterator: AsyncIterator[ValidateRequest],
        context: Any,  # noqa: ANN401, ARG002
    ) -> AsyncGenerator[ValidateResponse, None]:
        """Serve one batch."""
        batch = [validate_request_from_proto(message) for message in await read_batch(request_iterator)]
        async with aclosing(self._validator.validate(batch)) as ready:
            async for updates in ready:
                yield ValidateResponse(updates=map(validate_update_to_proto, updates), pod=self._pod)
