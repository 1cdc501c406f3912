from services.rpc.gen.kubeofthoughts.v1 import error_reason_pb2 as _error_reason_pb2
from services.rpc.gen.kubeofthoughts.v1 import generator_service_pb2 as _generator_service_pb2
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as _orchestrator_service_pb2
from services.rpc.gen.kubeofthoughts.v1 import thought_pb2 as _thought_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class HistoryRecord(_message.Message):
    __slots__ = ("begun", "round", "parked", "resumed", "ended", "awaited")
    BEGUN_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    PARKED_FIELD_NUMBER: _ClassVar[int]
    RESUMED_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    AWAITED_FIELD_NUMBER: _ClassVar[int]
    begun: SolveBegun
    round: SearchRound
    parked: SolveParked
    resumed: SolveResumed
    ended: SolveEnded
    awaited: _orchestrator_service_pb2.StageAwaited
    def __init__(self, begun: _Optional[_Union[SolveBegun, _Mapping]] = ..., round: _Optional[_Union[SearchRound, _Mapping]] = ..., parked: _Optional[_Union[SolveParked, _Mapping]] = ..., resumed: _Optional[_Union[SolveResumed, _Mapping]] = ..., ended: _Optional[_Union[SolveEnded, _Mapping]] = ..., awaited: _Optional[_Union[_orchestrator_service_pb2.StageAwaited, _Mapping]] = ...) -> None: ...

class SolveBegun(_message.Message):
    __slots__ = ("request", "request_hash", "problem", "task", "strategy", "versions", "begun_at", "trace", "release", "pod")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    REQUEST_HASH_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    BEGUN_AT_FIELD_NUMBER: _ClassVar[int]
    TRACE_FIELD_NUMBER: _ClassVar[int]
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    POD_FIELD_NUMBER: _ClassVar[int]
    request: bytes
    request_hash: str
    problem: str
    task: str
    strategy: str
    versions: str
    begun_at: float
    trace: str
    release: str
    pod: str
    def __init__(self, request: _Optional[bytes] = ..., request_hash: _Optional[str] = ..., problem: _Optional[str] = ..., task: _Optional[str] = ..., strategy: _Optional[str] = ..., versions: _Optional[str] = ..., begun_at: _Optional[float] = ..., trace: _Optional[str] = ..., release: _Optional[str] = ..., pod: _Optional[str] = ...) -> None: ...

class SearchRound(_message.Message):
    __slots__ = ("told", "best", "elapsed_seconds", "away")
    TOLD_FIELD_NUMBER: _ClassVar[int]
    BEST_FIELD_NUMBER: _ClassVar[int]
    ELAPSED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    AWAY_FIELD_NUMBER: _ClassVar[int]
    told: _containers.RepeatedCompositeFieldContainer[ExpansionTold]
    best: str
    elapsed_seconds: float
    away: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, told: _Optional[_Iterable[_Union[ExpansionTold, _Mapping]]] = ..., best: _Optional[str] = ..., elapsed_seconds: _Optional[float] = ..., away: _Optional[_Iterable[str]] = ...) -> None: ...

class ExpansionTold(_message.Message):
    __slots__ = ("thought_id", "draw", "children", "events", "usage", "done", "failed", "method")
    THOUGHT_ID_FIELD_NUMBER: _ClassVar[int]
    DRAW_FIELD_NUMBER: _ClassVar[int]
    CHILDREN_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    thought_id: str
    draw: int
    children: _containers.RepeatedScalarFieldContainer[str]
    events: _containers.RepeatedCompositeFieldContainer[_orchestrator_service_pb2.ThoughtEvent]
    usage: _thought_pb2.Usage
    done: bool
    failed: bool
    method: _generator_service_pb2.ProposalMethod
    def __init__(self, thought_id: _Optional[str] = ..., draw: _Optional[int] = ..., children: _Optional[_Iterable[str]] = ..., events: _Optional[_Iterable[_Union[_orchestrator_service_pb2.ThoughtEvent, _Mapping]]] = ..., usage: _Optional[_Union[_thought_pb2.Usage, _Mapping]] = ..., done: _Optional[bool] = ..., failed: _Optional[bool] = ..., method: _Optional[_Union[_generator_service_pb2.ProposalMethod, str]] = ...) -> None: ...

class SolveParked(_message.Message):
    __slots__ = ("why", "usage", "elapsed_seconds", "reason")
    WHY_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    ELAPSED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    why: str
    usage: _thought_pb2.Usage
    elapsed_seconds: float
    reason: _error_reason_pb2.ErrorReason
    def __init__(self, why: _Optional[str] = ..., usage: _Optional[_Union[_thought_pb2.Usage, _Mapping]] = ..., elapsed_seconds: _Optional[float] = ..., reason: _Optional[_Union[_error_reason_pb2.ErrorReason, str]] = ...) -> None: ...

class SolveResumed(_message.Message):
    __slots__ = ("pod", "budget", "trace")
    POD_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    TRACE_FIELD_NUMBER: _ClassVar[int]
    pod: str
    budget: _orchestrator_service_pb2.Budget
    trace: str
    def __init__(self, pod: _Optional[str] = ..., budget: _Optional[_Union[_orchestrator_service_pb2.Budget, _Mapping]] = ..., trace: _Optional[str] = ...) -> None: ...

class SolveEnded(_message.Message):
    __slots__ = ("status", "answer", "steps", "best", "usage", "elapsed_seconds", "reason", "message")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    BEST_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    ELAPSED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    status: _orchestrator_service_pb2.SolveStatus
    answer: str
    steps: _containers.RepeatedScalarFieldContainer[str]
    best: str
    usage: _thought_pb2.Usage
    elapsed_seconds: float
    reason: _error_reason_pb2.ErrorReason
    message: str
    def __init__(self, status: _Optional[_Union[_orchestrator_service_pb2.SolveStatus, str]] = ..., answer: _Optional[str] = ..., steps: _Optional[_Iterable[str]] = ..., best: _Optional[str] = ..., usage: _Optional[_Union[_thought_pb2.Usage, _Mapping]] = ..., elapsed_seconds: _Optional[float] = ..., reason: _Optional[_Union[_error_reason_pb2.ErrorReason, str]] = ..., message: _Optional[str] = ...) -> None: ...
