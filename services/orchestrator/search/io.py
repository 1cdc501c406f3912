"""Input-output prompting: ask for the answer at once. A baseline without any search (Yao et al. 2023, section 2)."""

from dataclasses import dataclass

from services.core.search import Rules, setting
from services.core.task import Method
from services.orchestrator.search._sampling import OneDraw


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What can be set."""

    samples: int = setting(1, "Answers drawn; one that holds is enough.", minimum=1, maximum=256)


class Policy(OneDraw):
    """One draw of answers."""

    rules = Rules()
    method = Method.DIRECT

    def __init__(self, root_id: str, settings: Settings) -> None:
        super().__init__(root_id, samples=settings.samples)
