from services.rpc.gen.buf.validate import validate_pb2 as _validate_pb2
from services.rpc.gen.kubeofthoughts.v1 import error_reason_pb2 as _error_reason_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PromptStyle(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PROMPT_STYLE_UNSPECIFIED: _ClassVar[PromptStyle]
    PROMPT_STYLE_BARE: _ClassVar[PromptStyle]
    PROMPT_STYLE_FEW_SHOT: _ClassVar[PromptStyle]

class Verdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VERDICT_UNSPECIFIED: _ClassVar[Verdict]
    VERDICT_CERTAIN: _ClassVar[Verdict]
    VERDICT_IMPOSSIBLE: _ClassVar[Verdict]
PROMPT_STYLE_UNSPECIFIED: PromptStyle
PROMPT_STYLE_BARE: PromptStyle
PROMPT_STYLE_FEW_SHOT: PromptStyle
VERDICT_UNSPECIFIED: Verdict
VERDICT_CERTAIN: Verdict
VERDICT_IMPOSSIBLE: Verdict

class State(_message.Message):
    __slots__ = ("problem", "steps")
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    problem: str
    steps: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, problem: _Optional[str] = ..., steps: _Optional[_Iterable[str]] = ...) -> None: ...

class TaskDefinition(_message.Message):
    __slots__ = ("name", "summary", "example", "depth", "propose", "evaluate", "validate", "answer", "propose_tokens", "evaluate_tokens", "validate_tokens", "vote")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    PROPOSE_FIELD_NUMBER: _ClassVar[int]
    EVALUATE_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    PROPOSE_TOKENS_FIELD_NUMBER: _ClassVar[int]
    EVALUATE_TOKENS_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_TOKENS_FIELD_NUMBER: _ClassVar[int]
    VOTE_FIELD_NUMBER: _ClassVar[int]
    name: str
    summary: str
    example: str
    depth: int
    propose: str
    evaluate: str
    validate: str
    answer: str
    propose_tokens: int
    evaluate_tokens: int
    validate_tokens: int
    vote: str
    def __init__(self, name: _Optional[str] = ..., summary: _Optional[str] = ..., example: _Optional[str] = ..., depth: _Optional[int] = ..., propose: _Optional[str] = ..., evaluate: _Optional[str] = ..., validate: _Optional[str] = ..., answer: _Optional[str] = ..., propose_tokens: _Optional[int] = ..., evaluate_tokens: _Optional[int] = ..., validate_tokens: _Optional[int] = ..., vote: _Optional[str] = ...) -> None: ...

class TaskReference(_message.Message):
    __slots__ = ("name", "trust_arithmetic", "prompt_style", "definition")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TRUST_ARITHMETIC_FIELD_NUMBER: _ClassVar[int]
    PROMPT_STYLE_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    name: str
    trust_arithmetic: bool
    prompt_style: PromptStyle
    definition: TaskDefinition
    def __init__(self, name: _Optional[str] = ..., trust_arithmetic: _Optional[bool] = ..., prompt_style: _Optional[_Union[PromptStyle, str]] = ..., definition: _Optional[_Union[TaskDefinition, _Mapping]] = ...) -> None: ...

class Sampling(_message.Message):
    __slots__ = ("temperature", "top_k", "top_p", "max_tokens")
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    TOP_P_FIELD_NUMBER: _ClassVar[int]
    MAX_TOKENS_FIELD_NUMBER: _ClassVar[int]
    temperature: float
    top_k: int
    top_p: float
    max_tokens: int
    def __init__(self, temperature: _Optional[float] = ..., top_k: _Optional[int] = ..., top_p: _Optional[float] = ..., max_tokens: _Optional[int] = ...) -> None: ...

class Usage(_message.Message):
    __slots__ = ("model_calls", "prompt_tokens", "completion_tokens", "cache_hits", "dollars")
    MODEL_CALLS_FIELD_NUMBER: _ClassVar[int]
    PROMPT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CACHE_HITS_FIELD_NUMBER: _ClassVar[int]
    DOLLARS_FIELD_NUMBER: _ClassVar[int]
    model_calls: int
    prompt_tokens: int
    completion_tokens: int
    cache_hits: int
    dollars: float
    def __init__(self, model_calls: _Optional[int] = ..., prompt_tokens: _Optional[int] = ..., completion_tokens: _Optional[int] = ..., cache_hits: _Optional[int] = ..., dollars: _Optional[float] = ...) -> None: ...

class Failure(_message.Message):
    __slots__ = ("reason", "message")
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    reason: _error_reason_pb2.ErrorReason
    message: str
    def __init__(self, reason: _Optional[_Union[_error_reason_pb2.ErrorReason, str]] = ..., message: _Optional[str] = ...) -> None: ...

class Value(_message.Message):
    __slots__ = ("sure", "likely", "impossible", "votes")
    SURE_FIELD_NUMBER: _ClassVar[int]
    LIKELY_FIELD_NUMBER: _ClassVar[int]
    IMPOSSIBLE_FIELD_NUMBER: _ClassVar[int]
    VOTES_FIELD_NUMBER: _ClassVar[int]
    sure: float
    likely: float
    impossible: float
    votes: float
    def __init__(self, sure: _Optional[float] = ..., likely: _Optional[float] = ..., impossible: _Optional[float] = ..., votes: _Optional[float] = ...) -> None: ...
