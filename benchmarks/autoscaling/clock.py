"""The clock of a simulation: it jumps from one planned action to the next."""

import heapq
import itertools
from collections.abc import Callable

Action = Callable[[], None]


class Clock:
    """Seconds since the simulation began."""

    def __init__(self) -> None:
        self.now = 0.0
        self._planned: list[tuple[float, int, Action]] = []
        self._numbers = itertools.count()

    def after(self, seconds: float, action: Action) -> None:
        """Plan an action; of those of one moment, the one that was planned first comes first."""
        heapq.heappush(self._planned, (self.now + seconds, next(self._numbers), action))

    def every(self, seconds: float, action: Action) -> None:
        """Plan an action again and again."""

        def act() -> None:
            action()
            self.after(seconds, act)

        self.after(seconds, act)

    def run(self, until: float) -> None:
        """Act on all that is planned before that time, and stop there."""
        while self._planned and self._planned[0][0] < until:
            self.now, _, action = heapq.heappop(self._planned)
            action()
        self.now = until
