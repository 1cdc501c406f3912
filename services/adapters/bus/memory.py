"""A bus within one process."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

from services.adapters.bus._mailbox import Mailbox
from services.core.history import Record
from services.core.stores import Numbered
from services.settings import RedisSettings, StateSettings


def create(state: StateSettings, redis: RedisSettings) -> "MemoryBus":  # noqa: ARG001 - every bus is created alike
    """Return a bus."""
    return MemoryBus()


class MemoryBus:
    """A `Bus` that reaches this process alone."""

    def __init__(self) -> None:
        self._mailboxes: dict[str, list[Mailbox]] = {}

    async def publish(self, solve_id: str, number: int, records: Sequence[Record]) -> None:
        """Send records."""
        batch = list(enumerate(records, number))
        for mailbox in self._mailboxes.get(solve_id, ()):
            mailbox.put(batch)

    @asynccontextmanager
    async def subscribe(self, solve_id: str) -> AsyncIterator[AsyncGenerator[Sequence[Numbered], None]]:
        """Receive what is published."""
        mailbox = Mailbox()
        self._mailboxes.setdefault(solve_id, []).append(mailbox)
        try:
            async with aclosing(mailbox.read()) as batches:
                yield batches
        finally:
            self._mailboxes[solve_id].remove(mailbox)
            if not self._mailboxes[solve_id]:
                del self._mailboxes[solve_id]

    async def close(self) -> None:
        """End what is subscribed."""
        for mailboxes in self._mailboxes.values():
            for mailbox in mailboxes:
                mailbox.close()
