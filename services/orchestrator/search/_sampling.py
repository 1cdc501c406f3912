"""What the baselines share: whole solutions, drawn from the root, without any search."""

from collections import Counter
from collections.abc import Sequence

from services.core.search import Ask, Prune, Tell
from services.core.task import Method


class Sampler:
    """Asks for `draws` times `samples` solutions of the root, `parallel` draws at a time; endlessly without `draws`."""

    method: Method
    """How solutions are asked for."""

    def __init__(self, root_id: str, *, samples: int, draws: int | None, parallel: int = 64) -> None:
        self.root_id = root_id
        self.votes: Counter[str] = Counter()
        """How many draws brought each solution, in order of discovery."""
        self._samples = samples
        self._draws = draws
        self._parallel = parallel
        self._asked = 0
        self._in_flight: set[int] = set()
        self._failed = False

    def ask(self, capacity: int) -> Sequence[Ask]:
        """Return as many draws as may be under way."""
        left = self._parallel if self._draws is None else self._draws - self._asked
        count = 0 if self._failed else max(0, min(capacity, self._parallel - len(self._in_flight), left))
        draws = range(self._asked, self._asked + count)
        self._asked += count
        self._in_flight.update(draws)
        return [Ask(self.root_id, draw, self._samples, self._samples, self.method) for draw in draws]

    def tell(self, result: Tell) -> Sequence[Prune]:
        """Count the solutions."""
        if result.thought_id == self.root_id and result.draw in self._in_flight:
            self.votes.update(child.thought_id for child in result.children)
            if result.done:
                self._in_flight.remove(result.draw)
            self._failed |= result.failed
        return []


class OneDraw(Sampler):
    """A single draw."""

    def __init__(self, root_id: str, *, samples: int) -> None:
        super().__init__(root_id, samples=samples, draws=1)

    def best(self) -> str:
        """Return the root: a solution that is rejected is no step towards another."""
        return self.root_id
