"""Chains of thought, drawn until the validator accepts one: best-of-n with the task's own checker, a strong baseline.

Where answers can be checked, this is what a search has to beat at an equal number of tokens (Brown et al. 2024, Large
Language Monkeys, arXiv 2407.21787).
"""

from dataclasses import dataclass

from services.core.search import Rules, setting
from services.core.task import Method
from services.orchestrator.search._sampling import Sampler


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What can be set."""

    samples: int = setting(8, "Chains drawn at a time.", minimum=1, maximum=256)


class Policy(Sampler):
    """Draw after draw, until the budget ends."""

    rules = Rules()
    method = Method.CHAIN

    def __init__(self, root_id: str, settings: Settings) -> None:
        super().__init__(root_id, samples=settings.samples, draws=None, parallel=1)

    def best(self) -> str:
        """Return the root: a solution that is rejected is no step towards another."""
        return self.root_id
