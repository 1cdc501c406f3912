"""Search as ask and tell: the port of a search policy, and the settings that describe themselves.

A policy is pure and deterministic. It owns no clock, no I/O and no concurrency: a driver asks it what to expand and
tells it what came of that, in any order, at any time. What it asks next is a function of its settings and of the calls
so far, in order: replaying the asks and tells replays the search.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Protocol, TypeVar

from services.core.errors import InvalidInput, Reason
from services.core.task import Method
from services.core.thought import Value, Verdict


@dataclass(frozen=True, slots=True)
class Ask:
    """Expand this thought: draw `samples` completions, keep at most `max_thoughts` distinct ones.

    `draw` counts from 0 how often this thought was asked for; another draw is another stream of samples. `method` says
    what each completion is to be: a next step, or a whole solution that goes on from here.
    """

    thought_id: str
    draw: int
    samples: int
    max_thoughts: int
    method: Method = Method.STEP


@dataclass(frozen=True, slots=True)
class Child:
    """What an expansion brought: a thought that is new, or one that was reached before.

    A partial solution has a value, an answer a verdict. What has no value cannot be expanded: an answer, or a thought
    that could not be judged; nor can what lies `too_deep` for the budget.
    """

    thought_id: str
    depth: int
    value: Value | None = None
    verdict: Verdict | None = None
    too_deep: bool = False

    @property
    def score(self) -> float:
        """The value's score, from 0 to 1; 0 if there is none."""
        return self.value.score if self.value else 0.0

    @property
    def dead(self) -> bool:
        """Whether it cannot be expanded."""
        return self.value is None or self.too_deep


@dataclass(frozen=True, slots=True)
class Tell:
    """What came of an `Ask` since the last tell of it; `done` if that is all.

    `failed` if the thought cannot be expanded and is to be left aside. A driver that does not wait tells children as
    they are judged; another tells all of them at once.
    """

    thought_id: str
    draw: int
    children: tuple[Child, ...] = ()
    done: bool = True
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Prune:
    """The policy leaves this thought aside, and why."""

    thought_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How a driver is to run a policy."""

    stops_at_answer: bool = True
    """Whether the first certain answer ends the search; if not, it ends when the policy does, with its best."""
    merges: bool = True
    """Whether interchangeable states are one thought with several parents."""
    trusts: bool = False
    """Whether what a model says is believed: no step is checked, and no rule judges a state in the model's place."""
    value_samples: int = 0
    """Labels sampled for a state, where the request does not say; 0 is what suits the prompt style."""
    version: str = "1"
    """Changes when a policy asks, or prunes, otherwise than before: a stored search of another one is not taken up."""


class SearchPolicy(Protocol):
    """Which thoughts to expand, in which order. Made by `Policy(root_id, settings)` of its module."""

    rules: Rules
    """The same for every search of this policy."""

    def ask(self, capacity: int) -> Sequence[Ask]:
        """Return at most `capacity` thoughts to expand now; each stays asked until it is told to be done.

        Nothing, while something is asked and untold: wait for it. Nothing, while nothing is: the search is over.
        """
        ...

    def tell(self, result: Tell) -> Sequence[Prune]:
        """Take the outcome of an `Ask`; a late or repeated one is ignored. Returns what is pruned for it."""
        ...

    def best(self) -> str:
        """Return the most promising thought so far: the best scored of the deepest."""
        ...


# --- settings -------------------------------------------------------------------------------------------------------

SettingsT = TypeVar("SettingsT")


@dataclass(frozen=True, slots=True)
class SettingDescription:
    """A setting, as lists of strategies show it."""

    name: str
    type: str
    default: bool | float
    minimum: float | None
    maximum: float | None
    text: str


def setting(
    default: bool | float,  # noqa: FBT001 - what the setting is, not a switch
    text: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
) -> Any:  # noqa: ANN401 - stands for the field's own type, as dataclasses.field does
    """Declare a field of a settings class: its default, what it does, and its range, both ends allowed."""
    return field(default=default, metadata={"default": default, "text": text, "minimum": minimum, "maximum": maximum})


def describe_settings(settings: type) -> Iterator[SettingDescription]:
    """Yield the settings of a class whose fields are declared with `setting`."""
    for f in fields(settings):
        yield SettingDescription(
            name=f.name,
            type=type(f.metadata["default"]).__name__,
            default=f.metadata["default"],
            minimum=f.metadata["minimum"],
            maximum=f.metadata["maximum"],
            text=f.metadata["text"],
        )


def parse_settings(settings: type[SettingsT], given: Mapping[str, object]) -> SettingsT:
    """Make a settings object from names and values; `InvalidInput` names the first that is wrong.

    A whole number may come as a float, since JSON has one number type.
    """
    known = {description.name: description for description in describe_settings(settings)}
    values: dict[str, object] = {}
    for name, value in given.items():
        if name not in known:
            raise _invalid(name, f"no such setting; there are {', '.join(known)}")
        values[name] = _parse(known[name], value)
    return settings(**values)


def _parse(known: SettingDescription, value: object) -> bool | float:
    if known.type == "bool":
        if not isinstance(value, bool):
            raise _invalid(known.name, f"must be true or false, not {value!r}")
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _invalid(known.name, f"must be a number, not {value!r}")
    if known.type == "int" and value != value // 1:
        raise _invalid(known.name, f"must be a whole number, not {value!r}")
    if known.minimum is not None and not value >= known.minimum:
        raise _invalid(known.name, f"must be at least {known.minimum:g}, not {value!r}")
    if known.maximum is not None and not value <= known.maximum:
        raise _invalid(known.name, f"must be at most {known.maximum:g}, not {value!r}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise _invalid(known.name, f"must be a finite number, not {value!r}")
    return int(value) if known.type == "int" else number


def _invalid(name: str, message: str) -> InvalidInput:
    return InvalidInput(f"{name} {message}", field=f"settings.{name}", reason=Reason.INVALID_SETTING)
