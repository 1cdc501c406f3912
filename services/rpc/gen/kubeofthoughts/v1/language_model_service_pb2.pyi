from services.rpc.gen.buf.validate import validate_pb2 as _validate_pb2
from services.rpc.gen.kubeofthoughts.v1 import thought_pb2 as _thought_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CompleteRequest(_message.Message):
    __slots__ = ("prompt", "samples", "sampling", "seed", "stop", "labels", "model", "fresh", "trace")
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    FRESH_FIELD_NUMBER: _ClassVar[int]
    TRACE_FIELD_NUMBER: _ClassVar[int]
    prompt: str
    samples: int
    sampling: _thought_pb2.Sampling
    seed: int
    stop: _containers.RepeatedScalarFieldContainer[str]
    labels: _containers.RepeatedScalarFieldContainer[str]
    model: str
    fresh: bool
    trace: str
    def __init__(self, prompt: _Optional[str] = ..., samples: _Optional[int] = ..., sampling: _Optional[_Union[_thought_pb2.Sampling, _Mapping]] = ..., seed: _Optional[int] = ..., stop: _Optional[_Iterable[str]] = ..., labels: _Optional[_Iterable[str]] = ..., model: _Optional[str] = ..., fresh: _Optional[bool] = ..., trace: _Optional[str] = ...) -> None: ...

class CompleteResponse(_message.Message):
    __slots__ = ("delta", "sample_done", "done", "begun")
    DELTA_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_DONE_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    BEGUN_FIELD_NUMBER: _ClassVar[int]
    delta: TextDelta
    sample_done: SampleDone
    done: CompletionDone
    begun: CallBegun
    def __init__(self, delta: _Optional[_Union[TextDelta, _Mapping]] = ..., sample_done: _Optional[_Union[SampleDone, _Mapping]] = ..., done: _Optional[_Union[CompletionDone, _Mapping]] = ..., begun: _Optional[_Union[CallBegun, _Mapping]] = ...) -> None: ...

class CallBegun(_message.Message):
    __slots__ = ("cached", "paid_by")
    CACHED_FIELD_NUMBER: _ClassVar[int]
    PAID_BY_FIELD_NUMBER: _ClassVar[int]
    cached: bool
    paid_by: str
    def __init__(self, cached: _Optional[bool] = ..., paid_by: _Optional[str] = ...) -> None: ...

class TextDelta(_message.Message):
    __slots__ = ("sample", "text")
    SAMPLE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    sample: int
    text: str
    def __init__(self, sample: _Optional[int] = ..., text: _Optional[str] = ...) -> None: ...

class SampleDone(_message.Message):
    __slots__ = ("sample", "completion_tokens", "truncated", "label_probabilities")
    SAMPLE_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    LABEL_PROBABILITIES_FIELD_NUMBER: _ClassVar[int]
    sample: int
    completion_tokens: int
    truncated: bool
    label_probabilities: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, sample: _Optional[int] = ..., completion_tokens: _Optional[int] = ..., truncated: _Optional[bool] = ..., label_probabilities: _Optional[_Iterable[float]] = ...) -> None: ...

class CompletionDone(_message.Message):
    __slots__ = ("prompt_tokens", "cached")
    PROMPT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CACHED_FIELD_NUMBER: _ClassVar[int]
    prompt_tokens: int
    cached: bool
    def __init__(self, prompt_tokens: _Optional[int] = ..., cached: _Optional[bool] = ...) -> None: ...
