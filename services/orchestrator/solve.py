"""What a solve is asked to do, and how it ends."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from services.core.budget import Cost, Limits, Price, Resource
from services.core.ports import Evaluator, Proposer, Sampling, TaskSelection, Validator
from services.core.search import Ask, Rules
from services.core.task import MOST_CHOICES, EvaluationMethod, Method, ModelValidated, Prompt, Task, Votable
from services.core.thought import State, Usage

TEMPLATE_TOKENS = 256
"""What a chat template may add to a prompt."""


class Concurrency(StrEnum):
    """How the driver runs a policy."""

    SEQUENTIAL = "sequential"
    """One expansion at a time. Deterministic."""
    LEVEL = "level"
    """All that the policy wants to expand at once; results are told in the order of asking. Deterministic."""
    ASYNC = "async"
    """Thoughts are told as they are judged, and the first certain answer ends the search."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SolveOptions:
    """All that a solve depends on, but for its policy."""

    problem: str
    """In the task's normal form."""
    task: TaskSelection
    """As what proposes sees it."""
    value_task: TaskSelection
    """As what judges sees it."""
    validate_task: TaskSelection
    """As what checks answers sees it."""
    propose_model: str = ""
    """The name of the generator's model; its default one if empty."""
    value_model: str = ""
    """The name of the evaluator's model; its default one if empty."""
    validate_model: str = ""
    """The name of the validator's model; its default one if empty."""
    sampling: Mapping[Method, Sampling]
    """How thoughts are drawn, by what is asked for."""
    value_sampling: Sampling
    """How labels are drawn."""
    validate_sampling: Sampling
    """How verdicts are drawn, where a model gives them."""
    evaluation: EvaluationMethod = EvaluationMethod.VALUE
    """How steps are judged."""
    value_samples: int = 0
    """Labels sampled for a state; 0 reads the model's probabilities where the prompt style puts the label first.
    Of votes, how many are sampled for a group."""
    lines: int = 1
    """Thoughts that one completion may list."""
    limits: Limits
    concurrency: Concurrency
    batch_size: int
    """States sent to a worker in one call."""
    seed: int = 0
    fresh: bool = False
    """Whether models are asked anew, and no cache of their answers."""
    rules: Rules = field(default_factory=Rules)
    """The policy's own."""
    propose_price: Price = field(default_factory=Price)
    """What the model charges that proposes."""
    value_price: Price = field(default_factory=Price)
    """What the model charges that judges."""
    validate_price: Price = field(default_factory=Price)
    """What the model charges that checks answers."""

    def votes_on(self, ask: Ask) -> bool:
        """Tell whether what an ask brings is voted on; whole solutions are not, since each is checked anyway."""
        return self.evaluation is EvaluationMethod.VOTE and ask.method is Method.STEP

    def thoughts_at_most(self, ask: Ask, samples: int) -> int:
        """Return how many thoughts `samples` completions can bring; no more than one vote may be about."""
        if ask.method is not Method.STEP:
            return min(ask.max_thoughts, samples)
        most = min(ask.max_thoughts, samples * self.lines)
        return min(most, MOST_CHOICES) if self.votes_on(ask) else most

    def worst_cost(self, task: Task, state: State, ask: Ask) -> Callable[[int, int], Cost]:
        """Return what so many samples, and so many thoughts of them, can cost at most, all judging included.

        A step is judged or, if it is an answer, checked; a whole solution is checked. Steps that are voted on may all
        have to be checked besides. A prompt may have to be read again for each sample.
        """
        prompt = _most_tokens(task.propose_prompt(state, self.task.style, ask.method))
        judging = self._worst_judging(task, state, ask)

        def cost(samples: int, thoughts: int) -> Cost:
            thoughts = min(thoughts, self.thoughts_at_most(ask, samples))
            written = samples * self.sampling[ask.method].max_tokens
            return Cost(nodes=thoughts) + _cost(samples * prompt, written, self.propose_price) + judging(thoughts)

        return cost

    def _worst_judging(self, task: Task, state: State, ask: Ask) -> Callable[[int], Cost]:
        """Return what judging so many children of an ask can cost."""
        checking = self._worst_checking(task, state)
        if self.votes_on(ask):
            voting = self._worst_vote(task, state)
            return lambda thoughts: voting(thoughts) + checking * thoughts
        if ask.method is Method.STEP:
            checking = checking.or_more(self._worst_valuing(task, state))
        return lambda thoughts: checking * thoughts

    def _worst_vote(self, task: Task, state: State) -> Callable[[int], Cost]:
        """Return what a vote about so many children can cost; one alone needs none."""
        if not isinstance(task, Votable):
            raise TypeError(f"task {task.name} has no prompt for votes")
        prompt = _most_tokens(task.vote_prompt(state, (), self.value_task.style))
        longest = task.longest_choice
        written = self.value_samples * self.value_sampling.max_tokens

        def cost(thoughts: int) -> Cost:
            if thoughts < 2:
                return Cost()
            return _cost(self.value_samples * (prompt + thoughts * longest), written, self.value_price)

        return cost

    def _worst_valuing(self, task: Task, state: State) -> Cost:
        """Return what judging a child alone can cost: its prompt is longer than its parent's by at most a thought."""
        prompt = _most_tokens(task.value_prompt(state, self.value_task.style)) + task.longest_thought
        samples = max(self.value_samples, 1)
        return _cost(samples * prompt, samples * self.value_sampling.max_tokens, self.value_price)

    def _worst_checking(self, task: Task, state: State) -> Cost:
        """Return what checking an answer can cost; nothing, if a rule does it."""
        if not isinstance(task, ModelValidated):
            return Cost()
        prompt = _most_tokens(task.validate_prompt(state.problem, "", self.validate_task.style)) + task.longest_answer
        return _cost(prompt, self.validate_sampling.max_tokens, self.validate_price)


def _most_tokens(prompt: Prompt) -> int:
    """Return how many tokens a prompt can have: one a byte, and what a chat template adds."""
    return len(prompt.text.encode()) + TEMPLATE_TOKENS


def _cost(prompt_tokens: int, completion_tokens: int, price: Price) -> Cost:
    """Return what one call costs."""
    return Cost(
        model_calls=1,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        dollars=price.of(prompt_tokens, completion_tokens),
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
    DEPTH_SPENT = "DEPTH_SPENT"
    MODEL_CALLS_SPENT = "MODEL_CALLS_SPENT"
    PROMPT_TOKENS_SPENT = "PROMPT_TOKENS_SPENT"
    COMPLETION_TOKENS_SPENT = "COMPLETION_TOKENS_SPENT"
    DOLLARS_SPENT = "DOLLARS_SPENT"
    WALL_TIME_SPENT = "WALL_TIME_SPENT"
    CANCELLED = "CANCELLED"


SPENT = {
    Resource.NODES: SolveStatus.NODES_SPENT,
    Resource.DEPTH: SolveStatus.DEPTH_SPENT,
    Resource.MODEL_CALLS: SolveStatus.MODEL_CALLS_SPENT,
    Resource.PROMPT_TOKENS: SolveStatus.PROMPT_TOKENS_SPENT,
    Resource.COMPLETION_TOKENS: SolveStatus.COMPLETION_TOKENS_SPENT,
    Resource.DOLLARS: SolveStatus.DOLLARS_SPENT,
    Resource.WALL_TIME: SolveStatus.WALL_TIME_SPENT,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a solve: the answer and its steps, or the best line of thought so far."""

    status: SolveStatus
    answer: str
    steps: tuple[str, ...]
    best: str
    """Id of the last of the steps."""
    usage: Usage
