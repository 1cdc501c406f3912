"""Hard budgets: the worst case of a call is reserved before it is made and refunded after."""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from enum import StrEnum

from services.core.thought import Usage


class Resource(StrEnum):
    """What a budget limits."""

    NODES = "nodes"
    DEPTH = "depth"
    MODEL_CALLS = "model_calls"
    PROMPT_TOKENS = "prompt_tokens"
    COMPLETION_TOKENS = "completion_tokens"
    DOLLARS = "dollars"
    WALL_TIME = "wall_seconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one solve may spend."""

    nodes: int = 10_000
    """Thoughts in the tree."""
    depth: int = 64
    """Steps from the root to a thought."""
    model_calls: int = 10_000
    """Requests to the model."""
    prompt_tokens: int = 10_000_000
    """Tokens read by the model."""
    completion_tokens: int = 20_000
    """Tokens written by the model."""
    dollars: float = math.inf
    """What the models charge, at the prices that the settings name."""
    wall_seconds: float = 60.0
    """Seconds from the first call to a worker that serves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a call may cost at most, or has cost."""

    nodes: int = 0
    model_calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    dollars: float = 0.0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            nodes=self.nodes + other.nodes,
            model_calls=self.model_calls + other.model_calls,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            dollars=self.dollars + other.dollars,
        )

    def __mul__(self, times: int) -> "Cost":
        return Cost(**{name: times * getattr(self, name) for name in _LIMITED})

    def or_more(self, other: "Cost") -> "Cost":
        """Return what either costs at most, of each resource."""
        return Cost(**{name: max(getattr(self, name), getattr(other, name)) for name in _LIMITED})

    def __sub__(self, other: "Cost") -> "Cost":
        return Cost(
            nodes=self.nodes - other.nodes,
            model_calls=self.model_calls - other.model_calls,
            prompt_tokens=self.prompt_tokens - other.prompt_tokens,
            completion_tokens=self.completion_tokens - other.completion_tokens,
            dollars=self.dollars - other.dollars,
        )


@dataclass(frozen=True, slots=True)
class Price:
    """What a model charges, in dollars a million tokens."""

    prompt: float = 0.0
    completion: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.prompt < math.inf and 0 <= self.completion < math.inf):
            raise ValueError("a price is a number of dollars, at least 0")

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Return the price of so many tokens, in dollars."""
        return (self.prompt * prompt_tokens + self.completion * completion_tokens) / 1e6

    def charged(self, usage: Usage) -> Usage:
        """Return the usage with its price added to it."""
        return replace(usage, dollars=usage.dollars + self.of(usage.prompt_tokens, usage.completion_tokens))


_LIMITED = tuple(field.name for field in fields(Cost))
_ROUNDING = 1e-9
"""Dollars are added and taken away again as fractions; a limit is not missed by that."""


class Budget:
    """What is spent and what is promised, against the limits. What is promised never exceeds them."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.spent = Cost()
        self.usage = Usage()
        self._reserved = Cost()

    def reserve(self, cost: Cost) -> Resource | None:
        """Promise `cost`; if a limit forbids it, promise nothing and name the limit."""
        after = self.spent + self._reserved + cost
        for name in _LIMITED:
            if getattr(after, name) > getattr(self.limits, name) + _ROUNDING:
                return Resource(name)
        self._reserved += cost
        return None

    def reserve_most(self, wanted: int, cost_of: Callable[[int], Cost]) -> tuple[int, Cost, Resource | None]:
        """Reserve for as many samples as fit, at most `wanted`.

        `cost_of` must grow with its argument. Returns the samples (0 if not even one fits), what was reserved for
        them, and the limit that forbade more (None if all fitted).
        """
        short = self.reserve(cost_of(wanted))
        if short is None:
            return wanted, cost_of(wanted), None
        fits, too_many = 0, wanted
        while too_many - fits > 1:
            middle = (fits + too_many) // 2
            forbidden = self.reserve(cost_of(middle))
            if forbidden is None:
                self._reserved -= cost_of(middle)
                fits = middle
            else:
                too_many, short = middle, forbidden
        if fits:
            self.reserve(cost_of(fits))
        return fits, cost_of(fits) if fits else Cost(), short

    def refund(self, reserved: Cost) -> None:
        """Give back what was reserved for a call that is not made."""
        self._reserved -= reserved

    def settle(self, reserved: Cost, *, nodes: int, usage: Usage) -> None:
        """Book what a call has cost and give back what was reserved for it."""
        self._reserved -= reserved
        self.spent += Cost(
            nodes=nodes,
            model_calls=usage.model_calls,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            dollars=usage.dollars,
        )
        self.usage += usage
