"""The exact state space of the Game of 24: which steps are legal, and which states can still reach 24.

Only training and evaluation know this file. At inference nothing does: the model's thoughts are sampled text.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from csv import DictReader
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

PUZZLES = Path(__file__).parent / "puzzles"
TARGET = Fraction(24)
COMMUTATIVE = frozenset("+*")

# How often a proposal shows a winning step, by the count of numbers left; otherwise any legal step is shown. Less at
# the root: there a search must find the steps that the model does not know to win.
WINNING_SHARE = {4: 0.35, 3: 0.75, 2: 0.85}

State = tuple[Fraction, ...]
"""The numbers left, in ascending order."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thought: `left operator right = result`, which leaves `state`."""

    left: Fraction
    operator: str
    right: Fraction
    result: Fraction
    state: State

    def __str__(self) -> str:
        return f"{self.left} {self.operator} {self.right} = {self.result} (left: {show(self.state)})"

    def mirrored(self) -> "Step":
        """Return the same step with its operands exchanged, for `+` and `*`."""
        return Step(self.right, self.operator, self.left, self.result, self.state)


Chain = tuple[Step, ...]
"""Three steps from four numbers to one."""


def show(state: State) -> str:
    """Write the numbers as every prompt shows them: `1/4 3 5`."""
    return " ".join(map(str, state))


def parse(text: str) -> State:
    """Read a state that `show` wrote."""
    return tuple(sorted(map(Fraction, text.split())))


def read_puzzles(name: str) -> list[State]:
    """Read the roots of one file in `models/puzzles`, such as `train`."""
    with (PUZZLES / f"{name}.csv").open() as file:
        return [parse(row["puzzle"]) for row in DictReader(file)]


@cache
def steps(state: State) -> tuple[Step, ...]:
    """List every legal step, smaller operand first where the order is free, without negative results.

    A negative result is never needed: every solution can be rearranged to avoid it.
    """
    found: dict[Step, None] = {}
    for i, a in enumerate(state):
        for j in range(i + 1, len(state)):
            b = state[j]
            rest = state[:i] + state[i + 1 : j] + state[j + 1 :]
            results = [(a, "+", b, a + b), (b, "-", a, b - a), (a, "*", b, a * b)]
            if a:
                results.append((b, "/", a, b / a))
            if b and a != b:
                results.append((a, "/", b, a / b))
            for left, operator, right, result in results:
                found[Step(left, operator, right, result, tuple(sorted((*rest, result))))] = None
    return tuple(found)


@cache
def reach(state: State) -> frozenset[Fraction]:
    """Collect every number that the state can be brought down to."""
    return frozenset(state) if len(state) == 1 else frozenset().union(*(reach(step.state) for step in steps(state)))


def wins(state: State, goal: Fraction = TARGET) -> bool:
    """Tell whether some sequence of steps ends in the goal."""
    return goal in reach(state)


def label(state: State, goal: Fraction = TARGET) -> str:
    """Return the value that a state is taught: impossible without a winning step, likely with one, sure with more.

    Two numbers are sure as soon as one step makes the goal.
    """
    winning = sum(wins(step.state, goal) for step in steps(state))
    if not winning:
        return "impossible"
    return "likely" if winning == 1 and len(state) > 2 else "sure"


def proposals(state: State) -> dict[Step, float]:
    """Return how often each legal step is shown as the next thought; sums to 1."""
    legal = steps(state)
    winning = [step for step in legal if wins(step.state)]
    share = WINNING_SHARE[len(state)] if winning else 0.0
    shown = {step: (1 - share) / len(legal) for step in legal}
    for step in winning:
        shown[step] += share / len(winning)
    return shown


def visits(roots: Iterable[State]) -> dict[State, float]:
    """Return how often each state of two to four numbers is met by drawing `proposals`, starting at the roots.

    Its keys are all states that the roots reach; the states of one size sum to 1.
    """
    level = dict.fromkeys(roots, 1.0)
    met: dict[State, float] = {}
    while level and len(next(iter(level))) > 1:
        total = sum(level.values())
        met |= {state: share / total for state, share in level.items()}
        below: dict[State, float] = defaultdict(float)
        for state, share in level.items():
            for step, probability in proposals(state).items():
                below[step.state] += share * probability
        level = below
    return met


def winning_chains(state: State) -> Iterator[Chain]:
    """Generate every sequence of steps to 24."""
    for step in steps(state):
        if step.state == (TARGET,):
            yield (step,)
        elif wins(step.state):
            for rest in winning_chains(step.state):
                yield (step, *rest)


def expression(root: State, chain: Chain) -> str:
    """Write the chain as one expression over the root's numbers: `(3 * (13 - 3)) - 5`.

    Where two numbers in hand are equal, the one made last is used.
    """
    hand = [(number, str(number)) for number in root]
    for step in chain:
        left = _take(hand, step.left)
        right = _take(hand, step.right)
        hand.append((step.result, f"({left} {step.operator} {right})"))
    return hand[-1][1][1:-1]


def _take(hand: list[tuple[Fraction, str]], number: Fraction) -> str:
    index = max(i for i, (value, _) in enumerate(hand) if value == number)
    return hand.pop(index)[1]
