"""Judging thoughts as they stream in: each state once, however many branches reach it, in batches."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from services.core.errors import KotError, ModelFailed, TemporaryError, WorkerUnavailable
from services.core.ports import EvaluateRequest, ValidateRequest
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


Judged = asyncio.Future[Judgement]
_Item = tuple[State, Proposal, Judged]


class Judge:
    """Sends states to the evaluator and answers to the validator; calls run in tasks that `spawn` starts."""

    def __init__(
        self, options: SolveOptions, stages: Stages, spawn: Callable[[Coroutine[Any, Any, None]], object]
    ) -> None:
        self.usage = Usage()
        """Spent so far, told or not."""
        self._options = options
        self._stages = stages
        self._by_key: dict[str, Judged] = {}
        self._states = _Batcher(options.batch_size, lambda items: spawn(self._evaluate(items)))
        self._answers = _Batcher(options.batch_size, lambda items: spawn(self._validate(items)))

    def judge(self, state: State, proposal: Proposal) -> Judged:
        """Return the judgement of the step `proposal` from `state`; interchangeable states share one."""
        judged = self._by_key.get(proposal.key)
        if judged is None or _may_succeed_yet(judged):
            judged = self._by_key[proposal.key] = asyncio.get_running_loop().create_future()
            batcher = self._states if proposal.answer is None else self._answers
            batcher.add((state, proposal, judged))
        return judged

    def close(self) -> None:
        """Send no more; what still waits to be sent stays unjudged."""
        self._states.close()
        self._answers.close()

    async def _evaluate(self, items: list[_Item]) -> None:
        request = EvaluateRequest(
            id="states",
            task=self._options.value_task,
            states=tuple(State(state.problem, (*state.steps, proposal.text)) for state, proposal, _ in items),
            sampling=self._options.value_sampling,
            samples=self._options.value_samples,
            seed=self._options.seed,
            by_model=self._options.rules.trusts,
            model=self._options.value_model,
            fresh=self._options.fresh,
        )
        with _settling(items):
            async with aclosing(self._stages.evaluator.evaluate([request])) as ready:
                async for updates in ready:
                    for update in updates:
                        usage = self._options.value_price.charged(update.usage)
                        self.usage += usage
                        _settle(items[update.index], Judgement(update.value, usage=usage, error=update.error))

    async def _validate(self, items: list[_Item]) -> None:
        requests = [
            ValidateRequest(
                id=str(index),
                task=self._options.validate_task,
                problem=state.problem,
                answer=proposal.answer or "",
                sampling=self._options.validate_sampling,
                seed=self._options.seed,
                model=self._options.validate_model,
                fresh=self._options.fresh,
            )
            for index, (state, proposal, _) in enumerate(items)
        ]
        with _settling(items):
            async with aclosing(self._stages.validator.validate(requests)) as ready:
                async for updates in ready:
                    for update in updates:
                        usage = self._options.validate_price.charged(update.usage)
                        self.usage += usage
                        judgement = Judgement(
                            verdict=update.verdict, explanation=update.explanation, usage=usage, error=update.error
                        )
                        _settle(items[int(update.id)], judgement)


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
            _settle(item, Judgement(error=error or ModelFailed("the stage ended its answer without a judgement")))
        return True


def _may_succeed_yet(judged: Judged) -> bool:
    """Tell whether a judgement failed for a reason that may pass."""
    return judged.done() and not judged.cancelled() and isinstance(judged.result().error, TemporaryError)


def _settle(item: _Item, judgement: Judgement) -> None:
    judged = item[2]
    if not judged.done():
        judged.set_result(judgement)


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
