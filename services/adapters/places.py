"""How many calls a service gets at a time: as many as it was seen to take, the others wait their turn."""

import asyncio
from collections import deque

GROWTH = 0.1
"""Each call that is taken makes room for so much of another, where the service was seen to be full."""
GROWTH_ANEW = 1.0
"""The same where it was seen to be away: what it takes now is not known."""


class Places:
    """Places for calls, first come first served: `most`, and fewer while calls are refused."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = float(most)
        self._growth = GROWTH
        self._taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self, *, first: bool = False) -> None:
        """Wait for a place; `first` goes before all who wait."""
        turn = asyncio.get_running_loop().create_future()
        if first:
            self._waiting.appendleft(turn)
        else:
            self._waiting.append(turn)
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                # It was given a place at the same time.
                self.free()
            raise

    def free(self) -> None:
        """Give a place back."""
        self._taken -= 1
        self._admit()

    def grow(self) -> None:
        """Note that a call was taken: perhaps there is room for more."""
        self._limit = min(self._most, self._limit + self._growth)
        self._admit()

    def shrink(self) -> bool:
        """Note that a call, which still has its place, was refused; False if there are no others beside it.

        Then the service is not full, but away.
        """
        beside = self._taken > 1
        self._limit = max(1.0, self._taken - 1.0)
        self._growth = GROWTH if beside else GROWTH_ANEW
        return beside

    def _admit(self) -> None:
        while self._waiting and self._taken < int(self._limit):
            turn = self._waiting.popleft()
            if not turn.cancelled():
                self._taken += 1
                turn.set_result(None)
