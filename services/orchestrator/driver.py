"""Runs a search against the other services: sends what its policy asks for, tells it what came of that.

Three concurrency models share this one path. They differ in how much is asked at a time, and in what is told when: an
expansion as a whole, in the order of asking, or each thought as it is judged.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from services.core.budget import Limits, Resource
from services.core.history import Ended, Parked, Record, Resumed, Round, Told
from services.core.search import SearchPolicy
from services.core.task import Task
from services.core.thought import State, Usage
from services.core.tree import Tree
from services.orchestrator.course import Course
from services.orchestrator.expansion import Expansion, propose
from services.orchestrator.judging import Judge
from services.orchestrator.solve import SPENT, Concurrency, Outcome, SolveOptions, SolveStatus, Stages
from services.rpc import deadline
from services.telemetry.branch import Branches

Keep = Callable[[Round], Awaitable[None]]


class Driver:
    """One solve, from its beginning or from its history on."""

    def __init__(
        self,
        make_policy: Callable[[str], SearchPolicy],
        options: SolveOptions,
        task: Task,
        stages: Stages,
        branches: Branches | None = None,
    ) -> None:
        self._options = options
        self._branches = branches
        self._stages = stages
        self._news = asyncio.Event()
        """Set when something of an expansion is to be told."""
        self._course = Course(make_policy, options, task, self._news)
        self._judge = Judge(options, stages, self._spawn)
        self._group = asyncio.TaskGroup()
        self._calls: set[asyncio.Task[None]] = set()
        self._searching: asyncio.Task[SolveStatus] | None = None
        self._ran_before = 0.0
        self._began: float | None = None
        self.cancelled = asyncio.Event()
        """Whether someone wants the end of it."""

    @property
    def tree(self) -> Tree:
        """The tree so far."""
        return self._course.tree

    @property
    def limits(self) -> Limits:
        """What the solve may spend."""
        return self._course.budget.limits

    @property
    def usage(self) -> Usage:
        """All that was spent: what was cut short has cost something too, and what was reported of it counts."""
        under_way = (expansion.usage for expansion in self._course.untold)
        return sum(under_way, self._course.proposing + self._judge.usage)

    @property
    def elapsed(self) -> float:
        """Seconds that the solve has run, pauses left out."""
        running = 0.0 if self._began is None else asyncio.get_running_loop().time() - self._began
        return self._ran_before + running

    def replay(self, record: Record) -> None:
        """Take up one more record of the solve's history; all of them, in order, before it is run.

        Raises `HistoryRefused` if this version of its strategy would search otherwise.
        """
        match record:
            case Round(told=told, elapsed=elapsed):
                self._course.start()
                for each in told:
                    for key, judgement in self._course.retell(each):
                        self._judge.remember(key, judgement)
                    state = State(self._options.problem, self.tree.steps(each.thought_id))
                    self._judge.remember_group(state, (self.tree[child].thought.key for child in each.children))
                self._ran_before = elapsed
            case Resumed(limits=limits):
                self._course.budget.limits = limits
            case Parked(usage=usage, elapsed=elapsed) | Ended(usage=usage, elapsed=elapsed):
                self._course.book(usage)
                self._ran_before = elapsed

    async def run(self, keep: Keep, *, within: float | None = None) -> Outcome:
        """Search until an answer, the end of the policy's ideas, or the end of the budget.

        `keep` gets what the search was told, and no effect of that leaves this process before it returns. `within` is
        the seconds that the caller still waits, if fewer than the budget has.

        Raises `WorkerUnavailable` if a stage cannot be reached, `ModelUnusable` if its model cannot be used at all, the
        error of the root if that cannot be expanded, and what `keep` raises.
        """
        if self.cancelled.is_set():
            return self._outcome(SolveStatus.CANCELLED)
        self._began = asyncio.get_running_loop().time()
        try:
            limit = self._course.budget.limits.wall_seconds - self._ran_before
            limit = limit if within is None else min(limit, within)
            # Who took the solve up by following it may be in a hurry; that is no matter of the solve.
            deadline.lift()
            # Calls may outlast the search a little: it is the search's end that cancels them, not the reverse.
            deadline.hold_to(limit + 2 * deadline.MARGIN_SECONDS)
            async with asyncio.timeout(limit), self._group:
                self._searching = self._group.create_task(self._search(keep))
            status = SolveStatus.CANCELLED if self._searching.cancelled() else self._searching.result()
        except TimeoutError:
            status = SPENT[Resource.WALL_TIME]
        except ExceptionGroup as failures:
            # Whatever failed first ended the rest.
            raise failures.exceptions[0] from failures
        return self._outcome(status)

    def end_trace(self, status: str) -> None:
        """End every span of the solve, if it is traced."""
        if self._branches:
            path = self.tree.path(self._course.answer.thought.id) if self._course.answer else []
            self._branches.end(status, self.usage, [thought.id for thought in path])

    def cancel(self) -> None:
        """End the search, or keep it from beginning; `run` returns with status CANCELLED."""
        self.cancelled.set()
        if self._searching:
            self._searching.cancel()

    def _spawn(self, call: Coroutine[Any, Any, None]) -> None:
        try:
            task = self._group.create_task(call)
        except RuntimeError:
            # The group is being cancelled, and what runs in it has not heard of it yet: nothing more is begun.
            call.close()
            return
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    async def _search(self, keep: Keep) -> SolveStatus:
        course = self._course
        try:
            # What was under way when the solve was left is sent again.
            self._send(list(course.untold))
            while True:
                if course.answer and course.policy.rules.stops_at_answer:
                    return SolveStatus.SOLVED
                started, short = course.start()
                self._send(started)
                if not course.untold:
                    short = short or (Resource.DEPTH if course.cut_off else None)
                    return SPENT[short] if short else SolveStatus.EXHAUSTED
                told = self._tell(await self._next())
                if self._branches:
                    self._branches.told(event for each in told for event in each.events)
                await keep(Round(told=told, best=self._best_text(), elapsed=self.elapsed))
        finally:
            self._judge.close()
            for call in self._calls:
                call.cancel()

    def _send(self, expansions: Sequence[Expansion]) -> None:
        if self._branches:
            for expansion in expansions:
                expansion.branches = self._branches
                expansion.trace = self._branches.expanding(expansion.ask.thought_id, self.tree)
        size = self._options.batch_size
        for first in range(0, len(expansions), size):
            batch = expansions[first : first + size]
            self._spawn(propose(batch, self._options, self._stages.proposer, self._judge))

    async def _next(self) -> list[Expansion]:
        """Wait for something to tell: the first asked when it is complete, or whatever has brought something."""
        untold = self._course.untold
        while True:
            self._news.clear()
            if self._options.concurrency is Concurrency.ASYNC:
                ready = [e for e in untold if e.has_judged or e.complete]
            else:
                ready = [untold[0]] if untold[0].complete else []
            if ready:
                return ready
            await self._news.wait()

    def _tell(self, expansions: Sequence[Expansion]) -> tuple[Told, ...]:
        """Tell what expansions brought, up to an answer that ends the search."""
        told = []
        for expansion in expansions:
            told.append(self._course.tell(expansion))
            if self._course.answer and self._course.policy.rules.stops_at_answer:
                break
        return tuple(told)

    def _best_text(self) -> str:
        return self.tree[self._course.policy.best()].thought.text

    def _outcome(self, status: SolveStatus) -> Outcome:
        answer, best = self._course.answer, self._course.best
        if answer:
            # However the search ended.
            status = SolveStatus.SOLVED
        # A chain of thought is one thought of several lines.
        steps = tuple(line for text in self.tree.steps(best) for line in text.split("\n"))
        text = (answer.thought.answer or "") if answer else ""
        return Outcome(status, text, steps, best, self.usage)
