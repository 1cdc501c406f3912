"""What a solve is asked to do, and how it ends."""

from dataclasses import dataclass, field
from enum import StrEnum

from services.core.budget import Cost, Limits, Resource
from services.core.ports import Evaluator, Proposer, Sampling, TaskSelection, Validator
from services.core.search import Ask, Rules
from services.core.task import STYLE_DEFAULTS, Method
from services.core.thought import Usage


class Concurrency(StrEnum):
    """How the driver runs a policy."""

    SEQUENTIAL = "sequential"
    """One expansion at a time. Deterministic."""
    LEVEL = "level"
    """All that the policy wants to expand at once; results are told in the order of asking. Deterministic."""
    ASYNC = "async"
    """Results are told as they arrive, and the first certain answer ends the search."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SolveOptions:
    """All that a solve depends on, but for its policy."""

    problem: str
    """In the task's normal form."""
    task: TaskSelection
    sampling: Sampling
    """How thoughts are drawn."""
    value_sampling: Sampling
    """How labels are drawn."""
    value_samples: int = 0
    """Labels sampled for a state; 0 reads the model's probabilities where the prompt style puts the label first."""
    limits: Limits
    concurrency: Concurrency = Concurrency.LEVEL
    batch_size: int = 16
    """States sent to a worker in one call."""
    seed: int = 0
    rules: Rules = field(default_factory=Rules)
    """The policy's own."""

    def thoughts_at_most(self, ask: Ask, samples: int) -> int:
        """Return how many thoughts `samples` completions can bring."""
        if self.rules.method is not Method.STEP:
            return min(ask.max_thoughts, samples)
        return min(ask.max_thoughts, samples * STYLE_DEFAULTS[self.task.style].lines)

    def worst_cost(self, ask: Ask, samples: int) -> Cost:
        """Return what an expansion can cost at most, the judging of its children included."""
        thoughts = self.thoughts_at_most(ask, samples)
        judged = thoughts if self.rules.method is Method.STEP else 0
        labels = judged * max(self.value_samples, 1)
        return Cost(
            nodes=thoughts,
            model_calls=1 + judged,
            completion_tokens=samples * self.sampling.max_tokens + labels * self.value_sampling.max_tokens,
        )


@dataclass(frozen=True, slots=True)
class Stages:
    """The other services."""

    proposer: Proposer
    evaluator: Evaluator
    validator: Validator


class SolveStatus(StrEnum):
    """How a solve ended; the names are those of the wire's `SolveStatus`."""

    SOLVED = "SOLVED"
    EXHAUSTED = "EXHAUSTED"
    NODES_SPENT = "NODES_SPENT"
    MODEL_CALLS_SPENT = "MODEL_CALLS_SPENT"
    COMPLETION_TOKENS_SPENT = "COMPLETION_TOKENS_SPENT"
    WALL_TIME_SPENT = "WALL_TIME_SPENT"
    CANCELLED = "CANCELLED"


SPENT = {
    Resource.NODES: SolveStatus.NODES_SPENT,
    Resource.MODEL_CALLS: SolveStatus.MODEL_CALLS_SPENT,
    Resource.COMPLETION_TOKENS: SolveStatus.COMPLETION_TOKENS_SPENT,
    Resource.WALL_TIME: SolveStatus.WALL_TIME_SPENT,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a solve: the answer and its steps, or the best line of thought so far."""

    status: SolveStatus
    answer: str
    steps: tuple[str, ...]
    usage: Usage
