"""Chain of thought: ask for the steps and the answer in one go. A baseline (Wei et al. 2022, arXiv 2201.11903)."""

from dataclasses import dataclass

from services.core.search import Rules, setting
from services.core.task import Method
from services.orchestrator.search._sampling import OneDraw


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What can be set."""

    samples: int = setting(1, "Chains drawn; one that holds is enough.", minimum=1, maximum=256)


class Policy(OneDraw):
    """One draw of chains."""

    rules = Rules()
    method = Method.CHAIN

    def __init__(self, root_id: str, settings: Settings) -> None:
        super().__init__(root_id, samples=settings.samples)
