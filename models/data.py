"""The examples the thought model learns from: prompts of the product, answered by exact arithmetic.

Roots come from `train.csv` and `train_unsolvable.csv` alone, and states of two or three numbers only where such a root
reaches them. Arithmetic is drilled by the two-number states among them, so drills keep to the split as well.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from models.states import (
    COMMUTATIVE,
    TARGET,
    Chain,
    State,
    expression,
    label,
    proposals,
    reach,
    read_puzzles,
    show,
    steps,
    visits,
    winning_chains,
    wins,
)
from services.core.task import PromptStyle
from services.tasks.game24 import prompts

# The share of a kind's examples that ask about four, three and two numbers.
_SHARES = {"propose": {4: 0.25, 3: 0.4, 2: 0.35}, "value": {4: 0.05, 3: 0.75, 2: 0.2}}
_GOALS_PER_STATE = {3: 24, 2: 4}
_LARGEST_GOAL = 60
_FEW_SHOT_EXAMPLES = 20_000
_LOSING_CHAINS_PER_ROOT = 80


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt, the completion to learn, and how often to show it relative to the others of its kind."""

    prompt: str
    completion: str
    weight: float = 1.0


def training_roots() -> list[State]:
    """Read the only roots that may be trained on."""
    return read_puzzles("train") + read_puzzles("train_unsolvable")


def examples(kind: str, roots: list[State], *, seed: int = 0) -> Iterator[Example]:
    """Generate every example of one of `KINDS` that the roots allow; drawn by `seed` where too many to list."""
    return KINDS[kind](roots, random.Random(seed))


def _propose(roots: list[State], _: random.Random) -> Iterator[Example]:
    for state, weight in _weighted("propose", roots):
        for step, share in proposals(state).items():
            yield Example(prompts.propose(show(state), PromptStyle.BARE), str(step), weight * share)


def _value(roots: list[State], _: random.Random) -> Iterator[Example]:
    for state, weight in _weighted("value", roots):
        yield Example(prompts.value(show(state), PromptStyle.BARE), f" {label(state)}", weight)


def _chain(roots: list[State], _: random.Random) -> Iterator[Example]:
    for root, chain, weight in _solutions(roots):
        yield Example(prompts.chain(show(root), (), PromptStyle.BARE), _reasoned_answer(root, chain), weight)


def _direct(roots: list[State], _: random.Random) -> Iterator[Example]:
    for root, chain, weight in _solutions(roots):
        completion = answer(root, chain).removeprefix("Answer:")
        yield Example(prompts.direct(show(root), PromptStyle.BARE), completion, weight)


def answer(root: State, chain: Chain) -> str:
    """Return the line that ends a chain: `Answer: (1 + 1) * (11 + 1) = 24`."""
    return f"Answer: {expression(root, chain)} = {chain[-1].result}"


def _reasoned_answer(root: State, chain: Chain) -> str:
    return "".join(f"{step}\n" for step in chain) + answer(root, chain)


def _weighted(kind: str, roots: list[State]) -> list[tuple[State, float]]:
    # Half of the weight follows the visits of a search, half is even: rare states are learned too.
    met = visits(roots)
    count = Counter(map(len, met))
    return [(state, _SHARES[kind][len(state)] * (share + 1 / count[len(state)]) / 2) for state, share in met.items()]


def _goals(roots: list[State], draw: random.Random) -> Iterator[Example]:
    """Values of the same states for goals other than 24, half of the goals within reach.

    Labels for 24 alone can be learned by heart, which helps on no other state; for any goal it takes arithmetic, and
    that carries over.
    """
    for state, weight in _weighted("value", roots):
        if len(state) < 4:
            within = sorted(goal for goal in reach(state) if goal.denominator == 1 and 0 < goal <= _LARGEST_GOAL)
            for i in range(_GOALS_PER_STATE[len(state)]):
                goal = draw.choice(within) if within and i % 2 else Fraction(draw.randint(1, _LARGEST_GOAL))
                prompt = f"Goal: {goal}\n{prompts.value(show(state), PromptStyle.BARE)}"
                yield Example(prompt, f" {label(state, goal)}", weight)


def _solutions(roots: list[State]) -> Iterator[tuple[State, Chain, float]]:
    for root in roots:
        chains = list(winning_chains(root))
        for chain in chains:
            yield root, chain, 1 / len(chains)


def _answers(roots: list[State], draw: random.Random) -> Iterator[Example]:
    """Legal chains in every order, with operands in either order; half of the weight on chains that miss 24.

    To write a chain as an expression is the same work whatever it makes, and there are many more that miss.
    """
    for root, chain, weight in _solutions(roots):
        for turned in _turned(chain):
            yield _answer(root, turned, weight / 2 ** sum(step.operator in COMMUTATIVE for step in chain))
    for root in roots:
        for _ in range(_LOSING_CHAINS_PER_ROOT):
            chain, state = (), root
            while len(state) > 1:
                step = draw.choice(steps(state))
                mirror = step.operator in COMMUTATIVE and draw.random() < 0.5
                chain, state = (*chain, step.mirrored() if mirror else step), step.state
            if state != (TARGET,):
                yield _answer(root, chain, 1 / _LOSING_CHAINS_PER_ROOT)


def _turned(chain: Chain) -> Iterator[Chain]:
    if not chain:
        yield ()
        return
    for rest in _turned(chain[1:]):
        yield (chain[0], *rest)
        if chain[0].operator in COMMUTATIVE:
            yield (chain[0].mirrored(), *rest)


def _answer(root: State, chain: Chain, weight: float) -> Example:
    lines = tuple(map(str, chain))
    return Example(prompts.chain(show(root), lines, PromptStyle.BARE), answer(root, chain), weight)


def _few_shot(roots: list[State], draw: random.Random) -> Iterator[Example]:
    """Ask in the long prompts for general chat models, so that the model stays in their formats as well."""
    met = visits(roots)
    states = {size: [state for state in met if len(state) == size] for size in (2, 3, 4)}
    weights = {size: [met[state] for state in states[size]] for size in (2, 3, 4)}
    solutions = list(_solutions(roots))
    for _ in range(_FEW_SHOT_EXAMPLES // 4):
        size = draw.choice((2, 3, 4))
        (state,) = draw.choices(states[size], weights[size])
        yield Example(prompts.propose(show(state), PromptStyle.FEW_SHOT), _some_steps(state, draw))
        size = draw.choice((2, 3))
        (state,) = draw.choices(states[size], weights[size])
        yield Example(prompts.value(show(state), PromptStyle.FEW_SHOT), _reasoned_value(state, draw))
        root, chain, _ = draw.choice(solutions)
        yield Example(prompts.chain(show(root), (), PromptStyle.FEW_SHOT), _reasoned_answer(root, chain))
        root, chain, _ = draw.choice(solutions)
        completion = answer(root, chain).removeprefix("Answer:")
        yield Example(prompts.direct(show(root), PromptStyle.FEW_SHOT), completion)


def _some_steps(state: State, draw: random.Random) -> str:
    """Up to six different steps, one a line, as the few-shot proposal prompt lists them."""
    shown = proposals(state)
    lines: dict[str, None] = {}
    while len(lines) < min(6, len(shown)):
        (step,) = draw.choices(list(shown), list(shown.values()))
        lines[str(step)] = None
    return "\n".join(lines)


def _reasoned_value(state: State, draw: random.Random) -> str:
    """Give a line or more of reasons and the label on the last line, as the few-shot value prompt shows them."""
    if wins(state):
        chain = draw.choice(list(winning_chains(state)))
        return f"{expression(state, chain)} = 24\n{label(state)}"
    if len(state) == 2:
        lines = [f"{step.left} {step.operator} {step.right} = {step.result}\n" for step in steps(state)[:3]]
        return "".join(lines) + "impossible"
    size = "small" if max(state) < 6 else "big" if min(state) > 12 else "far off"
    return f"the numbers are all too {size}\nimpossible" if size != "far off" else "no step makes 24\nimpossible"


KINDS: dict[str, Callable[[list[State], random.Random], Iterator[Example]]] = {
    "propose": _propose,
    "value": _value,
    "goal": _goals,
    "chain": _chain,
    "answer": _answers,
    "direct": _direct,
    "few_shot": _few_shot,
}
"""What is asked, and how its examples are made from roots and a source of randomness."""
