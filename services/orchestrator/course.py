"""A search under way: its policy, tree and budget, changed by `start` and `tell` alone, and by replaying their records.

No clock and no I/O: what comes of an expansion is put into it from outside.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from services.core.budget import Budget, Cost, Resource
from services.core.errors import HistoryRefused, ModelUnusable, PermanentError, TemporaryError
from services.core.history import Told
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
from services.orchestrator.expansion import Expansion
from services.orchestrator.judging import Judgement
from services.orchestrator.solve import Concurrency, SolveOptions
from services.rpc.status import make_error

MOST_IN_FLIGHT = {Concurrency.SEQUENTIAL: 1, Concurrency.LEVEL: 1024, Concurrency.ASYNC: 64}
"""Expansions under way at a time: the credit that bounds what workers may have to say at once."""

PATIENCE = 3
"""Expansions of a thought that worked once may fail so often in a row before it is given up."""

_VERDICTS = {Status.ANSWER: Verdict.CERTAIN, Status.REJECTED: Verdict.IMPOSSIBLE}


class Course:
    """The course of one search."""

    def __init__(
        self,
        make_policy: Callable[[str], SearchPolicy],
        options: SolveOptions,
        task: Task,
        news: asyncio.Event,
    ) -> None:
        self._options = options
        self._task = task
        self._news = news
        self.tree = Tree(Thought.root(options.problem))
        self.budget = Budget(options.limits)
        self.budget.settle(Cost(), nodes=len(self.tree), usage=Usage())
        self.policy = make_policy(self.tree.root.id)
        self.untold: deque[Expansion] = deque()
        """Under way, in the order of asking."""
        self.proposing = Usage()
        """Spent on expansions that ended, and on all that was replayed."""
        self.cut_off = False
        """Whether the limit of depth kept a thought from being expanded."""
        self._deferred: list[Ask] = []
        self._failures: dict[str, int] = {}
        """How often in a row expanding a thought has failed for good, of those that were expanded."""

    @property
    def answer(self) -> Node | None:
        """The answer: the first that is certain, or the policy's own choice if that is."""
        if self.policy.rules.stops_at_answer:
            return self.tree.answer
        chosen = self.tree[self.policy.best()]
        return chosen if chosen.status is Status.ANSWER else None

    @property
    def best(self) -> str:
        """The id of the answer, or of the most promising thought."""
        return self.answer.thought.id if self.answer else self.policy.best()

    # --- begin ------------------------------------------------------------------------------------------------------

    def start(self) -> tuple[Sequence[Expansion], Resource | None]:
        """Begin what the policy asks for and the budget allows; name the limit that forbids something."""
        asks, self._deferred = [*self._deferred, *self.policy.ask(self._capacity())], []
        if self._options.concurrency is Concurrency.ASYNC:
            # What is nearest an answer goes first, should there not be enough for all.
            asks.sort(key=lambda ask: -self.tree[ask.thought_id].thought.depth)
        started: list[Expansion] = []
        short = None
        for index, ask in enumerate(asks):
            expansion, missing = self._afford(ask, alone=not (self.untold or started))
            if expansion is not None:
                started.append(expansion)
                continue
            short = missing
            if self.untold or started:
                # What is cheaper does not jump the line: the rest waits for a refund too.
                self._deferred += asks[index:]
                break
            self._deferred.append(ask)
        self.untold.extend(started)
        return started, short

    def _capacity(self) -> int:
        if self._options.concurrency is Concurrency.LEVEL and self.untold:
            return 0
        return MOST_IN_FLIGHT[self._options.concurrency] - len(self.untold) - len(self._deferred)

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

    # --- tell -------------------------------------------------------------------------------------------------------

    def tell(self, expansion: Expansion) -> Told:
        """Add what an expansion has brought to the tree and tell the policy; in the end, book its cost.

        Raises `ModelUnusable`, and the root's error if the root cannot be expanded.
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
        # A call that was cut off and made again says again what it said.
        fresh = [child for child in children.values() if child.thought_id not in expansion.told]
        expansion.told.update(children)
        expansion.nodes += len(self.tree) - nodes
        failed = self._end(expansion) if expansion.complete else False
        tell = Tell(parent.id, ask.draw, tuple(fresh), done=expansion.complete, failed=failed)
        for prune in self.policy.tell(tell):
            self.tree.apply(Pruned(prune.thought_id, prune.reason))
        return Told(
            thought_id=parent.id,
            draw=ask.draw,
            children=tuple(child.thought_id for child in fresh),
            events=tuple(self.tree.events[logged:]),
            usage=expansion.take_spent(),
            done=tell.done,
            failed=failed,
            method=ask.method,
        )

    def _end(self, expansion: Expansion) -> bool:
        """Close an expansion that is complete; tell whether its thought is to be left aside."""
        self.untold.remove(expansion)
        ask, error = expansion.ask, expansion.error
        nothing_left = len(self.tree) == 1 and not self.untold
        if error and (nothing_left or isinstance(error, ModelUnusable)):
            raise error
        failed = self._is_hopeless(expansion)
        if failed and error:
            self.tree.apply(Failed(ask.thought_id, error.reason, str(error)))
        usage = expansion.usage + expansion.judging
        self.proposing += expansion.usage
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
        if expansion.told or not isinstance(expansion.error, PermanentError):
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
        self.tree.apply(Proposed(thought, proposal.pod))
        for event in _events(thought.id, judgement):
            self.tree.apply(event)
        child = self._child(self.tree[thought.id])
        if child.too_deep:
            self.cut_off = True
            self.tree.apply(Pruned(thought.id, f"as deep as the budget allows, {self.budget.limits.depth} steps"))
        return child

    def _child(self, node: Node) -> Child:
        """Return a node as the policy sees it."""
        too_deep = node.value is not None and node.thought.depth >= self.budget.limits.depth
        verdict = _VERDICTS.get(node.status)
        return Child(node.thought.id, node.thought.depth, node.value, verdict, too_deep=too_deep)

    # --- replay -----------------------------------------------------------------------------------------------------

    def retell(self, told: Told) -> Iterator[tuple[str, Judgement]]:
        """Do again what `tell` did once; yields the judgements of new thoughts, by key.

        Raises `HistoryRefused` if the search asks for other things, or leaves others aside, than it did.
        """
        asked = (e for e in self.untold if e.ask.thought_id == told.thought_id and e.ask.draw == told.draw)
        expansion = next(asked, None)
        if expansion is None:
            raise HistoryRefused("the strategy does not ask for what it once asked for: it has changed since")
        nodes = len(self.tree)
        events = list(told.events)
        pruned = _taken_from_the_end(events)
        for event in events:
            self.tree.apply(event)
        children = tuple(self._child(self.tree[thought_id]) for thought_id in told.children)
        self.cut_off |= any(child.too_deep for child in children)
        expansion.told.update(told.children)
        expansion.nodes += len(self.tree) - nodes
        self.proposing += told.usage
        expansion.judging += told.usage
        if told.done:
            self.untold.remove(expansion)
            self.budget.settle(expansion.reserved, nodes=expansion.nodes, usage=expansion.judging)
            if not told.failed:
                self._failures[told.thought_id] = 0
        tell = Tell(told.thought_id, told.draw, children, done=told.done, failed=told.failed)
        prunes = [Pruned(prune.thought_id, prune.reason) for prune in self.policy.tell(tell)]
        if prunes != pruned[len(pruned) - len(prunes) :]:
            raise HistoryRefused("the strategy leaves other thoughts aside than it once did: it has changed since")
        for event in pruned:
            self.tree.apply(event)
        expansion.take_spent()
        yield from _judgements(told.events)

    def book(self, usage: Usage) -> None:
        """Count what was spent in all, what was cut short and never told included."""
        lost = usage - self.proposing
        self.proposing += lost
        self.budget.settle(Cost(), nodes=0, usage=lost)


def _events(thought_id: str, judgement: Judgement) -> list[Event]:
    if judgement.error is not None:
        return [Failed(thought_id, judgement.error.reason, str(judgement.error))]
    if judgement.verdict is not None:
        return [Validated(thought_id, judgement.verdict, judgement.explanation, judgement.pod)]
    if judgement.value is not None:
        return [Evaluated(thought_id, judgement.value, judgement.pod)]
    return []


def _judgements(events: Sequence[Event]) -> Iterator[tuple[str, Judgement]]:
    """Yield what was said of new thoughts, by key; it is paid for."""
    keys: dict[str, str] = {}
    for event in events:
        match event:
            case Proposed(thought):
                keys[thought.id] = thought.key
            case Evaluated(thought_id, value, pod):
                yield keys[thought_id], Judgement(value, booked=True, pod=pod)
            case Validated(thought_id, verdict, explanation, pod):
                yield keys[thought_id], Judgement(verdict=verdict, explanation=explanation, booked=True, pod=pod)
            case Failed(thought_id, reason, message) if thought_id in keys:
                yield keys[thought_id], Judgement(error=make_error(reason, message), booked=True)


def _taken_from_the_end(events: list[Event]) -> list[Event]:
    """Take the prunings from the end of events: those of the policy, which come of telling it, are among them."""
    pruned: list[Event] = []
    while events and isinstance(events[-1], Pruned):
        pruned.insert(0, events.pop())
    return pruned
