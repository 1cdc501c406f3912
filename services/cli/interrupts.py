"""Ctrl-C and SIGTERM while a command runs: an orderly end first, an immediate one the second time."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Interrupts:
    """Takes signals from its creation on; without an orderly end to make, the current task is cancelled."""

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        self._end: Callable[[], None] | None = None
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_signal)

    @contextmanager
    def answered_by(self, end: Callable[[], None]) -> Iterator[None]:
        """Let the first signal within this context call `end`."""
        self._end = end
        try:
            yield
        finally:
            self._end = None

    def _on_signal(self) -> None:
        end, self._end = self._end, None
        if end is not None:
            end()
        elif self._task is not None:
            self._task.cancel()
