"""One expansion under way: what a policy asked for, what has come of it, and when it is complete."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from services.core.budget import Cost
from services.core.errors import KotError, ModelFailed, WorkerUnavailable
from services.core.ports import Proposer, ProposeRequest, ProposeUpdate
from services.core.search import Ask
from services.core.thought import Dropped, Proposal, State, Usage, Verdict
from services.orchestrator.judging import Judged
from services.orchestrator.solve import SolveOptions

JudgeThought = Callable[[State, Proposal], Judged]


@dataclass(slots=True)
class Expansion:
    """What an ask has brought so far; `complete` is set when all of it is there and judged.

    With `answer_completes`, the first certain answer completes it: the rest is not waited for.
    """

    ask: Ask
    state: State
    reserved: Cost
    thoughts_at_most: int
    answer_completes: bool
    complete: asyncio.Future[None]
    children: list[tuple[Proposal, Judged]] = field(default_factory=list)
    dropped: Dropped = field(default_factory=Dropped)
    usage: Usage = field(default_factory=Usage)
    error: KotError | None = None
    _keys: set[str] = field(default_factory=set)
    _proposed: bool = False
    _unjudged: int = 0

    def take(self, update: ProposeUpdate, judge: JudgeThought) -> None:
        """Add an update of the generator and have its thoughts judged."""
        self.dropped += update.dropped
        self.usage += update.usage
        for proposal in update.proposals:
            if proposal.key in self._keys or len(self._keys) == self.thoughts_at_most:
                # A broken call that was made again: nothing is counted twice but what was spent twice.
                continue
            self._keys.add(proposal.key)
            judged = judge(self.state, proposal)
            self.children.append((proposal, judged))
            self._unjudged += 1
            judged.add_done_callback(self._on_judged)
        if update.done:
            self.end(update.error)

    def end(self, error: KotError | None) -> None:
        """No more thoughts will come."""
        if not self._proposed:
            self._proposed = True
            self.error = error
            self._complete_if_ready()

    def _on_judged(self, judged: Judged) -> None:
        self._unjudged -= 1
        if judged.cancelled():
            return
        certain = judged.result().verdict is Verdict.CERTAIN
        self._complete_if_ready(early=certain and self.answer_completes)

    def _complete_if_ready(self, *, early: bool = False) -> None:
        if (early or (self._proposed and not self._unjudged)) and not self.complete.done():
            self.complete.set_result(None)


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
                    by_id[update.id].take(update, judge)
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
        sampling=options.sampling,
        method=options.rules.method,
        seed=options.seed,
        draw=ask.draw,
    )
