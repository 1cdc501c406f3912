"""Judging thoughts: as they stream in, each state once, however many branches reach it, in batches; or by votes.

A vote is about the children of one expansion, and what it says of one depends on the others. So it is not shared by
branches that reach one state: of a thought with several parents, the vote counts that is told first.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

from services.core.errors import KotError, ModelFailed, TemporaryError, WorkerUnavailable
from services.core.ports import EvaluateRequest, ValidateRequest
from services.core.task import EvaluationMethod
from services.core.thought import Proposal, State, Usage, Value, Verdict
from services.orchestrator.solve import SolveOptions, Stages

LINGER_SECONDS = 0.002
"""How long a batch that is not full waits for more."""


@dataclass(slots=True)
class Judgement:
    """What is said of a thought: a partial solution has a value, an answer has a verdict; or why neither came.

    `booked` once its usage is part of an expansion's: several may share a judgement, and one of them pays.
    """

    value: Value | None = None
    verdict: Verdict | None = None
    explanation: str = ""
    usage: Usage = field(default_factory=Usage)
    error: KotError | None = None
    booked: bool = False
    pod: str = ""
    """The one that said so."""


Judged = asyncio.Future[Judgement]


@dataclass(slots=True, eq=False)
class _Item:
    """The step `proposal` from `state`, what is waited for of it, and what was `spent` before its judgement."""

    state: State
    proposal: Proposal
    judged: Judged
    trace: str = ""
    """Names the span of the thought; empty if it is not traced."""
    spent: Usage = field(default_factory=Usage)

    def settle(self, judgement: Judgement) -> None:
        if not self.judged.done():
            judgement.usage += self.spent
            self.judged.set_result(judgement)


class Judge:
    """Sends states to the evaluator and answers to the validator; calls run in tasks that `spawn` starts."""

    def __init__(
        self, options: SolveOptions, stages: Stages, spawn: Callable[[Coroutine[Any, Any, None]], object]
    ) -> None:
        self.usage = Usage()
        """Spent so far, told or not."""
        self._options = options
        self._stages = stages
        self._spawn = spawn
        self._by_group: dict[State, dict[str, Judged]] = {}
        """What was voted on, by the state that it goes on from, and by key."""
        self._by_key: dict[str, Judged] = {}
        self._states = _Batcher(options.batch_size, lambda items: spawn(self._evaluate(items)))
        self._answers = _Batcher(options.batch_size, lambda items: spawn(self._validate(items)))

    def judge(self, state: State, proposal: Proposal, trace: str = "") -> Judged:
        """Return the judgement of the step `proposal` from `state`; interchangeable states share one.

        `trace` names the span of the thought, if it is traced.
        """
        judged = self._by_key.get(proposal.key)
        if judged is None or _may_succeed_yet(judged):
            judged = self._by_key[proposal.key] = asyncio.get_running_loop().create_future()
            batcher = self._states if proposal.answer is None else self._answers
            batcher.add(_Item(state, proposal, judged, trace))
        return judged

    def remember(self, key: str, judgement: Judgement) -> None:
        """Take a judgement that was made before."""
        judged = self._by_key[key] = asyncio.get_running_loop().create_future()
        judged.set_result(judgement)

    def remember_group(self, state: State, keys: Iterable[str]) -> None:
        """Take what is remembered as what a vote on steps from `state` was about."""
        self._by_group.setdefault(state, {}).update({key: self._by_key[key] for key in keys if key in self._by_key})

    def vote(
        self, state: State, proposals: Sequence[Proposal], trace: str = "", traces: Sequence[str] = ()
    ) -> list[Judged]:
        """Return the judgements of steps from `state`, which are compared with each other: all that one draw brought.

        What was in a vote below `state` before keeps that judgement. It is a choice all the same, so that a vote
        depends on the draw alone. `trace` names the span of `state`, `traces` those of the proposals.
        """
        judged = self._by_group.setdefault(state, {})
        choices = {proposal.key: proposal for proposal in reversed(proposals)}
        for key in choices:
            if key not in judged or _may_succeed_yet(judged[key]):
                judged[key] = asyncio.get_running_loop().create_future()
        named = {proposal.key: own for proposal, own in zip(proposals, traces, strict=False)}
        items = [_Item(state, choices[key], judged[key], named.get(key, "")) for key in reversed(choices)]
        if not all(item.judged.done() for item in items):
            self._spawn(self._vote(items, trace))
        return [judged[proposal.key] for proposal in proposals]

    def close(self) -> None:
        """Send no more; what still waits to be sent stays unjudged."""
        self._states.close()
        self._answers.close()

    async def _evaluate(self, items: list[_Item]) -> None:
        with _settling(items):
            traces = [item.trace for item in items]
            async for item, judgement in self._values(items, EvaluationMethod.VALUE, traces):
                item.settle(judgement)

    async def _validate(self, items: list[_Item]) -> None:
        with _settling(items):
            async for item, judgement in self._verdicts(items):
                item.settle(judgement)

    async def _vote(self, items: list[_Item], trace: str) -> None:
        """Settle steps by the vote; then check answers, the most voted first, until one is certain.

        A verdict needs no vote: if that fails, answers are checked as they came.
        """
        steps = [item for item in items if item.proposal.answer is None]
        answers = [item for item in items if item.proposal.answer is not None]
        pays = next(item for item in items if not item.judged.done())
        votes: dict[str, float] = {}
        with _settling(steps):
            async for item, judgement in self._values(items, EvaluationMethod.VOTE, [trace] * len(items)):
                pays.spent += judgement.usage
                votes[item.proposal.key] = judgement.value.score if judgement.value else 0.0
                if item in steps:
                    item.settle(replace(judgement, usage=Usage()))
        for item in sorted(answers, key=lambda item: -votes.get(item.proposal.key, 0.0)):
            if not item.judged.done():
                await self._validate([item])
            if item.judged.result().verdict is Verdict.CERTAIN:
                break
        for item in answers:
            # Nobody asks what is left after an answer that holds.
            item.settle(Judgement())

    async def _values(
        self, items: list[_Item], method: EvaluationMethod, traces: Sequence[str]
    ) -> AsyncGenerator[tuple[_Item, Judgement], None]:
        request = EvaluateRequest(
            id="states",
            task=self._options.value_task,
            states=tuple(State(item.state.problem, (*item.state.steps, item.proposal.text)) for item in items),
            sampling=self._options.value_sampling,
            method=method,
            samples=self._options.value_samples,
            seed=self._options.seed,
            by_model=self._options.rules.trusts,
            model=self._options.value_model,
            fresh=self._options.fresh,
            traces=tuple(traces) if any(traces) else (),
        )
        async with aclosing(self._stages.evaluator.evaluate([request])) as ready:
            async for updates in ready:
                for update in updates:
                    usage = self._options.value_price.charged(update.usage)
                    self.usage += usage
                    yield items[update.index], Judgement(update.value, usage=usage, error=update.error, pod=update.pod)

    async def _verdicts(self, items: list[_Item]) -> AsyncGenerator[tuple[_Item, Judgement], None]:
        requests = [
            ValidateRequest(
                id=str(index),
                task=self._options.validate_task,
                problem=item.state.problem,
                answer=item.proposal.answer or "",
                sampling=self._options.validate_sampling,
                seed=self._options.seed,
                model=self._options.validate_model,
                fresh=self._options.fresh,
                trace=item.trace,
            )
            for index, item in enumerate(items)
        ]
        async with aclosing(self._stages.validator.validate(requests)) as ready:
            async for updates in ready:
                for update in updates:
                    usage = self._options.validate_price.charged(update.usage)
                    self.usage += usage
                    judgement = Judgement(
                        verdict=update.verdict,
                        explanation=update.explanation,
                        usage=usage,
                        error=update.error,
                        pod=update.pod,
                    )
                    yield items[int(update.id)], judgement


class _settling:  # noqa: N801 - reads as a clause of `with`
    """Settles in the end what the call left open: with its error, or because the stage said nothing.

    A stage that cannot be reached is no matter of single thoughts: that error goes on.
    """

    def __init__(self, items: list[_Item]) -> None:
        self._items = items

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if error is not None and (not isinstance(error, KotError) or isinstance(error, WorkerUnavailable)):
            return False
        for item in self._items:
            item.settle(Judgement(error=error or ModelFailed("the stage ended its answer without a judgement")))
        return True


def _may_succeed_yet(judged: Judged) -> bool:
    """Tell whether a judgement failed for a reason that may pass."""
    return judged.done() and not judged.cancelled() and isinstance(judged.result().error, TemporaryError)


class _Batcher:
    """Gathers items and hands on a list when it is full, or has waited long enough."""

    def __init__(self, size: int, flush: Callable[[list[_Item]], object]) -> None:
        self._size = size
        self._flush = flush
        self._items: list[_Item] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, item: _Item) -> None:
        self._items.append(item)
        if len(self._items) == self._size:
            self._hand_on()
        elif len(self._items) == 1:
            self._timer = asyncio.get_running_loop().call_later(LINGER_SECONDS, self._hand_on)

    def close(self) -> None:
        if self._timer:
            self._timer.cancel()

    def _hand_on(self) -> None:
        self.close()
        items, self._items = self._items, []
        self._flush(items)
