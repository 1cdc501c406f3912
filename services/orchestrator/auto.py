"""Picks a strategy by the shape of the task and the budget, so that nobody has to.

It has no settings of its own. The rule, in this order; the first strategy that has all settings which were given is
taken:

1. A task of one step has no partial solutions to search among: chains are drawn, until one is valid where answers can
   be checked (`sample_until_valid`), or to vote where they cannot (`cot_sc`).
2. A task deeper than `DEEP` steps, or a budget that may not pay for the proposals of a single line, is searched depth
   first: each token goes to the most promising line, and what fails is left by backtracking (`dfs`).
3. All else is searched with a beam (`bfs`): it solves as many for fewer tokens, and several thoughts at a time, so an
   answer comes sooner.

`benchmarks/README.md` has the figures that the rule is made of.
"""

from collections.abc import Iterator
from dataclasses import dataclass

NAME = "auto"
DEEP = 8
"""Steps; further down, a beam has long lost what it would have to come back to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What the rule looks at."""

    depth: int
    """Steps from the problem to an answer."""
    checked: bool
    """Whether the validator can tell for sure that an answer is right."""
    step_tokens: int
    """Completion tokens that the proposals of one expansion may cost at most."""
    completion_tokens: int
    """The budget."""


def preferred(shape: Shape) -> Iterator[str]:
    """Yield strategies, the fittest first."""
    if shape.depth == 1:
        yield "sample_until_valid" if shape.checked else "cot_sc"
    if shape.depth > DEEP or shape.completion_tokens < shape.step_tokens * shape.depth:
        yield "dfs"
    yield from ("bfs", "dfs", "best_first", "a_star", "mcts", "sample_until_valid", "cot_sc")
