from services.rpc.gen.buf.validate import validate_pb2 as _validate_pb2
from services.rpc.gen.kubeofthoughts.v1 import thought_pb2 as _thought_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ProposalMethod(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PROPOSAL_METHOD_UNSPECIFIED: _ClassVar[ProposalMethod]
    PROPOSAL_METHOD_STEP: _ClassVar[ProposalMethod]
    PROPOSAL_METHOD_CHAIN: _ClassVar[ProposalMethod]
    PROPOSAL_METHOD_DIRECT: _ClassVar[ProposalMethod]
PROPOSAL_METHOD_UNSPECIFIED: ProposalMethod
PROPOSAL_METHOD_STEP: ProposalMethod
PROPOSAL_METHOD_CHAIN: ProposalMethod
PROPOSAL_METHOD_DIRECT: ProposalMethod

class GenerateRequest(_message.Message):
    __slots__ = ("id", "task", "state", "samples", "max_thoughts", "sampling", "seed", "draw", "method", "model", "fresh", "trace")
    ID_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    MAX_THOUGHTS_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    DRAW_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    FRESH_FIELD_NUMBER: _ClassVar[int]
    TRACE_FIELD_NUMBER: _ClassVar[int]
    id: str
    task: _thought_pb2.TaskReference
    state: _thought_pb2.State
    samples: int
    max_thoughts: int
    sampling: _thought_pb2.Sampling
    seed: int
    draw: int
    method: ProposalMethod
    model: str
    fresh: bool
    trace: str
    def __init__(self, id: _Optional[str] = ..., task: _Optional[_Union[_thought_pb2.TaskReference, _Mapping]] = ..., state: _Optional[_Union[_thought_pb2.State, _Mapping]] = ..., samples: _Optional[int] = ..., max_thoughts: _Optional[int] = ..., sampling: _Optional[_Union[_thought_pb2.Sampling, _Mapping]] = ..., seed: _Optional[int] = ..., draw: _Optional[int] = ..., method: _Optional[_Union[ProposalMethod, str]] = ..., model: _Optional[str] = ..., fresh: _Optional[bool] = ..., trace: _Optional[str] = ...) -> None: ...

class GenerateResponse(_message.Message):
    __slots__ = ("updates", "pod")
    UPDATES_FIELD_NUMBER: _ClassVar[int]
    POD_FIELD_NUMBER: _ClassVar[int]
    updates: _containers.RepeatedCompositeFieldContainer[GenerateUpdate]
    pod: str
    def __init__(self, updates: _Optional[_Iterable[_Union[GenerateUpdate, _Mapping]]] = ..., pod: _Optional[str] = ...) -> None: ...

class GenerateUpdate(_message.Message):
    __slots__ = ("id", "proposals", "dropped", "usage", "done", "failure")
    ID_FIELD_NUMBER: _ClassVar[int]
    PROPOSALS_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    id: str
    proposals: _containers.RepeatedCompositeFieldContainer[Proposal]
    dropped: Dropped
    usage: _thought_pb2.Usage
    done: bool
    failure: _thought_pb2.Failure
    def __init__(self, id: _Optional[str] = ..., proposals: _Optional[_Iterable[_Union[Proposal, _Mapping]]] = ..., dropped: _Optional[_Union[Dropped, _Mapping]] = ..., usage: _Optional[_Union[_thought_pb2.Usage, _Mapping]] = ..., done: _Optional[bool] = ..., failure: _Optional[_Union[_thought_pb2.Failure, _Mapping]] = ...) -> None: ...

class Proposal(_message.Message):
    __slots__ = ("text", "key", "answer")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    text: str
    key: str
    answer: str
    def __init__(self, text: _Optional[str] = ..., key: _Optional[str] = ..., answer: _Optional[str] = ...) -> None: ...

class Dropped(_message.Message):
    __slots__ = ("malformed", "illegal", "duplicate")
    MALFORMED_FIELD_NUMBER: _ClassVar[int]
    ILLEGAL_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    malformed: int
    illegal: int
    duplicate: int
    def __init__(self, malformed: _Optional[int] = ..., illegal: _Optional[int] = ..., duplicate: _Optional[int] = ...) -> None: ...
