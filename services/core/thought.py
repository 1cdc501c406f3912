"""Thoughts, the states that they lead to, and what is said about them."""

from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b


@dataclass(frozen=True, slots=True)
class State:
    """A partial solution: the problem and the steps taken so far. Self-contained, so that workers hold no state."""

    problem: str
    steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Proposal:
    """A next step that a model proposed, in the task's normal form.

    States with equal `key` are interchangeable for every later prompt. `answer` is set if the step completes a
    solution: it is what the validator judges. The `pod` that proposed it says nothing of what it is.
    """

    text: str
    key: str
    answer: str | None = None
    pod: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Thought:
    """A node's content: one step, `depth` steps from the root. The root has no parent and the problem as its text."""

    id: str
    parent_id: str | None
    depth: int
    text: str
    key: str
    answer: str | None = None

    @staticmethod
    def root(problem: str) -> "Thought":
        """Return the thought that a search begins with."""
        return Thought(id=thought_id("", problem), parent_id=None, depth=0, text=problem, key="")

    def child(self, proposal: Proposal) -> "Thought":
        """Return the thought that `proposal` adds below this one."""
        return Thought(
            id=thought_id(self.id, proposal.text),
            parent_id=self.id,
            depth=self.depth + 1,
            text=proposal.text,
            key=proposal.key,
            answer=proposal.answer,
        )


def thought_id(parent_id: str, text: str) -> str:
    """Derive a thought's id, 16 hexadecimal digits: the same step below the same parent always has the same id."""
    return blake2b(f"{parent_id}\n{text}".encode(), digest_size=8).hexdigest()


class Label(StrEnum):
    """What an evaluator may say of a state (Yao et al. 2023, section 4.1)."""

    SURE = "sure"
    LIKELY = "likely"
    IMPOSSIBLE = "impossible"


@dataclass(frozen=True, slots=True)
class Value:
    """What a state is worth: a share of samples, or the model's probability, for each label; at most 1 in all.

    Or, of a state that was voted on, no labels but the share of `votes` that it got of its group: at most 1 in all of
    the group. That is worth relative to the other choices, so it is no label's: the best of bad choices is not sure,
    and the last of good ones not impossible.
    """

    sure: float = 0.0
    likely: float = 0.0
    impossible: float = 0.0
    votes: float | None = None

    @staticmethod
    def certain(label: Label) -> "Value":
        """Return the value that is all `label`."""
        return Value(**{label.value: 1.0})

    @property
    def score(self) -> float:
        """What a search steers by, from 0 (dead end) to 1: a likely state counts half a sure one.

        Votes lie around that half, from a quarter to three quarters: where the defaults of no search prune, nor take a
        thought for sure.
        """
        if self.votes is not None:
            return 0.25 + 0.5 * self.votes
        return self.sure + 0.5 * self.likely


class Verdict(StrEnum):
    """What a validator says of a complete solution."""

    CERTAIN = "certain"
    IMPOSSIBLE = "impossible"


@dataclass(frozen=True, slots=True)
class Dropped:
    """How many proposed lines did not become thoughts."""

    malformed: int = 0
    illegal: int = 0
    duplicate: int = 0

    def __add__(self, other: "Dropped") -> "Dropped":
        return Dropped(self.malformed + other.malformed, self.illegal + other.illegal, self.duplicate + other.duplicate)


@dataclass(frozen=True, slots=True)
class Usage:
    """What model calls have cost. `prompt_tokens` counts a prompt once, however many samples are drawn from it.

    `dollars` are known where prices are: with the orchestrator.
    """

    model_calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cache_hits: int = 0
    dollars: float = 0.0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.model_calls + other.model_calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cache_hits + other.cache_hits,
            self.dollars + other.dollars,
        )

    def __sub__(self, other: "Usage") -> "Usage":
        return Usage(
            self.model_calls - other.model_calls,
            self.prompt_tokens - other.prompt_tokens,
            self.completion_tokens - other.completion_tokens,
            self.cache_hits - other.cache_hits,
            self.dollars - other.dollars,
        )
