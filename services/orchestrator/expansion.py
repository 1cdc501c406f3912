"""One expansion under way: what a policy asked for, and what has come of it."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from services.core.budget import Cost
from services.core.errors import KotError, ModelFailed, WorkerUnavailable
from services.core.ports import Proposer, ProposeRequest, ProposeUpdate
from services.core.search import Ask
from services.core.thought import Dropped, Proposal, State, Usage
from services.orchestrator.judging import Judged, Judgement
from services.orchestrator.solve import SolveOptions

JudgeThought = Callable[[State, Proposal], Judged]


@dataclass(slots=True, eq=False)
class Expansion:
    """What an ask has brought so far, and what of it was told.

    `news` is set when something is judged, or when there is nothing more to come: then it is `complete`.
    """

    ask: Ask
    state: State
    reserved: Cost
    thoughts_at_most: int
    news: asyncio.Event
    dropped: Dropped = field(default_factory=Dropped)
    usage: Usage = field(default_factory=Usage)
    """Spent on proposing."""
    judging: Usage = field(default_factory=Usage)
    """Spent on judging what was told."""
    brought: bool = False
    """Whether thoughts were told."""
    nodes: int = 0
    """How many of them were new."""
    error: KotError | None = None
    _untold: list[tuple[Proposal, Judged]] = field(default_factory=list)
    _texts: set[str] = field(default_factory=set)
    _proposed: bool = False

    @property
    def complete(self) -> bool:
        """Whether all of it is there and judged."""
        return self._proposed and all(judged.done() for _, judged in self._untold)

    @property
    def has_judged(self) -> bool:
        """Whether some of it is judged and untold."""
        return any(judged.done() for _, judged in self._untold)

    def take_judged(self) -> list[tuple[Proposal, Judgement]]:
        """Return what is judged and untold, in the order of proposal, and keep the rest."""
        ready = [(proposal, judged.result()) for proposal, judged in self._untold if judged.done()]
        self._untold = [(proposal, judged) for proposal, judged in self._untold if not judged.done()]
        return ready

    def take(self, update: ProposeUpdate, options: SolveOptions, judge: JudgeThought) -> None:
        """Add an update of the generator and have its thoughts judged."""
        self.dropped += update.dropped
        self.usage += options.propose_price.charged(update.usage)
        for proposal in update.proposals:
            if proposal.text in self._texts or len(self._texts) == self.thoughts_at_most:
                # A broken call that was made again: nothing is counted twice but what was spent twice.
                continue
            self._texts.add(proposal.text)
            judged = judge(self.state, proposal)
            self._untold.append((proposal, judged))
            judged.add_done_callback(lambda _: self.news.set())
        if update.done:
            self.end(update.error)

    def end(self, error: KotError | None) -> None:
        """No more thoughts will come."""
        if not self._proposed:
            self._proposed = True
            self.error = error
            self.news.set()


async def propose(
    expansions: Sequence[Expansion], options: SolveOptions, proposer: Proposer, judge: JudgeThought
) -> None:
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
        error = failure
    for expansion in expansions:
        expansion.end(error)


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
    )
