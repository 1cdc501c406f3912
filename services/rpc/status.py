"""Errors of the domain to gRPC status and back: one table, used by every server and every client."""

from contextlib import suppress
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from services.core import errors
from services.core.errors import InvalidInput, KotError, Reason
from services.rpc.gen.kubeofthoughts.v1 import error_reason_pb2, thought_pb2

DOMAIN = "kubeofthoughts"
DETAILS_KEY = "grpc-status-details-bin"
MAX_TEXT = 500
"""Bytes of a message, or of a field's name, that a status carries: gRPC breaks a call whose status is too long."""

CODES: dict[Reason, grpc.StatusCode] = {
    Reason.INVALID_REQUEST: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.MALFORMED_MESSAGE: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.INVALID_PROBLEM: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.UNKNOWN_TASK: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.UNKNOWN_STRATEGY: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.INVALID_SETTING: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.UNKNOWN_SOLVE: grpc.StatusCode.NOT_FOUND,
    Reason.DUPLICATE_SOLVE: grpc.StatusCode.ALREADY_EXISTS,
    Reason.PROMPT_TOO_LONG: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.MODEL_UNUSABLE: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.MODEL_FAILED: grpc.StatusCode.INTERNAL,
    Reason.WORKER_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Reason.OVERLOADED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.DEADLINE_EXCEEDED: grpc.StatusCode.DEADLINE_EXCEEDED,
    Reason.ADDRESS_UNUSABLE: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.LEASE_LOST: grpc.StatusCode.ABORTED,
    Reason.LEASE_HELD: grpc.StatusCode.UNAVAILABLE,
    Reason.HISTORY_REFUSED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.STORE_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Reason.STORE_UNUSABLE: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.INTERNAL: grpc.StatusCode.INTERNAL,
}

_ERRORS: dict[Reason, type[KotError]] = {
    Reason.UNKNOWN_SOLVE: errors.UnknownSolve,
    Reason.DUPLICATE_SOLVE: errors.DuplicateSolve,
    Reason.PROMPT_TOO_LONG: errors.PromptTooLong,
    Reason.MODEL_UNUSABLE: errors.ModelUnusable,
    Reason.MODEL_FAILED: errors.ModelFailed,
    Reason.WORKER_UNAVAILABLE: errors.WorkerUnavailable,
    Reason.OVERLOADED: errors.Overloaded,
    Reason.DEADLINE_EXCEEDED: errors.DeadlineExceeded,
    Reason.ADDRESS_UNUSABLE: errors.AddressUnusable,
    Reason.LEASE_LOST: errors.LeaseLost,
    Reason.LEASE_HELD: errors.LeaseHeld,
    Reason.HISTORY_REFUSED: errors.HistoryRefused,
    Reason.STORE_UNAVAILABLE: errors.StoreUnavailable,
    Reason.STORE_UNUSABLE: errors.StoreUnusable,
    Reason.INTERNAL: errors.PermanentError,
}

# What a peer that sent no ErrorInfo meant: gRPC itself, or a proxy on the way. Our servers send one with each INTERNAL;
# gRPC says INTERNAL or UNKNOWN itself, now and then, of a connection that breaks while it sends.
_REASONS: dict[grpc.StatusCode, Reason] = {
    grpc.StatusCode.UNAVAILABLE: Reason.WORKER_UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: Reason.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Reason.OVERLOADED,
    grpc.StatusCode.INVALID_ARGUMENT: Reason.INVALID_REQUEST,
    grpc.StatusCode.CANCELLED: Reason.WORKER_UNAVAILABLE,
    grpc.StatusCode.INTERNAL: Reason.WORKER_UNAVAILABLE,
    grpc.StatusCode.UNKNOWN: Reason.WORKER_UNAVAILABLE,
}


def make_error(reason: Reason, message: str, *, field: str = "") -> KotError:
    """Return the domain error of a reason."""
    kind = _ERRORS.get(reason)
    if kind is None:
        return InvalidInput(message, field=field, reason=reason)
    return kind(message)


async def abort(context: Any, error: KotError) -> None:  # noqa: ANN401 - gRPC's context
    """End the call with the status of `error`, details included. Does not return."""
    status = to_status(error)
    await context.abort(
        CODES[error.reason], status.message, trailing_metadata=((DETAILS_KEY, status.SerializeToString()),)
    )


def to_status(error: KotError) -> status_pb2.Status:
    """Return the status of an error, with ErrorInfo and, for a wrong field, BadRequest."""
    text = _cut(str(error) or error.reason.lower())
    status = status_pb2.Status(code=CODES[error.reason].value[0], message=text)
    _pack(status, error_details_pb2.ErrorInfo(reason=error.reason.value, domain=DOMAIN))
    if isinstance(error, InvalidInput) and error.field:
        violation = error_details_pb2.BadRequest.FieldViolation(field=_cut(error.field), description=text)
        _pack(status, error_details_pb2.BadRequest(field_violations=[violation]))
    return status


def from_rpc_error(error: grpc.aio.AioRpcError, peer: str) -> KotError:
    """Return the domain error that a call to `peer` failed with."""
    message = f"{peer}: {error.details() or error.code().name.lower()}"
    reason, field = _REASONS.get(error.code(), Reason.INTERNAL), ""
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            # A proxy on the way may send something else.
            with suppress(DecodeError):
                for detail in status_pb2.Status.FromString(value).details:
                    reason, field = _read(detail, reason, field)
    return make_error(reason, message, field=field)


def to_failure(error: KotError) -> thought_pb2.Failure:
    """Return the failure of one request of a batch."""
    return make_failure(error.reason, str(error))


def make_failure(reason: Reason, message: str) -> thought_pb2.Failure:
    """Return the failure of a reason."""
    return thought_pb2.Failure(reason=f"ERROR_REASON_{reason.value}", message=message)


def from_failure(failure: thought_pb2.Failure) -> KotError:
    """Return the error of a failed request of a batch; a reason that is not known yet counts as internal."""
    known = error_reason_pb2.ErrorReason.DESCRIPTOR.values_by_number.get(failure.reason)
    name = known.name.removeprefix("ERROR_REASON_") if known else ""
    return make_error(Reason(name) if name in Reason.__members__ else Reason.INTERNAL, failure.message)


def _cut(text: str) -> str:
    return text.encode()[:MAX_TEXT].decode(errors="ignore")


def _pack(status: status_pb2.Status, detail: error_details_pb2.ErrorInfo | error_details_pb2.BadRequest) -> None:
    packed = AnyMessage()
    packed.Pack(detail)
    status.details.append(packed)


def _read(detail: AnyMessage, reason: Reason, field: str) -> tuple[Reason, str]:
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    if detail.Unpack(info) and info.domain == DOMAIN and info.reason in Reason.__members__:
        return Reason(info.reason), field
    if detail.Unpack(bad) and bad.field_violations:
        return reason, bad.field_violations[0].field
    return reason, field
