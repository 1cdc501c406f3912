import datetime

from services.rpc.gen.buf.validate import validate_pb2 as _validate_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from services.rpc.gen.kubeofthoughts.v1 import evaluator_service_pb2 as _evaluator_service_pb2
from services.rpc.gen.kubeofthoughts.v1 import generator_service_pb2 as _generator_service_pb2
from services.rpc.gen.kubeofthoughts.v1 import thought_pb2 as _thought_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EventDetail(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVENT_DETAIL_UNSPECIFIED: _ClassVar[EventDetail]
    EVENT_DETAIL_RESULT: _ClassVar[EventDetail]
    EVENT_DETAIL_PROGRESS: _ClassVar[EventDetail]
    EVENT_DETAIL_ALL: _ClassVar[EventDetail]

class ConcurrencyModel(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONCURRENCY_MODEL_UNSPECIFIED: _ClassVar[ConcurrencyModel]
    CONCURRENCY_MODEL_SEQUENTIAL: _ClassVar[ConcurrencyModel]
    CONCURRENCY_MODEL_LEVEL: _ClassVar[ConcurrencyModel]
    CONCURRENCY_MODEL_ASYNC: _ClassVar[ConcurrencyModel]

class SolveStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SOLVE_STATUS_UNSPECIFIED: _ClassVar[SolveStatus]
    SOLVE_STATUS_SOLVED: _ClassVar[SolveStatus]
    SOLVE_STATUS_EXHAUSTED: _ClassVar[SolveStatus]
    SOLVE_STATUS_NODES_SPENT: _ClassVar[SolveStatus]
    SOLVE_STATUS_MODEL_CALLS_SPENT: _ClassVar[SolveStatus]
    SOLVE_STATUS_COMPLETION_TOKENS_SPENT: _ClassVar[SolveStatus]
    SOLVE_STATUS_WALL_TIME_SPENT: _ClassVar[SolveStatus]
    SOLVE_STATUS_CANCELLED: _ClassVar[SolveStatus]
    SOLVE_STATUS_DEPTH_SPENT: _ClassVar[SolveStatus]
    SOLVE_STATUS_PROMPT_TOKENS_SPENT: _ClassVar[SolveStatus]
    SOLVE_STATUS_DOLLARS_SPENT: _ClassVar[SolveStatus]

class SolveState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SOLVE_STATE_UNSPECIFIED: _ClassVar[SolveState]
    SOLVE_STATE_RUNNING: _ClassVar[SolveState]
    SOLVE_STATE_PARKED: _ClassVar[SolveState]
    SOLVE_STATE_ENDED: _ClassVar[SolveState]
    SOLVE_STATE_FAILED: _ClassVar[SolveState]

class ThoughtStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    THOUGHT_STATUS_UNSPECIFIED: _ClassVar[ThoughtStatus]
    THOUGHT_STATUS_OPEN: _ClassVar[ThoughtStatus]
    THOUGHT_STATUS_PRUNED: _ClassVar[ThoughtStatus]
    THOUGHT_STATUS_FAILED: _ClassVar[ThoughtStatus]
    THOUGHT_STATUS_REJECTED: _ClassVar[ThoughtStatus]
    THOUGHT_STATUS_ANSWER: _ClassVar[ThoughtStatus]
EVENT_DETAIL_UNSPECIFIED: EventDetail
EVENT_DETAIL_RESULT: EventDetail
EVENT_DETAIL_PROGRESS: EventDetail
EVENT_DETAIL_ALL: EventDetail
CONCURRENCY_MODEL_UNSPECIFIED: ConcurrencyModel
CONCURRENCY_MODEL_SEQUENTIAL: ConcurrencyModel
CONCURRENCY_MODEL_LEVEL: ConcurrencyModel
CONCURRENCY_MODEL_ASYNC: ConcurrencyModel
SOLVE_STATUS_UNSPECIFIED: SolveStatus
SOLVE_STATUS_SOLVED: SolveStatus
SOLVE_STATUS_EXHAUSTED: SolveStatus
SOLVE_STATUS_NODES_SPENT: SolveStatus
SOLVE_STATUS_MODEL_CALLS_SPENT: SolveStatus
SOLVE_STATUS_COMPLETION_TOKENS_SPENT: SolveStatus
SOLVE_STATUS_WALL_TIME_SPENT: SolveStatus
SOLVE_STATUS_CANCELLED: SolveStatus
SOLVE_STATUS_DEPTH_SPENT: SolveStatus
SOLVE_STATUS_PROMPT_TOKENS_SPENT: SolveStatus
SOLVE_STATUS_DOLLARS_SPENT: SolveStatus
SOLVE_STATE_UNSPECIFIED: SolveState
SOLVE_STATE_RUNNING: SolveState
SOLVE_STATE_PARKED: SolveState
SOLVE_STATE_ENDED: SolveState
SOLVE_STATE_FAILED: SolveState
THOUGHT_STATUS_UNSPECIFIED: ThoughtStatus
THOUGHT_STATUS_OPEN: ThoughtStatus
THOUGHT_STATUS_PRUNED: ThoughtStatus
THOUGHT_STATUS_FAILED: ThoughtStatus
THOUGHT_STATUS_REJECTED: ThoughtStatus
THOUGHT_STATUS_ANSWER: ThoughtStatus

class SolveRequest(_message.Message):
    __slots__ = ("request_id", "problem", "task", "strategy", "settings", "sampling", "value_samples", "budget", "event_detail", "concurrency", "request_batch_size", "seed", "trust_arithmetic", "prompt_style", "propose", "value", "definition", "validate", "fresh", "evaluation")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    VALUE_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    EVENT_DETAIL_FIELD_NUMBER: _ClassVar[int]
    CONCURRENCY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    TRUST_ARITHMETIC_FIELD_NUMBER: _ClassVar[int]
    PROMPT_STYLE_FIELD_NUMBER: _ClassVar[int]
    PROPOSE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_FIELD_NUMBER: _ClassVar[int]
    FRESH_FIELD_NUMBER: _ClassVar[int]
    EVALUATION_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    problem: str
    task: str
    strategy: str
    settings: _struct_pb2.Struct
    sampling: _thought_pb2.Sampling
    value_samples: int
    budget: Budget
    event_detail: EventDetail
    concurrency: ConcurrencyModel
    request_batch_size: int
    seed: int
    trust_arithmetic: bool
    prompt_style: _thought_pb2.PromptStyle
    propose: StageModel
    value: StageModel
    definition: _thought_pb2.TaskDefinition
    validate: StageModel
    fresh: bool
    evaluation: _evaluator_service_pb2.EvaluationMethod
    def __init__(self, request_id: _Optional[str] = ..., problem: _Optional[str] = ..., task: _Optional[str] = ..., strategy: _Optional[str] = ..., settings: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., sampling: _Optional[_Union[_thought_pb2.Sampling, _Mapping]] = ..., value_samples: _Optional[int] = ..., budget: _Optional[_Union[Budget, _Mapping]] = ..., event_detail: _Optional[_Union[EventDetail, str]] = ..., concurrency: _Optional[_Union[ConcurrencyModel, str]] = ..., request_batch_size: _Optional[int] = ..., seed: _Optional[int] = ..., trust_arithmetic: _Optional[bool] = ..., prompt_style: _Optional[_Union[_thought_pb2.PromptStyle, str]] = ..., propose: _Optional[_Union[StageModel, _Mapping]] = ..., value: _Optional[_Union[StageModel, _Mapping]] = ..., definition: _Optional[_Union[_thought_pb2.TaskDefinition, _Mapping]] = ..., validate: _Optional[_Union[StageModel, _Mapping]] = ..., fresh: _Optional[bool] = ..., evaluation: _Optional[_Union[_evaluator_service_pb2.EvaluationMethod, str]] = ...) -> None: ...

class StageModel(_message.Message):
    __slots__ = ("model", "sampling", "prompt_style")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    PROMPT_STYLE_FIELD_NUMBER: _ClassVar[int]
    model: str
    sampling: _thought_pb2.Sampling
    prompt_style: _thought_pb2.PromptStyle
    def __init__(self, model: _Optional[str] = ..., sampling: _Optional[_Union[_thought_pb2.Sampling, _Mapping]] = ..., prompt_style: _Optional[_Union[_thought_pb2.PromptStyle, str]] = ...) -> None: ...

class Budget(_message.Message):
    __slots__ = ("nodes", "model_calls", "completion_tokens", "wall_seconds", "depth", "prompt_tokens", "dollars")
    NODES_FIELD_NUMBER: _ClassVar[int]
    MODEL_CALLS_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    WALL_SECONDS_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    PROMPT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    DOLLARS_FIELD_NUMBER: _ClassVar[int]
    nodes: int
    model_calls: int
    completion_tokens: int
    wall_seconds: float
    depth: int
    prompt_tokens: int
    dollars: float
    def __init__(self, nodes: _Optional[int] = ..., model_calls: _Optional[int] = ..., completion_tokens: _Optional[int] = ..., wall_seconds: _Optional[float] = ..., depth: _Optional[int] = ..., prompt_tokens: _Optional[int] = ..., dollars: _Optional[float] = ...) -> None: ...

class SolveResponse(_message.Message):
    __slots__ = ("accepted", "awaited", "thoughts", "progress", "result", "taken_up")
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    AWAITED_FIELD_NUMBER: _ClassVar[int]
    THOUGHTS_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    TAKEN_UP_FIELD_NUMBER: _ClassVar[int]
    accepted: SolveAccepted
    awaited: StageAwaited
    thoughts: ThoughtEvents
    progress: Progress
    result: SolveResult
    taken_up: SolveTakenUp
    def __init__(self, accepted: _Optional[_Union[SolveAccepted, _Mapping]] = ..., awaited: _Optional[_Union[StageAwaited, _Mapping]] = ..., thoughts: _Optional[_Union[ThoughtEvents, _Mapping]] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., result: _Optional[_Union[SolveResult, _Mapping]] = ..., taken_up: _Optional[_Union[SolveTakenUp, _Mapping]] = ...) -> None: ...

class SolveAccepted(_message.Message):
    __slots__ = ("solve_id", "problem", "root_id", "strategy", "pod", "trace")
    SOLVE_ID_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    ROOT_ID_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    POD_FIELD_NUMBER: _ClassVar[int]
    TRACE_FIELD_NUMBER: _ClassVar[int]
    solve_id: str
    problem: str
    root_id: str
    strategy: str
    pod: str
    trace: str
    def __init__(self, solve_id: _Optional[str] = ..., problem: _Optional[str] = ..., root_id: _Optional[str] = ..., strategy: _Optional[str] = ..., pod: _Optional[str] = ..., trace: _Optional[str] = ...) -> None: ...

class SolveTakenUp(_message.Message):
    __slots__ = ("pod", "trace")
    POD_FIELD_NUMBER: _ClassVar[int]
    TRACE_FIELD_NUMBER: _ClassVar[int]
    pod: str
    trace: str
    def __init__(self, pod: _Optional[str] = ..., trace: _Optional[str] = ...) -> None: ...

class StageAwaited(_message.Message):
    __slots__ = ("stage",)
    STAGE_FIELD_NUMBER: _ClassVar[int]
    stage: str
    def __init__(self, stage: _Optional[str] = ...) -> None: ...

class ThoughtEvents(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[ThoughtEvent]
    def __init__(self, events: _Optional[_Iterable[_Union[ThoughtEvent, _Mapping]]] = ...) -> None: ...

class ThoughtEvent(_message.Message):
    __slots__ = ("thought_id", "proposed", "merged", "evaluated", "validated", "pruned", "expanded", "failed")
    THOUGHT_ID_FIELD_NUMBER: _ClassVar[int]
    PROPOSED_FIELD_NUMBER: _ClassVar[int]
    MERGED_FIELD_NUMBER: _ClassVar[int]
    EVALUATED_FIELD_NUMBER: _ClassVar[int]
    VALIDATED_FIELD_NUMBER: _ClassVar[int]
    PRUNED_FIELD_NUMBER: _ClassVar[int]
    EXPANDED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    thought_id: str
    proposed: ThoughtProposed
    merged: ThoughtMerged
    evaluated: ThoughtEvaluated
    validated: ThoughtValidated
    pruned: ThoughtPruned
    expanded: ThoughtExpanded
    failed: ThoughtFailed
    def __init__(self, thought_id: _Optional[str] = ..., proposed: _Optional[_Union[ThoughtProposed, _Mapping]] = ..., merged: _Optional[_Union[ThoughtMerged, _Mapping]] = ..., evaluated: _Optional[_Union[ThoughtEvaluated, _Mapping]] = ..., validated: _Optional[_Union[ThoughtValidated, _Mapping]] = ..., pruned: _Optional[_Union[ThoughtPruned, _Mapping]] = ..., expanded: _Optional[_Union[ThoughtExpanded, _Mapping]] = ..., failed: _Optional[_Union[ThoughtFailed, _Mapping]] = ...) -> None: ...

class ThoughtProposed(_message.Message):
    __slots__ = ("parent_id", "depth", "text", "answer", "key", "pod")
    PARENT_ID_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    POD_FIELD_NUMBER: _ClassVar[int]
    parent_id: str
    depth: int
    text: str
    answer: str
    key: str
    pod: str
    def __init__(self, parent_id: _Optional[str] = ..., depth: _Optional[int] = ..., text: _Optional[str] = ..., answer: _Optional[str] = ..., key: _Optional[str] = ..., pod: _Optional[str] = ...) -> None: ...

class ThoughtMerged(_message.Message):
    __slots__ = ("parent_id", "text")
    PARENT_ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    parent_id: str
    text: str
    def __init__(self, parent_id: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class ThoughtEvaluated(_message.Message):
    __slots__ = ("value", "score", "pod")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    POD_FIELD_NUMBER: _ClassVar[int]
    value: _thought_pb2.Value
    score: float
    pod: str
    def __init__(self, value: _Optional[_Union[_thought_pb2.Value, _Mapping]] = ..., score: _Optional[float] = ..., pod: _Optional[str] = ...) -> None: ...

class ThoughtValidated(_message.Message):
    __slots__ = ("verdict", "explanation", "pod")
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    POD_FIELD_NUMBER: _ClassVar[int]
    verdict: _thought_pb2.Verdict
    explanation: str
    pod: str
    def __init__(self, verdict: _Optional[_Union[_thought_pb2.Verdict, str]] = ..., explanation: _Optional[str] = ..., pod: _Optional[str] = ...) -> None: ...

class ThoughtPruned(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...

class ThoughtExpanded(_message.Message):
    __slots__ = ("draw", "dropped", "usage")
    DRAW_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    draw: int
    dropped: _generator_service_pb2.Dropped
    usage: _thought_pb2.Usage
    def __init__(self, draw: _Optional[int] = ..., dropped: _Optional[_Union[_generator_service_pb2.Dropped, _Mapping]] = ..., usage: _Optional[_Union[_thought_pb2.Usage, _Mapping]] = ...) -> None: ...

class ThoughtFailed(_message.Message):
    __slots__ = ("failure",)
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    failure: _thought_pb2.Failure
    def __init__(self, failure: _Optional[_Union[_thought_pb2.Failure, _Mapping]] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("nodes", "merged", "depth", "best", "usage", "away")
    NODES_FIELD_NUMBER: _ClassVar[int]
    MERGED_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    BEST_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    AWAY_FIELD_NUMBER: _ClassVar[int]
    nodes: int
    merged: int
    depth: int
    best: str
    usage: _thought_pb2.Usage
    away: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, nodes: _Optional[int] = ..., merged: _Optional[int] = ..., depth: _Optional[int] = ..., best: _Optional[str] = ..., usage: _Optional[_Union[_thought_pb2.Usage, _Mapping]] = ..., away: _Optional[_Iterable[str]] = ...) -> None: ...

class SolveResult(_message.Message):
    __slots__ = ("solve_id", "status", "answer", "steps", "usage", "elapsed_seconds", "progress")
    SOLVE_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    ELAPSED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    solve_id: str
    status: SolveStatus
    answer: str
    steps: _containers.RepeatedScalarFieldContainer[str]
    usage: _thought_pb2.Usage
    elapsed_seconds: float
    progress: Progress
    def __init__(self, solve_id: _Optional[str] = ..., status: _Optional[_Union[SolveStatus, str]] = ..., answer: _Optional[str] = ..., steps: _Optional[_Iterable[str]] = ..., usage: _Optional[_Union[_thought_pb2.Usage, _Mapping]] = ..., elapsed_seconds: _Optional[float] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ...) -> None: ...

class WatchSolveRequest(_message.Message):
    __slots__ = ("solve_id", "event_detail")
    SOLVE_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_DETAIL_FIELD_NUMBER: _ClassVar[int]
    solve_id: str
    event_detail: EventDetail
    def __init__(self, solve_id: _Optional[str] = ..., event_detail: _Optional[_Union[EventDetail, str]] = ...) -> None: ...

class ResumeSolveRequest(_message.Message):
    __slots__ = ("solve_id", "budget", "event_detail")
    SOLVE_ID_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    EVENT_DETAIL_FIELD_NUMBER: _ClassVar[int]
    solve_id: str
    budget: Budget
    event_detail: EventDetail
    def __init__(self, solve_id: _Optional[str] = ..., budget: _Optional[_Union[Budget, _Mapping]] = ..., event_detail: _Optional[_Union[EventDetail, str]] = ...) -> None: ...

class GetSolveRequest(_message.Message):
    __slots__ = ("solve_id",)
    SOLVE_ID_FIELD_NUMBER: _ClassVar[int]
    solve_id: str
    def __init__(self, solve_id: _Optional[str] = ...) -> None: ...

class GetSolveResponse(_message.Message):
    __slots__ = ("solve", "request", "prompt_style")
    SOLVE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    PROMPT_STYLE_FIELD_NUMBER: _ClassVar[int]
    solve: SolveDescription
    request: SolveRequest
    prompt_style: _thought_pb2.PromptStyle
    def __init__(self, solve: _Optional[_Union[SolveDescription, _Mapping]] = ..., request: _Optional[_Union[SolveRequest, _Mapping]] = ..., prompt_style: _Optional[_Union[_thought_pb2.PromptStyle, str]] = ...) -> None: ...

class ListSolvesRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListSolvesResponse(_message.Message):
    __slots__ = ("solves", "next_page_token")
    SOLVES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    solves: _containers.RepeatedCompositeFieldContainer[SolveDescription]
    next_page_token: str
    def __init__(self, solves: _Optional[_Iterable[_Union[SolveDescription, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class SolveDescription(_message.Message):
    __slots__ = ("solve_id", "problem", "task", "strategy", "begun", "state", "status", "answer", "usage", "elapsed_seconds", "message")
    SOLVE_ID_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    BEGUN_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    ELAPSED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    solve_id: str
    problem: str
    task: str
    strategy: str
    begun: _timestamp_pb2.Timestamp
    state: SolveState
    status: SolveStatus
    answer: str
    usage: _thought_pb2.Usage
    elapsed_seconds: float
    message: str
    def __init__(self, solve_id: _Optional[str] = ..., problem: _Optional[str] = ..., task: _Optional[str] = ..., strategy: _Optional[str] = ..., begun: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., state: _Optional[_Union[SolveState, str]] = ..., status: _Optional[_Union[SolveStatus, str]] = ..., answer: _Optional[str] = ..., usage: _Optional[_Union[_thought_pb2.Usage, _Mapping]] = ..., elapsed_seconds: _Optional[float] = ..., message: _Optional[str] = ...) -> None: ...

class GetTreeRequest(_message.Message):
    __slots__ = ("solve_id",)
    SOLVE_ID_FIELD_NUMBER: _ClassVar[int]
    solve_id: str
    def __init__(self, solve_id: _Optional[str] = ...) -> None: ...

class GetTreeResponse(_message.Message):
    __slots__ = ("thoughts",)
    THOUGHTS_FIELD_NUMBER: _ClassVar[int]
    thoughts: _containers.RepeatedCompositeFieldContainer[TreeThought]
    def __init__(self, thoughts: _Optional[_Iterable[_Union[TreeThought, _Mapping]]] = ...) -> None: ...

class TreeThought(_message.Message):
    __slots__ = ("thought_id", "parent_id", "depth", "text", "answer", "value", "score", "status", "note", "draws", "usage", "on_answer_path", "merged")
    THOUGHT_ID_FIELD_NUMBER: _ClassVar[int]
    PARENT_ID_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    DRAWS_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    ON_ANSWER_PATH_FIELD_NUMBER: _ClassVar[int]
    MERGED_FIELD_NUMBER: _ClassVar[int]
    thought_id: str
    parent_id: str
    depth: int
    text: str
    answer: str
    value: _thought_pb2.Value
    score: float
    status: ThoughtStatus
    note: str
    draws: int
    usage: _thought_pb2.Usage
    on_answer_path: bool
    merged: _containers.RepeatedCompositeFieldContainer[ThoughtMerged]
    def __init__(self, thought_id: _Optional[str] = ..., parent_id: _Optional[str] = ..., depth: _Optional[int] = ..., text: _Optional[str] = ..., answer: _Optional[str] = ..., value: _Optional[_Union[_thought_pb2.Value, _Mapping]] = ..., score: _Optional[float] = ..., status: _Optional[_Union[ThoughtStatus, str]] = ..., note: _Optional[str] = ..., draws: _Optional[int] = ..., usage: _Optional[_Union[_thought_pb2.Usage, _Mapping]] = ..., on_answer_path: _Optional[bool] = ..., merged: _Optional[_Iterable[_Union[ThoughtMerged, _Mapping]]] = ...) -> None: ...

class GetThoughtRequest(_message.Message):
    __slots__ = ("solve_id", "thought_id")
    SOLVE_ID_FIELD_NUMBER: _ClassVar[int]
    THOUGHT_ID_FIELD_NUMBER: _ClassVar[int]
    solve_id: str
    thought_id: str
    def __init__(self, solve_id: _Optional[str] = ..., thought_id: _Optional[str] = ...) -> None: ...

class GetThoughtResponse(_message.Message):
    __slots__ = ("thought", "proposed", "evaluated", "validated", "elapsed_seconds", "expansion_usage", "trace", "prompts_left_out")
    THOUGHT_FIELD_NUMBER: _ClassVar[int]
    PROPOSED_FIELD_NUMBER: _ClassVar[int]
    EVALUATED_FIELD_NUMBER: _ClassVar[int]
    VALIDATED_FIELD_NUMBER: _ClassVar[int]
    ELAPSED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    EXPANSION_USAGE_FIELD_NUMBER: _ClassVar[int]
    TRACE_FIELD_NUMBER: _ClassVar[int]
    PROMPTS_LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    thought: TreeThought
    proposed: StageReport
    evaluated: StageReport
    validated: StageReport
    elapsed_seconds: float
    expansion_usage: _thought_pb2.Usage
    trace: str
    prompts_left_out: str
    def __init__(self, thought: _Optional[_Union[TreeThought, _Mapping]] = ..., proposed: _Optional[_Union[StageReport, _Mapping]] = ..., evaluated: _Optional[_Union[StageReport, _Mapping]] = ..., validated: _Optional[_Union[StageReport, _Mapping]] = ..., elapsed_seconds: _Optional[float] = ..., expansion_usage: _Optional[_Union[_thought_pb2.Usage, _Mapping]] = ..., trace: _Optional[str] = ..., prompts_left_out: _Optional[str] = ...) -> None: ...

class StageReport(_message.Message):
    __slots__ = ("prompt", "pod")
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    POD_FIELD_NUMBER: _ClassVar[int]
    prompt: str
    pod: str
    def __init__(self, prompt: _Optional[str] = ..., pod: _Optional[str] = ...) -> None: ...

class CancelSolveRequest(_message.Message):
    __slots__ = ("solve_id",)
    SOLVE_ID_FIELD_NUMBER: _ClassVar[int]
    solve_id: str
    def __init__(self, solve_id: _Optional[str] = ...) -> None: ...

class CancelSolveResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListTasksRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListTasksResponse(_message.Message):
    __slots__ = ("tasks",)
    TASKS_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[TaskDescription]
    def __init__(self, tasks: _Optional[_Iterable[_Union[TaskDescription, _Mapping]]] = ...) -> None: ...

class TaskDescription(_message.Message):
    __slots__ = ("name", "summary", "example", "depth", "prompts")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    PROMPTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    summary: str
    example: str
    depth: int
    prompts: TaskPrompts
    def __init__(self, name: _Optional[str] = ..., summary: _Optional[str] = ..., example: _Optional[str] = ..., depth: _Optional[int] = ..., prompts: _Optional[_Union[TaskPrompts, _Mapping]] = ...) -> None: ...

class TaskPrompts(_message.Message):
    __slots__ = ("propose", "evaluate", "validate")
    PROPOSE_FIELD_NUMBER: _ClassVar[int]
    EVALUATE_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_FIELD_NUMBER: _ClassVar[int]
    propose: str
    evaluate: str
    validate: str
    def __init__(self, propose: _Optional[str] = ..., evaluate: _Optional[str] = ..., validate: _Optional[str] = ...) -> None: ...

class ListStrategiesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListStrategiesResponse(_message.Message):
    __slots__ = ("strategies",)
    STRATEGIES_FIELD_NUMBER: _ClassVar[int]
    strategies: _containers.RepeatedCompositeFieldContainer[StrategyDescription]
    def __init__(self, strategies: _Optional[_Iterable[_Union[StrategyDescription, _Mapping]]] = ...) -> None: ...

class StrategyDescription(_message.Message):
    __slots__ = ("name", "summary", "settings")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    name: str
    summary: str
    settings: _containers.RepeatedCompositeFieldContainer[SettingDescription]
    def __init__(self, name: _Optional[str] = ..., summary: _Optional[str] = ..., settings: _Optional[_Iterable[_Union[SettingDescription, _Mapping]]] = ...) -> None: ...

class SettingDescription(_message.Message):
    __slots__ = ("name", "type", "default", "minimum", "maximum", "text")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: str
    default: _struct_pb2.Value
    minimum: float
    maximum: float
    text: str
    def __init__(self, name: _Optional[str] = ..., type: _Optional[str] = ..., default: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., minimum: _Optional[float] = ..., maximum: _Optional[float] = ..., text: _Optional[str] = ...) -> None: ...
