from services.rpc.gen.buf.validate import validate_pb2 as _validate_pb2
from services.rpc.gen.kubeofthoughts.v1 import thought_pb2 as _thought_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ValidateRequest(_message.Message):
    __slots__ = ("id", "task", "problem", "answer", "sampling", "seed", "model", "fresh", "trace")
    ID_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    FRESH_FIELD_NUMBER: _ClassVar[int]
    TRACE_FIELD_NUMBER: _ClassVar[int]
    id: str
    task: _thought_pb2.TaskReference
    problem: str
    answer: str
    sampling: _thought_pb2.Sampling
    seed: int
    model: str
    fresh: bool
    trace: str
    def __init__(self, id: _Optional[str] = ..., task: _Optional[_Union[_thought_pb2.TaskReference, _Mapping]] = ..., problem: _Optional[str] = ..., answer: _Optional[str] = ..., sampling: _Optional[_Union[_thought_pb2.Sampling, _Mapping]] = ..., seed: _Optional[int] = ..., model: _Optional[str] = ..., fresh: _Optional[bool] = ..., trace: _Optional[str] = ...) -> None: ...

class ValidateResponse(_message.Message):
    __slots__ = ("updates", "pod")
    UPDATES_FIELD_NUMBER: _ClassVar[int]
    POD_FIELD_NUMBER: _ClassVar[int]
    updates: _containers.RepeatedCompositeFieldContainer[ValidateUpdate]
    pod: str
    def __init__(self, updates: _Optional[_Iterable[_Union[ValidateUpdate, _Mapping]]] = ..., pod: _Optional[str] = ...) -> None: ...

class ValidateUpdate(_message.Message):
    __slots__ = ("id", "verdict", "explanation", "usage", "failure")
    ID_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    id: str
    verdict: _thought_pb2.Verdict
    explanation: str
    usage: _thought_pb2.Usage
    failure: _thought_pb2.Failure
    def __init__(self, id: _Optional[str] = ..., verdict: _Optional[_Union[_thought_pb2.Verdict, str]] = ..., explanation: _Optional[str] = ..., usage: _Optional[_Union[_thought_pb2.Usage, _Mapping]] = ..., failure: _Optional[_Union[_thought_pb2.Failure, _Mapping]] = ...) -> None: ...
