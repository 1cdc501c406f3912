"""Records of a solve's log to bytes and back, for every store and bus that carries them."""

from google.protobuf.message import DecodeError

from services.core.errors import Reason, StoreUnusable
from services.core.history import Awaited, Begun, Ended, Parked, Record, Resumed, Round, Told
from services.rpc.convert import (
    event_from_proto,
    event_to_proto,
    limits_from_proto,
    limits_to_proto,
    method_from_proto,
    method_to_proto,
    usage_from_proto,
    usage_to_proto,
)
from services.rpc.gen.kubeofthoughts.v1 import error_reason_pb2, history_pb2, orchestrator_service_pb2

FAILED = "FAILED"
"""The status of what ended with an error."""


def encode(record: Record) -> bytes:
    """Return the bytes of a record."""
    return _to_proto(record).SerializeToString()


def decode(stored: bytes) -> Record:
    """Return the record of these bytes. Raises `StoreUnusable` if they are none that this version knows."""
    try:
        return _from_proto(history_pb2.HistoryRecord.FromString(stored))
    except (DecodeError, ValueError) as error:
        raise StoreUnusable("the log has a record that this version cannot read") from error


def _to_proto(record: Record) -> history_pb2.HistoryRecord:
    wire = history_pb2
    match record:
        case Begun():
            begun = wire.SolveBegun(
                request=record.request,
                request_hash=record.request_hash,
                problem=record.problem,
                task=record.task,
                strategy=record.strategy,
                versions=record.versions,
                begun_at=record.begun_at,
                trace=record.trace,
                release=record.release,
                pod=record.pod,
            )
            return wire.HistoryRecord(begun=begun)
        case Round(told=told, best=best, elapsed=elapsed, away=away):
            round_ = wire.SearchRound(told=map(_told_to_proto, told), best=best, elapsed_seconds=elapsed, away=away)
            return wire.HistoryRecord(round=round_)
        case Awaited(stage=stage):
            return wire.HistoryRecord(awaited=orchestrator_service_pb2.StageAwaited(stage=stage))
        case Parked(why=why, usage=usage, elapsed=elapsed, reason=reason):
            parked = wire.SolveParked(
                why=why, usage=usage_to_proto(usage), elapsed_seconds=elapsed, reason=_reason_to_proto(reason)
            )
            return wire.HistoryRecord(parked=parked)
        case Resumed(pod=pod, limits=limits, trace=trace):
            return wire.HistoryRecord(resumed=wire.SolveResumed(pod=pod, budget=limits_to_proto(limits), trace=trace))
        case Ended():
            return wire.HistoryRecord(ended=_ended_to_proto(record))


def _from_proto(message: history_pb2.HistoryRecord) -> Record:
    match message.WhichOneof("record"):
        case "begun":
            begun = message.begun
            return Begun(
                request=begun.request,
                request_hash=begun.request_hash,
                problem=begun.problem,
                task=begun.task,
                strategy=begun.strategy,
                versions=begun.versions,
                begun_at=begun.begun_at,
                trace=begun.trace,
                release=begun.release,
                pod=begun.pod,
            )
        case "round":
            round_ = message.round
            told = tuple(map(_told_from_proto, round_.told))
            return Round(told=told, best=round_.best, elapsed=round_.elapsed_seconds, away=tuple(round_.away))
        case "parked":
            parked = message.parked
            return Parked(
                why=parked.why,
                usage=usage_from_proto(parked.usage),
                elapsed=parked.elapsed_seconds,
                reason=_reason_from_proto(parked.reason),
            )
        case "awaited":
            return Awaited(stage=message.awaited.stage)
        case "resumed":
            resumed = message.resumed
            return Resumed(pod=resumed.pod, limits=limits_from_proto(resumed.budget), trace=resumed.trace)
        case "ended":
            return _ended_from_proto(message.ended)
        case _:
            raise ValueError("a record of no known kind")


def _told_to_proto(told: Told) -> history_pb2.ExpansionTold:
    return history_pb2.ExpansionTold(
        thought_id=told.thought_id,
        draw=told.draw,
        children=told.children,
        events=[event_to_proto(event, with_key=True) for event in told.events],
        usage=usage_to_proto(told.usage),
        done=told.done,
        failed=told.failed,
        method=method_to_proto(told.method),
    )


def _told_from_proto(message: history_pb2.ExpansionTold) -> Told:
    events = [event_from_proto(event) for event in message.events]
    if None in events:
        raise ValueError("an event of no known kind")
    return Told(
        thought_id=message.thought_id,
        draw=message.draw,
        children=tuple(message.children),
        events=tuple(event for event in events if event is not None),
        usage=usage_from_proto(message.usage),
        done=message.done,
        failed=message.failed,
        method=method_from_proto(message.method),
    )


def _ended_to_proto(ended: Ended) -> history_pb2.SolveEnded:
    failed = ended.status == FAILED
    return history_pb2.SolveEnded(
        status=orchestrator_service_pb2.SOLVE_STATUS_UNSPECIFIED if failed else f"SOLVE_STATUS_{ended.status}",
        answer=ended.answer,
        steps=ended.steps,
        best=ended.best,
        usage=usage_to_proto(ended.usage),
        elapsed_seconds=ended.elapsed,
        reason=_reason_to_proto(ended.reason),
        message=ended.message,
    )


def _ended_from_proto(message: history_pb2.SolveEnded) -> Ended:
    status = orchestrator_service_pb2.SolveStatus.Name(message.status).removeprefix("SOLVE_STATUS_")
    return Ended(
        status=status if message.status else FAILED,
        answer=message.answer,
        steps=tuple(message.steps),
        best=message.best,
        usage=usage_from_proto(message.usage),
        elapsed=message.elapsed_seconds,
        reason=_reason_from_proto(message.reason),
        message=message.message,
    )


def _reason_to_proto(reason: Reason | None) -> str:
    return f"ERROR_REASON_{reason.value if reason else 'UNSPECIFIED'}"


def _reason_from_proto(reason: error_reason_pb2.ErrorReason) -> Reason | None:
    return Reason(error_reason_pb2.ErrorReason.Name(reason).removeprefix("ERROR_REASON_")) if reason else None
