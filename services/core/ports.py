"""The ports: what the system needs from the outside world, and what its services need from each other.

Adapters implement them; wrappers (retries, caches, limits) take one and give one.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from services.core.errors import KotError
from services.core.task import EvaluationMethod, Method, PromptStyle, TaskDefinition
from services.core.thought import Dropped, Proposal, State, Usage, Value, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How tokens are drawn."""

    temperature: float = 1.0
    """0 takes the likeliest token; at most 2."""
    top_k: int = 0
    """Draw among the k likeliest tokens; 0 is all."""
    top_p: float = 1.0
    """Draw among the likeliest tokens that hold this probability together; in (0, 1]."""
    max_tokens: int = 40
    """Tokens that one sample may have, its end included."""


# --- the language model ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionRequest:
    """One request of n samples: the unit of seeds, caching and idempotency.

    Equal requests to one revision of a model are interchangeable. `labels`, if set, asks for the probability that
    each of them comes first. `model` names one of several that a worker has; empty is its own default. `fresh` asks
    the model anew, and no cache.
    """

    prompt: str
    samples: int
    sampling: Sampling
    seed: int
    stop: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    model: str = ""
    fresh: bool = False
    trace: str = field(default="", compare=False)
    """Where it belongs in a trace (a W3C traceparent), which says nothing about its answer; empty if not traced."""


@dataclass(frozen=True, slots=True)
class CallBegun:
    """The beginning of a call, where it is known whether it is free of charge; comes first, if it comes.

    `cached` if the answer comes from a cache, or from a call that another makes and pays.
    """

    cached: bool
    paid_by: str = ""
    """Names that call in its trace (a W3C traceparent); empty if it was not traced, or is not known."""


@dataclass(frozen=True, slots=True)
class TextDelta:
    """New text of one sample."""

    sample: int
    text: str


@dataclass(frozen=True, slots=True)
class SampleDone:
    """The end of one sample; `truncated` if it was cut at its largest length.

    `label_probabilities` follow the request's labels; empty if none were asked for or the engine gives none.
    """

    sample: int
    completion_tokens: int
    truncated: bool = False
    label_probabilities: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class CompletionDone:
    """The end of a call, after all samples."""

    prompt_tokens: int


CompletionEvent = CallBegun | TextDelta | SampleDone | CompletionDone


class LanguageModel(Protocol):
    """A model that continues text."""

    name: str
    """Which model."""
    revision: str
    """Which weights: a solve is pinned to them, cache keys contain them. Empty if that is not known here."""

    def complete(self, request: CompletionRequest) -> AsyncGenerator[CompletionEvent, None]:
        """Draw the samples, streaming; closing the iterator or cancelling its task stops the engine's work.

        Raises `PromptTooLong`, `ModelFailed`, `Overloaded`, `WorkerUnavailable`, `DeadlineExceeded`.
        """
        ...

    async def close(self) -> None:
        """Release what the model holds; calls in flight end first or fail."""
        ...


# --- the stages -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSelection:
    """Which task, by its name or its definition, and how its prompts and rules are applied."""

    name: str
    definition: TaskDefinition | None = None
    trust_arithmetic: bool = False
    style: PromptStyle = PromptStyle.BARE


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposeRequest:
    """Asks `model` for next thoughts of one state; `draw` counts how often it was asked for before.

    `fresh` asks the model anew, and no cache; so it does in the other requests.
    """

    id: str
    task: TaskSelection
    state: State
    samples: int
    max_thoughts: int
    sampling: Sampling
    method: Method = Method.STEP
    seed: int = 0
    draw: int = 0
    model: str = ""
    fresh: bool = False
    trace: str = ""
    """Where it belongs in a trace; empty if it is not traced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposeUpdate:
    """News of one `ProposeRequest`: what is new since the last one. The last has `done`, and `error` if it failed."""

    id: str
    proposals: tuple[Proposal, ...] = ()
    dropped: Dropped = field(default_factory=Dropped)
    usage: Usage = field(default_factory=Usage)
    done: bool = False
    error: KotError | None = None


class Proposer(Protocol):
    """The generator, as the orchestrator sees it."""

    def propose(self, batch: Sequence[ProposeRequest]) -> AsyncGenerator[Sequence[ProposeUpdate], None]:
        """Serve a batch; updates come several at a time, in any order between requests, in order within one.

        Raises `TemporaryError` if the stage as a whole fails; a failed request fails alone.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateRequest:
    """Asks `model` for the values of a group of states.

    By value, `samples` labels are drawn for each; with 0, the model's probabilities are read where the prompt style
    puts the label first. `by_model` asks the model even where the task's rule settles the matter.

    By vote, `samples` votes are drawn for all together: children of one state, 1 to `MOST_CHOICES`, whose values are
    their shares of the votes. One alone needs no vote.
    """

    id: str
    task: TaskSelection
    states: tuple[State, ...]
    sampling: Sampling
    method: EvaluationMethod = EvaluationMethod.VALUE
    samples: int = 0
    seed: int = 0
    by_model: bool = False
    model: str = ""
    fresh: bool = False
    traces: tuple[str, ...] = ()
    """Where each state belongs in a trace; empty if none is traced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateUpdate:
    """The judgement of state `index` of one `EvaluateRequest`: its value, or the error that prevented it.

    What a vote has cost is told with the first state.
    """

    id: str
    index: int
    value: Value | None = None
    usage: Usage = field(default_factory=Usage)
    error: KotError | None = None
    pod: str = field(default="", compare=False)
    """Where it was judged."""


class Evaluator(Protocol):
    """The evaluator, as the orchestrator sees it."""

    def evaluate(self, batch: Sequence[EvaluateRequest]) -> AsyncGenerator[Sequence[EvaluateUpdate], None]:
        """Judge every state of a batch; updates come several at a time, in any order.

        Raises `TemporaryError` if the stage as a whole fails; a failed state, or a failed vote, fails alone.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidateRequest:
    """Asks for the verdict on one answer: of the task's rule, or, where it has none, of `model`."""

    id: str
    task: TaskSelection
    problem: str
    answer: str
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0
    model: str = ""
    fresh: bool = False
    trace: str = ""
    """Where it belongs in a trace; empty if it is not traced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidateUpdate:
    """The verdict on one answer, and why, in words; or the error that prevented it."""

    id: str
    verdict: Verdict | None = None
    explanation: str = ""
    usage: Usage = field(default_factory=Usage)
    error: KotError | None = None
    pod: str = field(default="", compare=False)
    """Where it was checked."""


class Validator(Protocol):
    """The validator, as the orchestrator sees it."""

    def validate(self, batch: Sequence[ValidateRequest]) -> AsyncGenerator[Sequence[ValidateUpdate], None]:
        """Judge every answer of a batch; updates come several at a time, in any order.

        Raises `TemporaryError` if the stage as a whole fails; an answer whose model fails, fails alone.
        """
        ...
