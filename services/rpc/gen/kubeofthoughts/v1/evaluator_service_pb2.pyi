from services.rpc.gen.buf.validate import validate_pb2 as _validate_pb2
from services.rpc.gen.kubeofthoughts.v1 import thought_pb2 as _thought_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EvaluationMethod(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVALUATION_METHOD_UNSPECIFIED: _ClassVar[EvaluationMethod]
    EVALUATION_METHOD_VALUE: _ClassVar[EvaluationMethod]
    EVALUATION_METHOD_VOTE: _ClassVar[EvaluationMethod]
EVALUATION_METHOD_UNSPECIFIED: EvaluationMethod
EVALUATION_METHOD_VALUE: EvaluationMethod
EVALUATION_METHOD_VOTE: EvaluationMethod

class EvaluateRequest(_message.Message):
    __slots__ = ("id", "task", "states", "method", "samples", "sampling", "seed", "by_model", "model", "fresh", "traces")
    ID_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    BY_MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    FRESH_FIELD_NUMBER: _ClassVar[int]
    TRACES_FIELD_NUMBER: _ClassVar[int]
    id: str
    task: _thought_pb2.TaskReference
    states: _containers.RepeatedCompositeFieldContainer[_thought_pb2.State]
    method: EvaluationMethod
    samples: int
    sampling: _thought_pb2.Sampling
    seed: int
    by_model: bool
    model: str
    fresh: bool
    traces: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[str] = ..., task: _Optional[_Union[_thought_pb2.TaskReference, _Mapping]] = ..., states: _Optional[_Iterable[_Union[_thought_pb2.State, _Mapping]]] = ..., method: _Optional[_Union[EvaluationMethod, str]] = ..., samples: _Optional[int] = ..., sampling: _Optional[_Union[_thought_pb2.Sampling, _Mapping]] = ..., seed: _Optional[int] = ..., by_model: _Optional[bool] = ..., model: _Optional[str] = ..., fresh: _Optional[bool] = ..., traces: _Optional[_Iterable[str]] = ...) -> None: ...

class EvaluateResponse(_message.Message):
    __slots__ = ("updates", "pod")
    UPDATES_FIELD_NUMBER: _ClassVar[int]
    POD_FIELD_NUMBER: _ClassVar[int]
    updates: _containers.RepeatedCompositeFieldContainer[EvaluateUpdate]
    pod: str
    def __init__(self, updates: _Optional[_Iterable[_Union[EvaluateUpdate, _Mapping]]] = ..., pod: _Optional[str] = ...) -> None: ...

class EvaluateUpdate(_message.Message):
    __slots__ = ("id", "index", "value", "usage", "failure")
    ID_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    id: str
    index: int
    value: _thought_pb2.Value
    usage: _thought_pb2.Usage
    failure: _thought_pb2.Failure
    def __init__(self, id: _Optional[str] = ..., index: _Optional[int] = ..., value: _Optional[_Union[_thought_pb2.Value, _Mapping]] = ..., usage: _Optional[_Union[_thought_pb2.Usage, _Mapping]] = ..., failure: _Optional[_Union[_thought_pb2.Failure, _Mapping]] = ...) -> None: ...
