"""One expansion under way: what a policy asked for, and what has come of it."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

import structlog

from services.core.budget import Cost
from services.core.errors import KotError, ModelFailed, WorkerUnavailable
from services.core.ports import Proposer, ProposeRequest, ProposeUpdate
from services.core.search import Ask
from services.core.thought import Dropped, Proposal, State, Usage
from services.orchestrator.judging import Judge, Judged, Judgement
from services.orchestrator.solve import SolveOptions
from services.telemetry.branch import Branches


@dataclass(slots=True, eq=False)
class Expansion:
    """What an ask has brought so far, and what of it was told, in this process or before.

    `news` is set when something is judged, or when there is nothing more to come: then it is `complete`.
    """

    ask: Ask
    state: State
    reserved: Cost
    thoughts_at_most: int
    news: asyncio.Event
    branches: Branches | None = None
    """Where the spans of its thoughts are kept, if it is traced."""
    dropped: Dropped = field(default_factory=Dropped)
    usage: Usage = field(default_factory=Usage)
    """Spent on proposing."""
    judging: Usage = field(default_factory=Usage)
    """Spent on judging what was told, and on all that was told before."""
    told: set[str] = field(default_factory=set)
    """Ids of the thoughts that were told."""
    nodes: int = 0
    """How many of them were new."""
    error: KotError | None = None
    trace: str = ""
    """Names the span of the thought that is expanded; empty if it is not traced."""
    _untold: list[tuple[Proposal, Judged]] = field(default_factory=list)
    _group: list[Proposal] = field(default_factory=list)
    """What is to be voted on, once all of it is there."""
    _texts: set[str] = field(default_factory=set)
    _proposed: bool = False
    _reported: Usage = field(default_factory=Usage)

    @property
    def complete(self) -> bool:
        """Whether all of it is there and judged."""
        return self._proposed and all(judged.done() for _, judged in self._untold)

    @property
    def has_judged(self) -> bool:
        """Whether some of it is judged and untold."""
        return any(judged.done() for _, judged in self._untold)

    def take_spent(self) -> Usage:
        """Return what was spent since this was last asked."""
        spent = self.usage + self.judging
        since, self._reported = spent - self._reported, spent
        return since

    def take_judged(self) -> list[tuple[Proposal, Judgement]]:
        """Return what is judged and untold, in the order of proposal, and keep the rest."""
        ready = [(proposal, judged.result()) for proposal, judged in self._untold if judged.done()]
        self._untold = [(proposal, judged) for proposal, judged in self._untold if not judged.done()]
        return ready

    def take(self, update: ProposeUpdate, options: SolveOptions, judge: Judge) -> None:
        """Add an update of the generator and have its thoughts judged; a vote waits for the last of them."""
        self.dropped += update.dropped
        self.usage += options.propose_price.charged(update.usage)
        for proposal in update.proposals:
            if proposal.text in self._texts or len(self._texts) == self.thoughts_at_most:
                # A broken call that was made again: nothing is counted twice but what was spent twice.
                continue
            self._texts.add(proposal.text)
            trace = self._born(proposal)
            if options.votes_on(self.ask):
                self._group.append(proposal)
            else:
                self._await(proposal, judge.judge(self.state, proposal, trace))
        if update.done:
            self.end(update.error, judge)

    def end(self, error: KotError | None, judge: Judge) -> None:
        """No more thoughts will come: what there is can be voted on."""
        if not self._proposed:
            traces = [self._born(proposal) for proposal in self._group]
            judgements = judge.vote(self.state, self._group, self.trace, traces)
            for proposal, judged in zip(self._group, judgements, strict=True):
                self._await(proposal, judged)
            self._proposed = True
            self.error = error
            self.news.set()

    def _born(self, proposal: Proposal) -> str:
        """Begin the span of a thought; returns what names it."""
        if not self.trace or self.branches is None:
            return ""
        return self.branches.born(self.ask.thought_id, proposal.text, len(self.state.steps) + 1)

    def _await(self, proposal: Proposal, judged: Judged) -> None:
        self._untold.append((proposal, judged))
        judged.add_done_callback(lambda _: self.news.set())


async def propose(expansions: Sequence[Expansion], options: SolveOptions, proposer: Proposer, judge: Judge) -> None:
    """Run a batch of expansions in one call; thoughts are judged as they come.

    Raises `WorkerUnavailable`; any other error fails the expansions that it leaves open.
    """
    by_id = {str(index): expansion for index, expansion in enumerate(expansions)}
    batch = [_request(request_id, expansion, options) for request_id, expansion in by_id.items()]
    error: KotError = ModelFailed("the generator ended its answer too early")
    try:
        async with aclosing(proposer.propose(batch)) as ready:
            async for updates in ready:
                for update in updates:
                    by_id[update.id].take(update, options, judge)
    except WorkerUnavailable:
        raise
    except KotError as failure:
        structlog.get_logger().warning("batch_failed", reason=failure.reason, message=str(failure))
        error = failure
    for expansion in expansions:
        expansion.end(error, judge)


def _request(request_id: str, expansion: Expansion, options: SolveOptions) -> ProposeRequest:
    ask = expansion.ask
    return ProposeRequest(
        id=request_id,
        task=options.task,
        state=expansion.state,
        samples=ask.samples,
        max_thoughts=expansion.thoughts_at_most,
        sampling=options.sampling[ask.method],
        method=ask.method,
        seed=options.seed,
        draw=ask.draw,
        model=options.propose_model,
        fresh=options.fresh,
        trace=expansion.trace,
    )
