"""Lists in parts, and the steps that split, sort, merge and fix them."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from services.core.task import IllegalThought, MalformedThought

MOST_NUMBERS = 64
LARGEST_NUMBER = 999

Numbers = tuple[int, ...]

_BRACKETS = str.maketrans(",[]", "   ")
_STEP = re.compile(r"(split|sort|merge|fix)\b([^>]*)->([^>]*)", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """A part of the list. Once it is done, which means sorted or merged, `of` is what it should have the numbers of."""

    done: bool
    numbers: Numbers
    of: Numbers

    @property
    def mistakes(self) -> int:
        """How far a part that is done is from being right."""
        return mistakes(self.numbers, self.of) if self.done else 0

    def __str__(self) -> str:
        if self.mistakes:
            return f"wrong: {show(self.numbers)} of {show(self.of)}"
        return f"{'sorted' if self.done else 'unsorted'}: {show(self.numbers)}"


Parts = tuple[Part, ...]
"""In a fixed order, whatever was done first: equal parts are equal states."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step as a line says it: which parts it takes, and what it makes of them."""

    verb: str
    taken: tuple[Numbers, ...]
    made: tuple[Numbers, ...]

    def __str__(self) -> str:
        return f"{self.verb} {' | '.join(map(show, self.taken))} -> {' | '.join(map(show, self.made))}"


_SHAPES = {
    "split": "LIST -> LIST | LIST ...",
    "sort": "LIST -> LIST",
    "merge": "LIST | LIST -> LIST",
    "fix": "LIST -> LIST",
}


def read_numbers(text: str) -> Numbers:
    """Read numbers, with spaces or commas between them. `ValueError` if there are none, or something else is there."""
    words = text.translate(_BRACKETS).split()
    for word in words:
        if not (word.isascii() and word.isdigit() and len(word) <= len(str(LARGEST_NUMBER))):
            raise ValueError(f"{word[:20]!r} is no whole number from 0 to {LARGEST_NUMBER}")
    if not words:
        raise ValueError("there are no numbers")
    return tuple(map(int, words))


def show(numbers: Sequence[int]) -> str:
    """Write numbers, with spaces between them."""
    return " ".join(map(str, numbers))


def mistakes(numbers: Numbers, of: Numbers) -> int:
    """Count how often a number is smaller than the one before it, and how many numbers are missing or too many.

    This is the error score of sorting in Graph of Thoughts (Besta et al. 2023, arXiv 2308.09687, section 5.1).
    """
    descents = sum(after < before for before, after in pairwise(numbers))
    has, wants = Counter(numbers), Counter(of)
    return descents + (has - wants).total() + (wants - has).total()


def unsorted(numbers: Numbers) -> Part:
    """Return a part that is to be sorted; one number is in order already."""
    return Part(done=len(numbers) == 1, numbers=numbers, of=numbers)


def read_step(line: str) -> Step:
    """Read a line such as `sort 3 1 2 -> 1 2 3`. Raises `MalformedThought`."""
    match = _STEP.fullmatch(line.strip())
    if match is None:
        raise MalformedThought("not of the form split, sort, merge or fix LIST -> LIST")
    verb = match[1].lower()
    try:
        taken, made = (tuple(map(read_numbers, text.split("|"))) for text in match.groups()[1:])
    except ValueError as error:
        raise MalformedThought(str(error)) from error
    if len(taken) != (2 if verb == "merge" else 1) or (len(made) > 1) != (verb == "split"):
        raise MalformedThought(f"not of the form {verb} {_SHAPES[verb]}")
    return Step(verb, taken, made)


def apply(parts: Parts, step: Step, *, trust: bool) -> Parts:
    """Return the parts after a step; with `trust`, it need not be a step that gets anywhere.

    Sorting, merging and fixing may go wrong: what they make is then a part with mistakes. Raises `IllegalThought`.
    """
    rest = list(parts)
    taken = [_take(rest, numbers, step.verb) for numbers in step.taken]
    if not trust and (reason := _objection(step, taken)):
        raise IllegalThought(reason)
    if step.verb == "split":
        return tuple(sorted([*rest, *map(unsorted, step.made)]))
    return tuple(sorted([*rest, _made(step, taken)]))


def _made(step: Step, taken: Sequence[Part]) -> Part:
    """Return the part that a step makes of others."""
    (numbers,) = step.made
    # What is to be fixed, is still to have the numbers that it was made of.
    sources = sorted(part.of if step.verb == "fix" else part.numbers for part in taken)
    of = tuple(number for source in sources for number in source)
    # A part without mistakes is the same wherever it came from.
    return Part(done=True, numbers=numbers, of=of if mistakes(numbers, of) else numbers)


def _take(rest: list[Part], numbers: Numbers, verb: str) -> Part:
    """Remove the part that has these numbers; of several, the worst if it is to be fixed, else the best."""
    done = verb in ("merge", "fix")
    fitting = [part for part in rest if (part.done, part.numbers) == (done, numbers)]
    if not fitting:
        raise IllegalThought(f"{show(numbers)[:40]} is no {'sorted' if done else 'unsorted'} part")
    part = (max if verb == "fix" else min)(fitting, key=lambda part: part.mistakes)
    rest.remove(part)
    return part


def _objection(step: Step, taken: Sequence[Part]) -> str | None:
    """Say why a step gets nowhere; None if it may."""
    match step.verb:
        case "split" if sum(step.made, ()) != step.taken[0]:
            return "the parts are not the list that was split"
        case "merge" if any(part.mistakes for part in taken):
            return "a list with mistakes is not merged"
        case "fix" if not taken[0].mistakes:
            return "there is nothing to fix"
        case "fix" if step.made == step.taken:
            return "nothing is fixed"
    return None
