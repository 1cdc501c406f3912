"""The boundary of every server: bytes that are no message, messages past their limits, and errors, become statuses.

One interceptor does all three, for unary and streamed requests and responses. The only broad `except` of the system
is here.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any

import grpc
import protovalidate
import structlog
from google.protobuf.message import DecodeError, Message

from services.core.errors import DeadlineExceeded, InvalidInput, KotError, PermanentError, Reason
from services.rpc.deadline import hold_to
from services.rpc.release import keep_to_callers
from services.rpc.status import MAX_TEXT, abort

_log = structlog.get_logger()

Context = Any
"""A `grpc.aio.ServicerContext`; its stub and its class disagree on type arguments."""
Handler = Any
"""A `grpc.RpcMethodHandler`; the same."""


@dataclass(frozen=True, slots=True)
class _Malformed:
    """Stands for a message that could not be decoded, until a handler is there to say so."""

    explanation: str


class _InFlight:
    """Counts the calls under way; enter it for each."""

    def __init__(self) -> None:
        self._calls = 0
        self._none = asyncio.Event()
        self._none.set()

    def __enter__(self) -> None:
        self._calls += 1
        self._none.clear()

    def __exit__(self, *_error: object) -> None:
        self._calls -= 1
        if self._calls == 0:
            self._none.set()

    async def ended(self) -> None:
        await self._none.wait()


class Boundary(grpc.aio.ServerInterceptor):
    """Checks what comes in and translates what goes wrong."""

    def __init__(self) -> None:
        self._in_flight = _InFlight()

    async def ended(self, timeout: float) -> None:
        """Wait until no handler runs, at most `timeout` seconds: a server does not wait for those that it cancels."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._in_flight.ended()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """Wrap the handler of a call, if it is one of ours; health and reflection stay as they are."""
        handler = await continuation(handler_call_details)
        if handler is None or not handler_call_details.method.startswith("/kubeofthoughts."):
            return handler
        method = handler_call_details.method
        deserializer = _tolerant(handler.request_deserializer)
        if handler.unary_unary:
            return grpc.unary_unary_rpc_method_handler(
                _unary(handler.unary_unary, method, self._in_flight), deserializer, handler.response_serializer
            )
        if handler.unary_stream:
            return grpc.unary_stream_rpc_method_handler(
                _streaming(handler.unary_stream, method, _checked, self._in_flight),
                deserializer,
                handler.response_serializer,
            )
        return grpc.stream_stream_rpc_method_handler(
            _streaming(handler.stream_stream, method, _checked_stream, self._in_flight),
            deserializer,
            handler.response_serializer,
        )


def _tolerant(deserializer: Callable[[bytes], Message]) -> Callable[[bytes], Message | _Malformed]:
    """Return a deserializer that never raises: gRPC would answer UNKNOWN before any handler runs."""

    def deserialize(data: bytes) -> Message | _Malformed:
        try:
            return deserializer(data)
        except (DecodeError, UnicodeDecodeError) as error:
            return _Malformed(str(error))

    return deserialize


def _checked(request: Message | _Malformed) -> Message:
    """Return the request; `InvalidInput` if it is none or breaks the limits that its schema states."""
    if isinstance(request, _Malformed):
        raise InvalidInput(f"malformed message: {request.explanation}", reason=Reason.MALFORMED_MESSAGE)
    try:
        protovalidate.validate(request, fail_fast=True)
    except protovalidate.ValidationError as error:
        violation = error.violations[0].proto
        elements = violation.field.elements if violation.field else []
        field = ".".join(element.field_name for element in elements)
        raise InvalidInput(f"{field} {violation.message}".strip(), field=field) from error
    return request


async def _checked_stream(requests: AsyncIterator[Message | _Malformed]) -> AsyncIterator[Message]:
    async for request in requests:
        yield _checked(request)


def _unary(
    behaviour: Callable[..., Awaitable[Any]], method: str, in_flight: _InFlight
) -> Callable[..., Awaitable[Any]]:
    async def call(request: Message | _Malformed, context: Context) -> Any:  # noqa: ANN401 - any response
        hold_to(context.time_remaining())
        keep_to_callers(context.invocation_metadata())
        with in_flight:
            try:
                return await behaviour(_checked(request), context)
            except Exception as error:  # noqa: BLE001 - the server boundary
                await _refuse(error, context, method)

    return call


def _streaming(
    behaviour: Callable[..., AsyncGenerator[Any, None]],
    method: str,
    check: Callable[[Any], Any],
    in_flight: _InFlight,
) -> Callable[..., AsyncIterator[Any]]:
    async def call(requests: Any, context: Context) -> AsyncIterator[Any]:  # noqa: ANN401 - one or a stream
        hold_to(context.time_remaining())
        keep_to_callers(context.invocation_metadata())
        with in_flight:
            try:
                async with aclosing(behaviour(check(requests), context)) as responses:
                    async for response in responses:
                        yield response
            except Exception as error:  # noqa: BLE001 - the server boundary
                await _refuse(error, context, method)

    return call


async def _refuse(error: Exception, context: Context, method: str) -> None:
    if isinstance(error, grpc.aio.AbortError):
        raise error
    if isinstance(error, ExceptionGroup) and error.split(KotError)[1] is None:
        # Tasks that failed together failed of one thing; any of them says what.
        await _refuse(error.exceptions[0], context, method)
    elif isinstance(error, KotError):
        _log.info("refused", method=method, reason=error.reason, message=str(error)[:MAX_TEXT])
        await abort(context, error)
    elif isinstance(error, TimeoutError):
        await abort(context, DeadlineExceeded(f"{method}: out of time"))
    else:
        _log.error("defect", method=method, exc_info=error)
        await abort(context, PermanentError("internal error; the server's log has the trace"))
