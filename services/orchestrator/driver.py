"""Runs a search policy against the other services: asks it what to expand, tells it what came of that.

Three concurrency models share this one path. They differ in how much is asked at a time, and in what is told when: an
expansion as a whole, in the order of asking, or each thought as it is judged.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

from services.core.budget import Budget, Cost, Resource
from services.core.errors import ModelUnusable, PermanentError, TemporaryError
from services.core.search import Ask, Child, SearchPolicy, Tell
from services.core.task import Method, Task
from services.core.thought import Proposal, State, Thought, Usage, Verdict
from services.core.tree import (
    Evaluated,
    Event,
    Expanded,
    Failed,
    Merged,
    Node,
    Proposed,
    Pruned,
    Status,
    Tree,
    Validated,
)
from services.orchestrator.expansion import Expansion, propose
from services.orchestrator.judging import Judge, Judgement
from services.orchestrator.solve import SPENT, Concurrency, Outcome, SolveOptions, SolveStatus, Stages
from services.rpc import deadline

MOST_IN_FLIGHT = {Concurrency.SEQUENTIAL: 1, Concurrency.LEVEL: 1024, Concurrency.ASYNC: 64}
"""Expansions under way at a time: the credit that bounds what workers may have to say at once."""

PATIENCE = 3
"""Expansions of a thought that worked once may fail so often in a row before it is given up."""

Emit = Callable[[Sequence[Event]], Awaitable[None]]

_VERDICTS = {Status.ANSWER: Verdict.CERTAIN, Status.REJECTED: Verdict.IMPOSSIBLE}


class Driver:
    """One solve."""

    def __init__(
        self,
        make_policy: Callable[[str], SearchPolicy],
        options: SolveOptions,
        task: Task,
        stages: Stages,
    ) -> None:
        self._options = options
        self._task = task
        self._stages = stages
        self.tree = Tree(Thought.root(options.problem))
        self.budget = Budget(options.limits)
        self.budget.settle(Cost(), nodes=len(self.tree), usage=Usage())
        self.policy = make_policy(self.tree.root.id)
        self._judge = Judge(options, stages, self._spawn)
        self._proposing = Usage()
        self._group = asyncio.TaskGroup()
        self._calls: set[asyncio.Task[None]] = set()
        self._untold: deque[Expansion] = deque()
        self._news = asyncio.Event()
        """Set when something of an expansion is to be told."""
        self._failures: dict[str, int] = {}
        """How often in a row expanding a thought has failed for good, of those that were expanded."""
        self._cut_off = False
        """Whether the limit of depth kept a thought from being expanded."""
        self._deferred: list[Ask] = []
        self._searching: asyncio.Task[SolveStatus] | None = None
        self.cancelled = asyncio.Event()
        """Whether someone wants the end of it."""

    async def run(self, emit: Emit, *, within: float | None = None) -> Outcome:
        """Search until an answer, the end of the policy's ideas, or the end of the budget.

        `emit` gets each expansion's events once it is told; it may wait, and the search waits with it.
        `within` is the seconds that the caller still waits, if fewer than the budget has.

        Raises `WorkerUnavailable` if a stage cannot be reached, `ModelUnusable` if its model cannot be used at all, and
        the error of the root if that cannot be expanded.
        """
        if self.cancelled.is_set():
            return self._outcome(SolveStatus.CANCELLED)
        try:
            limit = self._options.limits.wall_seconds
            limit = limit if within is None else min(limit, within)
            # Calls may outlast the search a little: it is the search's end that cancels them, not the reverse.
            deadline.hold_to(limit + 2 * deadline.MARGIN_SECONDS)
            async with asyncio.timeout(limit), self._group:
                self._searching = self._group.create_task(self._search(emit))
            status = SolveStatus.CANCELLED if self._searching.cancelled() else self._searching.result()
        except TimeoutError:
            status = SPENT[Resource.WALL_TIME]
        except ExceptionGroup as failures:
            # Whatever failed first ended the rest.
            raise failures.exceptions[0] from failures
        return self._outcome(status)

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

    async def _search(self, emit: Emit) -> SolveStatus:
        try:
            while True:
                short = self._start()
                if not self._untold:
                    short = short or (Resource.DEPTH if self._cut_off else None)
                    return SPENT[short] if short else SolveStatus.EXHAUSTED
                for expansion in await self._next():
                    await emit(self._tell(expansion))
                    if self.tree.answer and self.policy.rules.stops_at_answer:
                        return SolveStatus.SOLVED
        finally:
            self._judge.close()
            for call in self._calls:
                call.cancel()

    def _answer(self) -> Node | None:
        """Return the answer: the first that is certain, or the policy's own choice if that is."""
        if self.policy.rules.stops_at_answer:
            return self.tree.answer
        chosen = self.tree[self.policy.best()]
        return chosen if chosen.status is Status.ANSWER else None

    def _start(self) -> Resource | None:
        """Begin what the policy asks for and the budget allows; name the limit that forbids something."""
        asks, self._deferred = [*self._deferred, *self.policy.ask(self._capacity())], []
        if self._options.concurrency is Concurrency.ASYNC:
            # What is nearest an answer goes first, should there not be enough for all.
            asks.sort(key=lambda ask: -self.tree[ask.thought_id].thought.depth)
        started: list[Expansion] = []
        short = None
        for index, ask in enumerate(asks):
            expansion, missing = self._afford(ask, alone=not (self._untold or started))
            if expansion is not None:
                started.append(expansion)
                continue
            short = missing
            if self._untold or started:
                # What is cheaper does not jump the line: the rest waits for a refund too.
                self._deferred += asks[index:]
                break
            self._deferred.append(ask)
        self._untold.extend(started)
        size = self._options.batch_size
        for first in range(0, len(started), size):
            batch = started[first : first + size]
            self._spawn(propose(batch, self._options, self._stages.proposer, self._judge))
        return short

    def _capacity(self) -> int:
        if self._options.concurrency is Concurrency.LEVEL and self._untold:
            return 0
        return MOST_IN_FLIGHT[self._options.concurrency] - len(self._untold) - len(self._deferred)

    def _afford(self, ask: Ask, *, alone: bool) -> tuple[Expansion | None, Resource | None]:
        """Reserve an expansion's worst case.

        One that runs alone makes do with fewer samples, and then with fewer thoughts of one: no refund is to come.
        """
        state = State(self._options.problem, self.tree.steps(ask.thought_id))
        cost = self._options.worst_cost(self._task, state, ask)
        most = self._options.thoughts_at_most(ask, ask.samples)
        samples, reserved, short = self.budget.reserve_most(ask.samples, lambda n: cost(n, most))
        if samples < ask.samples and not alone:
            self.budget.refund(reserved)
            return None, short
        if samples == 0:
            most, reserved, short = self.budget.reserve_most(most, lambda thoughts: cost(1, thoughts))
            if most == 0:
                return None, short
        ask = replace(ask, samples=max(samples, 1), max_thoughts=most)
        expansion = Expansion(
            ask=ask,
            state=state,
            reserved=reserved,
            thoughts_at_most=self._options.thoughts_at_most(ask, ask.samples),
            news=self._news,
        )
        return expansion, short

    async def _next(self) -> list[Expansion]:
        """Wait for something to tell: the first asked when it is complete, or whatever has brought something."""
        while True:
            self._news.clear()
            if self._options.concurrency is Concurrency.ASYNC:
                ready = [e for e in self._untold if e.has_judged or e.complete]
            else:
                ready = [self._untold[0]] if self._untold[0].complete else []
            if ready:
                return ready
            await self._news.wait()

    def _tell(self, expansion: Expansion) -> Sequence[Event]:
        """Add what an expansion has brought to the tree and tell the policy; in the end, book its cost.

        Returns what happened.
        """
        ask, parent = expansion.ask, self.tree[expansion.ask.thought_id].thought
        logged = len(self.tree.events)
        nodes = len(self.tree)
        children: dict[str, Child] = {}
        for proposal, judgement in expansion.take_judged():
            if isinstance(judgement.error, ModelUnusable):
                raise judgement.error
            if not judgement.booked:
                judgement.booked = True
                expansion.judging += judgement.usage
            # What could not be judged for now may come again with another draw.
            if not isinstance(judgement.error, TemporaryError):
                child = self._add(parent, proposal, judgement)
                children[child.thought_id] = child
        expansion.brought |= bool(children)
        expansion.nodes += len(self.tree) - nodes
        failed = self._end(expansion) if expansion.complete else False
        tell = Tell(parent.id, ask.draw, tuple(children.values()), done=expansion.complete, failed=failed)
        for prune in self.policy.tell(tell):
            self.tree.apply(Pruned(prune.thought_id, prune.reason))
        return self.tree.events[logged:]

    def _end(self, expansion: Expansion) -> bool:
        """Close an expansion that is complete; tell whether its thought is to be left aside."""
        self._untold.remove(expansion)
        ask, error = expansion.ask, expansion.error
        nothing_left = len(self.tree) == 1 and not self._untold
        if error and (nothing_left or isinstance(error, ModelUnusable)):
            raise error
        failed = self._is_hopeless(expansion)
        if failed and error:
            self.tree.apply(Failed(ask.thought_id, error.reason, str(error)))
        usage = expansion.usage + expansion.judging
        self._proposing += expansion.usage
        self.tree.apply(Expanded(ask.thought_id, ask.draw, expansion.dropped, usage))
        self.budget.settle(expansion.reserved, nodes=expansion.nodes, usage=usage)
        return failed

    def _is_hopeless(self, expansion: Expansion) -> bool:
        """Tell whether a thought is to be left aside: it fails for good, or has failed several times in a row."""
        ask = expansion.ask
        # A look-ahead that fails says nothing of the next step.
        looks_ahead = ask.method is Method.CHAIN and ask.thought_id != self.tree.root.id
        if looks_ahead:
            return False
        if expansion.brought or not isinstance(expansion.error, PermanentError):
            self._failures[ask.thought_id] = 0
            return False
        # One that never worked is given up at once.
        self._failures[ask.thought_id] = self._failures.get(ask.thought_id, PATIENCE - 1) + 1
        return self._failures[ask.thought_id] >= PATIENCE

    def _add(self, parent: Thought, proposal: Proposal, judgement: Judgement) -> Child:
        """Add one child, or one more parent of a thought that is known."""
        thought = parent.child(proposal)
        merged = self.tree.find(proposal.key) if self.policy.rules.merges else None
        # A look-ahead may end with the words of a step: that is the same thought, whatever its key.
        known = merged or self.tree.get(thought.id)
        if known is not None:
            if parent.id not in known.parents:
                self.tree.apply(Merged(known.thought.id, parent.id, proposal.text))
            return self._child(known)
        self.tree.apply(Proposed(thought))
        for event in _events(thought.id, judgement):
            self.tree.apply(event)
        child = self._child(self.tree[thought.id])
        if child.too_deep:
            self._cut_off = True
            self.tree.apply(Pruned(thought.id, f"as deep as the budget allows, {self._options.limits.depth} steps"))
        return child

    def _child(self, node: Node) -> Child:
        """Return a node as the policy sees it."""
        too_deep = node.value is not None and node.thought.depth >= self._options.limits.depth
        verdict = _VERDICTS.get(node.status)
        return Child(node.thought.id, node.thought.depth, node.value, verdict, too_deep=too_deep)

    def _outcome(self, status: SolveStatus) -> Outcome:
        answer = self._answer()
        if answer:
            # However the search ended.
            status = SolveStatus.SOLVED
        best = answer.thought.id if answer else self.policy.best()
        # What was cut short has cost something too: what was reported of it counts.
        usage = sum((expansion.usage for expansion in self._untold), self._proposing + self._judge.usage)
        # A chain of thought is one thought of several lines.
        steps = tuple(line for text in self.tree.steps(best) for line in text.split("\n"))
        return Outcome(status, (answer.thought.answer or "") if answer else "", steps, usage)


def _events(thought_id: str, judgement: Judgement) -> list[Event]:
    if judgement.error is not None:
        return [Failed(thought_id, judgement.error.reason, str(judgement.error))]
    if judgement.verdict is not None:
        return [Validated(thought_id, judgement.verdict, judgement.explanation)]
    if judgement.value is not None:
        return [Evaluated(thought_id, judgement.value)]
    return []
