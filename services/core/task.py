"""The port of a task: a class of problems, its prompts and its rules."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from services.core.errors import InvalidInput, Reason
from services.core.thought import Label, Proposal, State, Verdict


class PromptStyle(StrEnum):
    """How prompts are written."""

    BARE = "bare"
    """The terse format of the embedded model: a sample is one thought, a verdict is its first token."""
    FEW_SHOT = "few_shot"
    """Instructions and examples for general models: a sample lists several thoughts, a verdict is its last line."""


class Method(StrEnum):
    """What a proposal is asked for."""

    STEP = "step"
    """Next thoughts, one a line."""
    CHAIN = "chain"
    """A whole chain of thought that ends with the answer (Wei et al. 2022, arXiv 2201.11903)."""
    DIRECT = "direct"
    """The answer at once (input-output prompting)."""


class EvaluationMethod(StrEnum):
    """How states are judged (Yao et al. 2023, section 3)."""

    VALUE = "value"
    """Each state alone: sure, likely or impossible."""
    VOTE = "vote"
    """The children of one expansion together: which of them is the most promising."""


VOTES = 5
"""Votes drawn for a group of states where a solve does not say (Yao et al. 2023, section 4.2)."""
MOST_CHOICES = 20
"""States that one vote may be about."""


@dataclass(frozen=True, slots=True)
class StyleDefaults:
    """What suits a prompt style, or a task in it, where a solve does not say."""

    samples: int
    """Completions drawn for a state."""
    rollouts: int
    """Whole solutions drawn to look ahead from a state: worth their tokens where a chain costs no more than a step."""
    lines: int
    """Thoughts that one completion may list; further lines are left unread."""
    thought_tokens: int
    """Tokens of one completion that proposes."""
    chain_tokens: int
    """Tokens of one completion that goes the whole way to the answer."""
    value_tokens: int
    """Tokens of one completion that judges: a label, or a vote."""
    value_samples: int
    """Labels sampled for a state; 0 reads the model's probabilities, since the label is the first token."""
    verdict_tokens: int
    """Tokens of one completion that gives a verdict on an answer."""


STYLE_DEFAULTS = {
    PromptStyle.BARE: StyleDefaults(
        samples=8,
        rollouts=1,
        lines=1,
        thought_tokens=40,
        chain_tokens=100,
        value_tokens=4,
        value_samples=0,
        verdict_tokens=4,
    ),
    PromptStyle.FEW_SHOT: StyleDefaults(
        samples=1,
        rollouts=0,
        lines=12,
        thought_tokens=300,
        chain_tokens=300,
        value_tokens=120,
        value_samples=3,
        verdict_tokens=120,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDefinition:
    """A task without code: its prompts, and what else a user says of a class of problems.

    The prompts are templates: `services.tasks._prompts` says what may stand in them.
    """

    name: str
    summary: str = ""
    example: str = ""
    depth: int
    """Steps from the problem to an answer, at most."""
    propose: str
    evaluate: str
    validate: str
    vote: str = ""
    """Asks which of several next steps is the most promising; if empty, steps are not voted on."""
    answer: str = ""
    """What a line begins with that completes a solution; if empty, all steps together are the solution."""
    propose_tokens: int = 0
    """Tokens of one completion that proposes; 0 here and below is what suits the prompt style."""
    evaluate_tokens: int = 0
    """Tokens of one completion that judges a state, or votes."""
    validate_tokens: int = 0
    """Tokens of one completion that judges an answer."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A rendered prompt.

    `stop` texts end a completion and are not part of it. `labels` are set if the answer's first token is one of them,
    so that an engine can give their probabilities instead of samples. `whole` if a completion is one thought, whatever
    its lines; else each line is one.
    """

    text: str
    stop: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    whole: bool = False


class InvalidProblem(InvalidInput):
    """The task cannot read the problem."""

    def __init__(self, message: str) -> None:
        super().__init__(message, field="problem", reason=Reason.INVALID_PROBLEM)


class ThoughtRejected(Exception):
    """A proposed line is no thought."""


class MalformedThought(ThoughtRejected):
    """The line is not in the task's format."""


class IllegalThought(ThoughtRejected):
    """The line is in the task's format but against its rules."""


class Task(Protocol):
    """A class of problems. Pure: no I/O, no state. One instance serves any number of solves.

    Every method that takes a state raises `InvalidInput` for one that is none of this task's.
    """

    name: str
    """What `Solve` calls it; the name of its module."""
    version: str
    """Changes with prompts or rules, so that what was said under other ones is not mistaken for these."""
    summary: str
    """One sentence."""
    example: str
    """A problem as a user would write it."""
    depth: int
    """Steps from the problem to an answer, at most."""
    checked: bool
    """Whether `validate` applies a rule, and so is always right. A task that is not is a `ModelValidated` too."""
    longest_thought: int
    """Bytes of the longest line that is read as a thought, or more: by so many may a child's value prompt be longer."""

    def normalize(self, problem: str) -> str:
        """Return the normal form of `problem`; `InvalidProblem` if it cannot be read."""
        ...

    def propose_prompt(self, state: State, style: PromptStyle, method: Method = Method.STEP) -> Prompt:
        """Ask for next thoughts of `state`, or for a whole solution."""
        ...

    def parse_thought(self, state: State, line: str, *, trust: bool) -> Proposal:
        """Read one proposed line, or a whole completion where the prompt asked for it; the thought's text is one line.

        With `trust`, what it says it leads to is believed unchecked. Raises `MalformedThought` or `IllegalThought`.
        """
        ...

    def parse_solution(self, state: State, text: str) -> Proposal:
        """Read one whole completion of a chain or direct prompt: a proposal with an answer.

        Solutions with the same answer have the same key. Raises `MalformedThought`.
        """
        ...

    def value_prompt(self, state: State, style: PromptStyle) -> Prompt:
        """Ask what `state` is worth."""
        ...

    def parse_value(self, text: str) -> Label | None:
        """Read the label from one completion of a value prompt; None if it has none."""
        ...

    def value_by_rule(self, state: State) -> Label | None:
        """Return the label that needs no model, because the task's rule settles it; None if only a model can tell."""
        ...

    def validate(self, problem: str, answer: str) -> tuple[Verdict, str] | None:
        """Judge a complete solution: the verdict, and why, in words; None if only a model can tell."""
        ...


@runtime_checkable
class ModelValidated(Protocol):
    """What a task has besides, if a model has to be asked whether an answer is right."""

    longest_answer: int
    """Bytes by which an answer may make the prompt longer."""

    def validate_prompt(self, problem: str, answer: str, style: PromptStyle) -> Prompt:
        """Ask whether `answer` solves `problem`."""
        ...

    def parse_verdict(self, text: str) -> Verdict | None:
        """Read the verdict from the completion of a validate prompt; None if it has none."""
        ...


@runtime_checkable
class Votable(Protocol):
    """What a task has besides, if a model can say which of several steps is the most promising.

    Such a task is voted on unless a solve asks for values.
    """

    longest_choice: int
    """Bytes by which one choice may make a vote's prompt longer."""

    def vote_prompt(self, state: State, choices: Sequence[str], style: PromptStyle) -> Prompt:
        """Ask which step from `state` is the best; `choices` are texts of thoughts, and are called 1, 2 and so on.

        Raises `InvalidInput` for a state, or a choice, that is none of this task's.
        """
        ...

    def parse_vote(self, text: str, count: int) -> int | None:
        """Read the best of `count` choices, from 1, from one completion of a vote prompt; None if it names none."""
        ...


@runtime_checkable
class OwnDefaults(Protocol):
    """What a task has besides, if other lengths or numbers of samples suit it than its prompt style's."""

    def defaults(self, style: PromptStyle) -> StyleDefaults:
        """Return what suits this task in a prompt style."""
        ...


def defaults_of(task: Task, style: PromptStyle) -> StyleDefaults:
    """Return what suits a task in a prompt style: its own, or else the style's."""
    return task.defaults(style) if isinstance(task, OwnDefaults) else STYLE_DEFAULTS[style]
