"""The paper's breadth-first search as its authors run it: the baseline to beat (Yao et al. 2023, algorithm 1).

Its habits, each of which `bfs` drops: states reached twice are two thoughts; nothing is checked before the end, so the
search goes on from steps that are wrong; nothing is pruned, so it goes on from states that are judged impossible, and
the model judges even states that a rule settles; the last depth is the end, with or without an answer, and no answer
ends it sooner. Three labels are sampled for a state, worth 20, 1 and 0.001 (the authors' code,
princeton-nlp/tree-of-thought-llm).

It is kinder to the paper in one thing: the authors let the model judge the final answers too; here the validator says
which of them hold, at no cost, and one that holds is enough.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from services.core.search import Ask, Child, Prune, Rules, Tell, setting
from services.core.thought import Value, Verdict

WORTH = Value(sure=20.0, likely=1.0, impossible=0.001)
"""What a label is worth."""
MOST_THOUGHTS = 1024
"""Every proposal counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What can be set."""

    depth: int = setting(4, "Steps from the problem to an answer.", minimum=1, maximum=64)
    samples: int = setting(
        8,
        "Completions drawn for each thought that is expanded; where prompts are few-shot, 1.",
        minimum=1,
        maximum=256,
    )
    beam_width: int = setting(5, "Thoughts expanded at each depth.", minimum=1, maximum=1000)


class Policy:
    """One pass of beam search."""

    rules = Rules(stops_at_answer=False, merges=False, trusts=True, value_samples=3)

    def __init__(self, root_id: str, settings: Settings) -> None:
        self._settings = settings
        self._best = root_id
        self._answer: str | None = None
        """The first that holds."""
        self._depth = 0
        self._beam = [root_id]
        """What is left to ask at this depth."""
        self._asked: set[str] = set()
        self._candidates: dict[str, Child] = {}
        """What this depth has brought, in order of discovery."""

    def ask(self, capacity: int) -> Sequence[Ask]:
        """Return what is left of the beam."""
        beam, self._beam = self._beam[:capacity], self._beam[capacity:]
        self._asked.update(beam)
        return [Ask(thought_id, 0, self._settings.samples, MOST_THOUGHTS) for thought_id in beam]

    def tell(self, result: Tell) -> Sequence[Prune]:
        """Gather the children; with the last of a depth, choose the next beam."""
        if result.thought_id not in self._asked or result.draw != 0:
            return []
        for child in result.children:
            if child.depth > self._depth:
                self._candidates.setdefault(child.thought_id, child)
            if child.verdict is Verdict.CERTAIN:
                self._answer = self._answer or child.thought_id
        if result.done:
            self._asked.remove(result.thought_id)
            if not self._asked and not self._beam:
                return self._descend()
        return []

    def best(self) -> str:
        """Return an answer that holds, or else the best of the last beam."""
        return self._answer or self._best

    def _descend(self) -> Sequence[Prune]:
        self._depth += 1
        ranked = sorted(self._candidates.values(), key=_worth, reverse=True)
        self._candidates = {}
        beam, rest = ranked[: self._settings.beam_width], ranked[self._settings.beam_width :]
        if beam:
            self._best = beam[0].thought_id
        self._beam = [child.thought_id for child in beam if not child.dead and child.depth < self._settings.depth]
        return [Prune(child.thought_id, "not among the best of its depth") for child in rest if not child.dead]


def _worth(child: Child) -> float:
    if child.value is None:
        return WORTH.sure if child.verdict is Verdict.CERTAIN else 0.0
    value = child.value
    if value.votes is not None:
        return value.votes
    return WORTH.sure * value.sure + WORTH.likely * value.likely + WORTH.impossible * value.impossible
