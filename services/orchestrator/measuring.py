"""What solves add to the metrics: what their histories say, and what the stages are asked and report."""

from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass
from typing import Protocol, TypeVar

from services.core.budget import Price
from services.core.history import Ended, Parked, Record, Round
from services.core.ports import (
    EvaluateRequest,
    EvaluateUpdate,
    ProposeRequest,
    ProposeUpdate,
    ValidateRequest,
    ValidateUpdate,
)
from services.core.thought import Usage, Verdict
from services.core.tree import Event, Expanded, Validated
from services.orchestrator.plan import Plan
from services.orchestrator.solve import Stages
from services.rpc.history import FAILED
from services.settings import OrchestratorSettings
from services.telemetry import instruments, metrics


def begin(plan: Plan) -> "Meter | None":
    """Return what counts a solve that begins, or goes on, in this process; None if nothing is counted."""
    return Meter(_task(plan), plan.strategy) if metrics.counted() else None


def measured(stages: Stages, plan: Plan, settings: OrchestratorSettings) -> Stages:
    """Return the stages for one solve, so that what it asks and spends is counted; as they are, if nothing is."""
    if not metrics.counted():
        return stages
    options = plan.options
    # A client may name any model: those that no setting has share one label.
    known = {settings.propose_model, settings.value_model, settings.validate_model, *settings.prices}

    def account(stage: str, model: str, price: Price) -> _Account:
        named = model if model in known else instruments.OTHER
        return _Account(_task(plan), stage, named if model else instruments.DEFAULT, price)

    return Stages(
        _Proposer(stages, account("generator", options.propose_model, options.propose_price)),
        _Evaluator(stages, account("evaluator", options.value_model, options.value_price)),
        _Validator(stages, account("validator", options.validate_model, options.validate_price)),
    )


class Meter:
    """Counts one solve, as this process runs it, from what its history has more and more of."""

    def __init__(self, task: str, strategy: str) -> None:
        self._labels = {instruments.TASK: task, instruments.STRATEGY: strategy}
        self._status = instruments.LEFT
        self._ended: Ended | None = None
        self._away: frozenset[str] = frozenset()
        metrics.add(instruments.SOLVES_RUNNING, 1, **self._labels)
        for status in (FAILED, instruments.LEFT):
            # A series that begins with its first bad news would hide that from whoever watches for growth.
            metrics.add(instruments.SOLVES, 0, **self._labels, status=status)

    def take(self, records: Sequence[Record]) -> None:
        """Count records that are in the log now."""
        for record in records:
            match record:
                case Round(told=told, away=away):
                    self._count([event for each in told for event in each.events])
                    self._note_away(frozenset(away))
                case Parked():
                    self._status = instruments.PARKED
                case Ended(status=status):
                    self._status, self._ended = status, record

    def close(self) -> None:
        """Count the end of it, as far as this process is concerned."""
        self._note_away(frozenset())
        metrics.add(instruments.SOLVES_RUNNING, -1, **self._labels)
        metrics.add(instruments.SOLVES, 1, **self._labels, status=self._status)
        if self._ended:
            metrics.add(instruments.SOLVE_DURATION, self._ended.elapsed, **self._labels, status=self._status)

    def _count(self, events: Sequence[Event]) -> None:
        for outcome, thoughts in Counter(map(_outcome, events)).items():
            metrics.add(instruments.THOUGHTS, thoughts, **self._labels, outcome=outcome)
        for event in events:
            if isinstance(event, Expanded):
                for reason, lines in asdict(event.dropped).items():
                    if lines:
                        metrics.add(instruments.DROPPED, lines, **self._labels, reason=reason)

    def _note_away(self, away: frozenset[str]) -> None:
        for store in away - self._away:
            metrics.add(instruments.STORES_AWAY, 1, store=store)
        for store in self._away - away:
            metrics.add(instruments.STORES_AWAY, -1, store=store)
        self._away = away


def _outcome(event: Event) -> str:
    if isinstance(event, Validated):
        return "answer" if event.verdict is Verdict.CERTAIN else "rejected"
    return type(event).__name__.lower()


def _task(plan: Plan) -> str:
    return instruments.CUSTOM if plan.options.task.definition else plan.task.name


class _Spent(Protocol):
    @property
    def usage(self) -> Usage: ...


Update = TypeVar("Update", bound=_Spent)


@dataclass(frozen=True, slots=True)
class _Account:
    """Counts what one solve asks one stage, and what that spends."""

    task: str
    stage: str
    model: str
    price: Price

    async def count(
        self, size: int, answer: AsyncGenerator[Sequence[Update], None]
    ) -> AsyncGenerator[Sequence[Update], None]:
        metrics.add(instruments.BATCH_SIZE, size, task=self.task, stage=self.stage)
        async with aclosing(answer) as ready:
            async for updates in ready:
                self._spend(sum((update.usage for update in updates), Usage()))
                yield updates

    def _spend(self, usage: Usage) -> None:
        labels = {instruments.TASK: self.task, instruments.STAGE: self.stage, instruments.MODEL: self.model}
        prompt, completion = ({**labels, instruments.DIRECTION: each} for each in ("prompt", "completion"))
        for metric, amount, under in (
            (instruments.MODEL_CALLS, usage.model_calls, labels),
            (instruments.CACHE_HITS, usage.cache_hits, labels),
            (instruments.TOKENS, usage.prompt_tokens, prompt),
            (instruments.TOKENS, usage.completion_tokens, completion),
            (instruments.DOLLARS, self.price.charged(usage).dollars, labels),
        ):
            if amount:
                metrics.add(metric, amount, **under)


@dataclass(frozen=True, slots=True)
class _Proposer:
    stages: Stages
    account: _Account

    def propose(self, batch: Sequence[ProposeRequest]) -> AsyncGenerator[Sequence[ProposeUpdate], None]:
        return self.account.count(len(batch), self.stages.proposer.propose(batch))


@dataclass(frozen=True, slots=True)
class _Evaluator:
    stages: Stages
    account: _Account

    def evaluate(self, batch: Sequence[EvaluateRequest]) -> AsyncGenerator[Sequence[EvaluateUpdate], None]:
        states = sum(len(request.states) for request in batch)
        return self.account.count(states, self.stages.evaluator.evaluate(batch))


@dataclass(frozen=True, slots=True)
class _Validator:
    stages: Stages
    account: _Account

    def validate(self, batch: Sequence[ValidateRequest]) -> AsyncGenerator[Sequence[ValidateUpdate], None]:
        return self.account.count(len(batch), self.stages.validator.validate(batch))
