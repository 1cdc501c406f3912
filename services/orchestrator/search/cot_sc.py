"""Self-consistency: draw many chains of thought and answer what most of them say (Wang et al. 2022, arXiv 2203.11171).

The vote comes before the validator's word: the search ends with the answer of the majority, right or wrong.
"""

from dataclasses import dataclass

from services.core.search import Rules, setting
from services.core.task import Method
from services.orchestrator.search._sampling import Sampler


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What can be set."""

    votes: int = setting(100, "Chains drawn.", minimum=1, maximum=10_000)


class Policy(Sampler):
    """A vote; of answers with equal votes, the one that was said first counts."""

    rules = Rules(stops_at_answer=False)
    method = Method.CHAIN

    def __init__(self, root_id: str, settings: Settings) -> None:
        # A request of several samples tells each answer once; a vote needs every one.
        super().__init__(root_id, samples=1, draws=settings.votes)

    def best(self) -> str:
        """Return the answer of the majority so far."""
        return max(self.votes, key=self.votes.__getitem__, default=self.root_id)
