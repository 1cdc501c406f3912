"""The solves of this pod: begun, taken up, followed, parked. Their truth is the log; nothing else is kept of them.

A solve runs while somebody follows it here, or for a grace after. Then it is parked, and whoever follows it next, on
whichever pod, takes it up again; so does a follower of one whose process died, when its lease runs out.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass

from services.core.budget import Limits
from services.core.errors import (
    DuplicateSolve,
    LeaseHeld,
    Overloaded,
    StoreUnavailable,
    UnknownSolve,
    WorkerUnavailable,
)
from services.core.history import Begun, Ended, Parked, Record, Resumed
from services.core.stores import Bus, Lease, LogHead, SolveLog, TreeStore
from services.core.thought import Thought
from services.orchestrator import measuring
from services.orchestrator.driver import Driver
from services.orchestrator.listening import Listener
from services.orchestrator.messages import request_hash
from services.orchestrator.plan import Plan, make_plan, plan_again
from services.orchestrator.recording import Projector, Recorder, patiently
from services.orchestrator.running import RunningSolve
from services.orchestrator.solve import Stages
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.rpc.status import make_error
from services.settings import OrchestratorSettings
from services.telemetry import branch, names
from services.telemetry.branch import Branches

POLL_SECONDS = 1.0
"""A follower that hears nothing looks into the log so often: what it waits for may have been missed, or died."""
PAGE = 256
"""Records that are read from a log at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """Where solves are kept, and how long is waited for whom."""

    log: SolveLog
    bus: Bus
    trees: TreeStore | None
    projector: Callable[[str], Projector] | None
    """Makes what keeps the tree of one solve; None if no trees are kept."""
    detach_grace: float
    """Seconds that a solve runs on when nobody follows it."""
    log_patience: float
    """Seconds that are waited for a log that is away."""
    pod: str
    """This process, as histories name it."""


class Solves:
    """Begins, takes up, follows and parks solves."""

    def __init__(
        self,
        stages: Stages,
        settings: OrchestratorSettings,
        keeping: Keeping,
        wake: Callable[[Recorder], Awaitable[None]],
    ) -> None:
        self._stages = stages
        self._settings = settings
        self._keeping = keeping
        self._histories = keeping.log
        self._wake = wake
        self._running: dict[str, RunningSolve] = {}
        self._starting: set[str] = set()
        self._followers: Counter[str] = Counter()
        self._leaving: dict[str, asyncio.TimerHandle] = {}
        self._ending: set[asyncio.Task[None]] = set()
        """What is still written of solves that have ended."""
        self._closing = False

    # --- begin, take up, end ----------------------------------------------------------------------------------------

    async def begin(self, solve_id: str, request: wire.SolveRequest, within: float | None, trace: str) -> None:
        """Begin a solve, in its client's `trace` if there is one; nothing happens if the same request began it before.

        Raises `InvalidInput`, `Overloaded`, and `DuplicateSolve` if another request has this id.
        """
        plan = make_plan(request, self._settings)
        release = self._settings.release
        branches = _branches(solve_id, plan, release, parent=trace)
        begun = Begun(
            request=request.SerializeToString(),
            request_hash=request_hash(request),
            problem=plan.options.problem,
            task=plan.task.name,
            strategy=plan.strategy,
            versions=plan.versions,
            begun_at=time.time(),
            trace=branches.trace if branches else "",
            release=release,
            pod=self._keeping.pod,
        )
        try:
            with self._place(solve_id):
                lease = await patiently(self._keeping.log_patience, self._histories.begin, solve_id, begun)
                driver = self._driver(plan, branches)
                self._run(solve_id, plan, driver, lease, release, [begun], within=within)
        except (DuplicateSolve, Overloaded) as refusal:
            # There is room to follow, even where there is none to run.
            try:
                head = await self.head(solve_id)
            except UnknownSolve:
                raise refusal from None
            if head.first.request_hash != begun.request_hash:
                raise DuplicateSolve(f"another request has begun a solve {solve_id}") from None

    async def take_up(self, solve_id: str, *, limits: Mapping[str, float] | None = None) -> None:
        """Run a solve that nobody runs; nothing happens if somebody does, or if it has ended.

        With `limits` one that ended without an answer goes on, under these where they are more than its own; one that
        somebody runs raises `LeaseHeld`. Raises `UnknownSolve`, `HistoryRefused`, `Overloaded`.
        """
        running = self._running.get(solve_id)
        if solve_id in self._starting or (running and limits is None):
            return
        if running and not running.over:
            raise LeaseHeld(f"this process runs solve {solve_id!r}")
        if running:
            # It has ended, and gives its lease back.
            await asyncio.wait([running.ended])
        with self._place(solve_id):
            try:
                lease = await patiently(self._keeping.log_patience, self._histories.claim, solve_id)
            except LeaseHeld:
                if limits is None:
                    return
                raise
            taken = False
            try:
                taken = await self._take_up(solve_id, lease, limits)
            finally:
                if not taken:
                    # It runs out by itself, too.
                    with suppress(StoreUnavailable):
                        await self._histories.release(lease)

    async def _take_up(self, solve_id: str, lease: Lease, limits: Mapping[str, float] | None) -> bool:
        head = await self.head(solve_id)
        if isinstance(head.last, Ended) and (limits is None or head.last.answer):
            return False
        plan = plan_again(head.first, self._settings)
        history = [record async for records in self.history(solve_id) for record in records]
        traces = [record.trace for record in history if isinstance(record, Begun | Resumed) and record.trace]
        release = head.first.release
        branches = _branches(solve_id, plan, release, previous=traces[-1] if traces else "")
        driver = self._driver(plan, branches)
        for number, record in enumerate(history):
            driver.replay(record)
            if number % PAGE == 0:
                # A long history is no reason to let others wait.
                await asyncio.sleep(0)
        resumed = Resumed(
            pod=self._keeping.pod,
            limits=_raised(driver.limits, limits or {}),
            trace=branches.trace if branches else "",
        )
        driver.replay(resumed)
        self._run(solve_id, plan, driver, lease, release, [], length=len(history), resumed=resumed)
        return True

    async def end(self, solve_id: str) -> None:
        """Have a solve end, wherever it runs or rests; on return it has. Raises `UnknownSolve` if it had before."""
        running = self._running.get(solve_id)
        if (running is None or running.over) and isinstance((await self.head(solve_id)).last, Ended):
            raise UnknownSolve(f"the solve {solve_id} has ended")
        # Nobody parks it here meanwhile. Elsewhere it may be parked before it is told: then it is taken up and ended.
        with self.followed(solve_id):
            while True:
                if running := self._running.get(solve_id):
                    running.driver.cancel()
                    await asyncio.wait([running.ended])
                head = await self.head(solve_id)
                if isinstance(head.last, Ended):
                    return
                if head.leased:
                    await self._histories.ask_to_end(solve_id)
                    await asyncio.sleep(POLL_SECONDS)
                else:
                    await self.take_up(solve_id)

    async def close(self) -> None:
        """Park what runs."""
        self._closing = True
        for running in self._running.values():
            running.park("its process ends")
        while under_way := [*(running.ended for running in self._running.values()), *self._ending]:
            await asyncio.wait(under_way)
            # Each has something to be done when it ends.
            await asyncio.sleep(0)

    @contextmanager
    def _place(self, solve_id: str) -> Iterator[None]:
        """Keep a place for a solve that is being begun or taken up."""
        if self._closing:
            raise WorkerUnavailable("this server is ending")
        if len(self._running.keys() | self._starting) >= self._settings.max_solves:
            raise Overloaded(f"{self._settings.max_solves} solves are running already")
        self._starting.add(solve_id)
        try:
            yield
        finally:
            self._starting.discard(solve_id)

    def _driver(self, plan: Plan, branches: Branches | None) -> Driver:
        stages = measuring.measured(self._stages, plan, self._settings)
        return Driver(plan.make_policy, plan.options, plan.task, stages, branches)

    def _run(
        self,
        solve_id: str,
        plan: Plan,
        driver: Driver,
        lease: Lease,
        release: str,
        begun: Sequence[Begun],
        *,
        length: int = 0,
        resumed: Resumed | None = None,
        within: float | None = None,
    ) -> None:
        recorder = Recorder(
            self._histories,
            self._keeping.bus,
            self._keeping.projector(solve_id) if self._keeping.projector else None,
            lease,
            length,
            patience=self._keeping.log_patience,
            meter=measuring.begin(plan),
        )
        recorder.kept(begun)
        running = RunningSolve(
            solve_id,
            driver,
            recorder,
            self._wake,
            begins_at=length,
            resumed=resumed,
            within=within,
            release=release,
        )
        self._running[solve_id] = running
        running.ended.add_done_callback(lambda _: self._forget(running))
        self._see_off(solve_id)

    def _forget(self, running: RunningSolve) -> None:
        del self._running[running.solve_id]
        closing = asyncio.create_task(running.close())
        self._ending.add(closing)
        closing.add_done_callback(self._ending.discard)
        if timer := self._leaving.pop(running.solve_id, None):
            timer.cancel()

    # --- follow -----------------------------------------------------------------------------------------------------

    @contextmanager
    def followed(self, solve_id: str) -> Iterator[None]:
        """Keep a solve running, wherever it is begun or taken up here, while the context lasts."""
        self._followers[solve_id] += 1
        if timer := self._leaving.pop(solve_id, None):
            timer.cancel()
        try:
            yield
        finally:
            self._followers[solve_id] -= 1
            self._see_off(solve_id)

    def _see_off(self, solve_id: str) -> None:
        """Park a solve that nobody follows, after its grace."""
        if self._followers[solve_id]:
            return
        del self._followers[solve_id]
        if running := self._running.get(solve_id):
            leave = asyncio.get_running_loop().call_later
            self._leaving[solve_id] = leave(self._keeping.detach_grace, running.park, "nobody follows it")

    async def follow(self, solve_id: str) -> AsyncGenerator[Sequence[Record], None]:
        """Yield the history of a solve, from its beginning to its end, as it is made; take it up if nobody runs it.

        Raises `UnknownSolve`, what `take_up` raises, and the error with which the solve is parked meanwhile.
        """
        length = 0
        last: Record | None = None
        found: int | None = None
        """How many records there were, once all of them are read."""
        async with Listener(self._keeping.bus, solve_id) as listener:
            while True:
                while records := await self._read(solve_id, length):
                    yield records
                    length, last = length + len(records), records[-1]
                while found is not None and (records := await listener.hear(length, POLL_SECONDS)):
                    yield records
                    length, last = length + len(records), records[-1]
                    if isinstance(last, Ended | Parked):
                        break
                if self._is_over(solve_id, length, last):
                    return
                if found is None:
                    found = length
                elif length > found and isinstance(last, Parked) and last.reason:
                    raise make_error(last.reason, last.why)
                if solve_id not in self._running and not (await self.head(solve_id)).leased:
                    await self.take_up(solve_id)

    async def head(self, solve_id: str) -> LogHead:
        """Return where a solve's history stands; waits for a log that is away. Raises `UnknownSolve`."""
        return await patiently(self._keeping.log_patience, self._histories.head, solve_id)

    async def history(self, solve_id: str, *, after: int = 0) -> AsyncGenerator[Sequence[Record], None]:
        """Yield what there is of a solve's history, in order, but its first `after` records."""
        length = after
        while records := await self._read(solve_id, length):
            yield records
            length += len(records)

    async def _read(self, solve_id: str, length: int) -> Sequence[Record]:
        return await patiently(self._keeping.log_patience, self._histories.read, solve_id, length, PAGE)

    def _is_over(self, solve_id: str, length: int, last: Record | None) -> bool:
        """Tell whether the last record is the end: one that somebody here goes on from is none."""
        running = self._running.get(solve_id)
        return isinstance(last, Ended) and not (running and running.begins_at >= length)


def _branches(solve_id: str, plan: Plan, release: str, *, parent: str = "", previous: str = "") -> Branches | None:
    """Begin the trace of a solve, if it is to be traced."""
    attributes = {names.SOLVE_ID: solve_id, names.TASK: plan.task.name, names.STRATEGY: plan.strategy}
    if release:
        attributes[names.RELEASE] = release
    root = Thought.root(plan.options.problem)
    return branch.begin(root, attributes, parent=parent, previous=previous)


def _raised(limits: Limits, given: Mapping[str, float]) -> Limits:
    """Return the limits, with those that are given where they are more."""
    return Limits(**{name: max(limit, given.get(name, limit)) for name, limit in asdict(limits).items()})
