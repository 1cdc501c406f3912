"""One solve that this pod runs: from waking the stages to the last record of its history."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from services.core.errors import KotError, LeaseLost, Reason, StoreUnavailable, StoreUnusable, TemporaryError
from services.core.history import Ended, Parked, Record, Resumed
from services.orchestrator.driver import Driver
from services.orchestrator.recording import Recorder
from services.orchestrator.solve import Outcome
from services.rpc.history import FAILED
from services.rpc.release import keep_to

_log = structlog.get_logger()


class RunningSolve:
    """Runs until it ends or is parked; then its history says so, and its lease is given back."""

    def __init__(
        self,
        solve_id: str,
        driver: Driver,
        recorder: Recorder,
        wake: Callable[[Recorder], Awaitable[None]],
        *,
        begins_at: int,
        resumed: Resumed | None,
        within: float | None,
        release: str,
    ) -> None:
        self.solve_id = solve_id
        self.driver = driver
        self.begins_at = begins_at
        """How many records its history had before."""
        self._recorder = recorder
        self._wake = wake
        self._resumed = resumed
        self._release = release
        self._deadline = None if within is None else time.monotonic() + within
        self.over = False
        """Whether its last record is written."""
        self._parked_for = ""
        self._searching = asyncio.create_task(self._search())
        self.ended = asyncio.create_task(self._conduct())
        """Done when its history says so and its lease is given back."""

    def park(self, why: str) -> None:
        """Leave it as it stands, to be taken up later; every call in flight is cancelled."""
        self._parked_for = why
        self._searching.cancel()

    async def close(self) -> None:
        """Wait for what is made of it, once it has ended."""
        await self._recorder.close()

    async def _search(self) -> Outcome:
        keep_to(self._release)
        if self._resumed:
            await self._recorder.keep(self._resumed)
        await _unless(self.driver.cancelled, self._wake(self._recorder))
        within = None if self._deadline is None else self._deadline - time.monotonic()
        return await self.driver.run(self._recorder.keep, within=within)

    async def _conduct(self) -> None:
        searching, holding = self._searching, asyncio.create_task(self._recorder.hold())
        for task in (searching, holding):
            # They may fail at the same time, of one thing; then only one of them is asked.
            task.add_done_callback(lambda task: task.cancelled() or task.exception())
        try:
            await asyncio.wait({searching, holding}, return_when=asyncio.FIRST_COMPLETED)
            lost = holding.done() and holding.exception() is not None
            if lost:
                if not isinstance(holding.exception(), LeaseLost):
                    _log.error("the lease cannot be held", solve_id=self.solve_id, exc_info=holding.exception())
                searching.cancel()
            elif holding.done():
                self.driver.cancel()
            await asyncio.wait({searching})
        finally:
            holding.cancel()
            searching.cancel()
        last = None if lost else self._last()
        try:
            if last:
                await self._recorder.keep(last)
        except (LeaseLost, StoreUnavailable, StoreUnusable) as error:
            _log.warning("left without a last record", solve_id=self.solve_id, message=str(error))
        self.over = True
        self._say(last)
        self.driver.end_trace(_status(last))
        await self._recorder.release()

    def _last(self) -> Record | None:
        """Return the record that the history ends with for now; none if another process goes on with it."""
        usage, elapsed = self.driver.usage, self.driver.elapsed
        if self._searching.cancelled():
            return Parked(why=self._parked_for, usage=usage, elapsed=elapsed)
        match self._searching.exception():
            case None:
                end = self._searching.result()
                return Ended(
                    status=end.status, answer=end.answer, steps=end.steps, best=end.best, usage=usage, elapsed=elapsed
                )
            case LeaseLost():
                return None
            case StoreUnavailable() as error:
                # Once this can be written, the log is back: who follows the solve goes on with it.
                return Parked(why=str(error), usage=usage, elapsed=elapsed)
            case TemporaryError() as error:
                return Parked(why=str(error), usage=usage, elapsed=elapsed, reason=error.reason)
            case KotError() as error:
                reason, message = error.reason, str(error)
            case defect:
                _log.error("defect", solve_id=self.solve_id, exc_info=defect)
                reason, message = Reason.INTERNAL, "a defect of the service"
        return Ended(status=FAILED, usage=usage, elapsed=elapsed, reason=reason, message=message)

    def _say(self, last: Record | None) -> None:
        seconds = round(self.driver.elapsed, 3)
        match last:
            case Ended(status=status, message=message):
                _log.info("solved", solve_id=self.solve_id, status=status, seconds=seconds, **_unless_empty(message))
            case Parked(why=why):
                _log.info("parked", solve_id=self.solve_id, why=why, seconds=seconds)
            case _:
                _log.warning("another process runs the solve now", solve_id=self.solve_id)


def _status(last: Record | None) -> str:
    """Return how this process's part of the solve ended."""
    match last:
        case Ended(status=status):
            return status
        case Parked():
            return "PARKED"
        case _:
            return "TAKEN_OVER"


def _unless_empty(message: str) -> dict[str, str]:
    return {"message": message} if message else {}


async def _unless(event: asyncio.Event, work: Awaitable[None]) -> None:
    """Do the work, or leave it when the event comes first."""
    working, waiting = asyncio.ensure_future(work), asyncio.create_task(event.wait())
    try:
        await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            await working
    finally:
        waiting.cancel()
        working.cancel()
