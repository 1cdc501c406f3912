"""Recorded solves, run again over simulated services: every call waits for room, and then takes as long as it took.

A call begins after the news that came last before it in the recording, so that what waits delays all that follows from
it. An Evaluate call holds its place at the evaluator while its states are judged by the generator's model, each in a
call of its own (`KOT_MODEL=remote`). A call that the answer had cut off takes as long as it had taken by then, unless
the answer cuts it off again. A solve begins by waking all stages.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from autoscaling.clock import Action, Clock
from autoscaling.service import Begin, Request, Service

STAGES = ("generator", "evaluator", "validator")
ORCHESTRATOR = "orchestrator"

News = tuple[int, int]
"""Which update of which call."""
BEGINNING: News = (-1, 0)


@dataclass(frozen=True, slots=True)
class Call:
    """One recorded call; times are seconds."""

    stage: str
    after: News
    gap: float
    """From that news to the call."""
    updates: tuple[tuple[float, int], ...]
    """When each came, since the call began, and how many model calls it reports. The call ends with the last."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recorded solve."""

    calls: tuple[Call, ...]
    end: News
    gap: float
    """From that news to the end."""
    seconds: float
    model_calls: int
    prompt_tokens: int
    completion_tokens: int


def load(path: Path) -> list[Recorded]:
    """Read a recording."""
    return [_solve(each) for each in json.loads(path.read_text())]


def _solve(found: Mapping[str, Any]) -> Recorded:
    calls: list[Call] = []
    began: list[float] = []

    def moment(of: Mapping[str, Any]) -> float:
        """Return when, in the recording, what comes after some news came."""
        call, update = of["after"]
        return of["gap"] + (0.0 if call < 0 else began[call] + calls[call].updates[update][0])

    for each in found["calls"]:
        began.append(moment(each))
        calls.append(Call(each["stage"], tuple(each["after"]), each["gap"], tuple(map(tuple, each["updates"]))))
    ended = moment(found["ended"])
    for number, each in enumerate(found["calls"]):
        if each.get("left"):
            calls[number] = _cut_off(calls[number], each["requests"], ended - began[number])
    return Recorded(
        calls=tuple(calls),
        end=tuple(found["ended"]["after"]),
        gap=found["ended"]["gap"],
        seconds=found["seconds"],
        model_calls=found["model_calls"],
        prompt_tokens=found["prompt_tokens"],
        completion_tokens=found["completion_tokens"],
    )


def _cut_off(call: Call, requests: int, seconds: float) -> Call:
    """Return a call that says what it had not said yet when it was cut off after so many seconds."""
    missing = requests - len(call.updates)
    unsaid = ((seconds, 1),) * missing if call.stage == "evaluator" else ((seconds, 0),)
    return replace(call, updates=call.updates + unsaid)


class Solve:
    """One solve under way; `ended` gets it in the end."""

    def __init__(
        self, clock: Clock, services: Mapping[str, Service], recorded: Recorded, ended: Callable[["Solve"], None]
    ) -> None:
        self._clock = clock
        self._services = services
        self._recorded = recorded
        self._ended = ended
        self._open: list[Request] = []
        self._over = False
        self._asleep = len(STAGES)
        self._followers: dict[News, list[int]] = defaultdict(list)
        for number, call in enumerate(recorded.calls):
            self._followers[call.after].append(number)
        self.came = clock.now
        self.seconds = 0.0
        """From its coming to its end, once it has ended."""
        self.awake_after = 0.0
        """Of that, until all stages served."""
        self.longest_wait = 0.0
        """Of a call to a stage."""
        self._place = services[ORCHESTRATOR].enter(self._wake)

    def _wake(self, _place: Request) -> None:
        """Ask every stage for its health, all at the same time; a stage without a pod answers when it has one."""
        for stage in STAGES:
            self._services[stage].enter(self._woken)

    def _woken(self, request: Request) -> None:
        request.end()
        self._asleep -= 1
        if self._asleep == 0:
            self.awake_after = self._clock.now - self.came
            self._hear(BEGINNING)

    def _hear(self, news: News) -> None:
        """Go on with what follows from an update."""
        if self._over:
            return
        for number in self._followers[news]:
            self._after(self._recorded.calls[number].gap, partial(self._call, number))
        if news == self._recorded.end:
            self._after(self._recorded.gap, self._end)

    def _call(self, number: int) -> None:
        stage = self._recorded.calls[number].stage
        self._enter(stage, partial(self._judge if stage == "evaluator" else self._run, number))

    def _run(self, number: int, place: Request) -> None:
        """Take as long as it took."""
        call = self._recorded.calls[number]
        for index, (seconds, _) in enumerate(call.updates):
            self._after(seconds, partial(self._hear, (number, index)))
        self._after(call.updates[-1][0], place.end)

    def _judge(self, number: int, place: Request) -> None:
        """Ask the generator's model about each state that no rule settles; end with the last of them."""
        call = self._recorded.calls[number]
        missing = len(call.updates)

        def heard(index: int, asked: Request | None = None) -> None:
            nonlocal missing
            if asked:
                asked.end()
            missing -= 1
            if missing == 0:
                place.end()
            self._hear((number, index))

        for index, (seconds, model_calls) in enumerate(call.updates):
            if model_calls:

                def complete(asked: Request, index: int = index, seconds: float = seconds) -> None:
                    self._after(seconds, partial(heard, index, asked))

                self._enter("generator", complete)
            else:
                self._after(seconds, partial(heard, index))

    def _enter(self, stage: str, begin: Begin) -> None:
        # What has waited may have its turn while the solve's other calls are being ended.
        turn = partial(self._turn, begin)
        self._open.append(self._services[stage].enter(turn))

    def _turn(self, begin: Begin, place: Request) -> None:
        if self._over:
            place.end()
        else:
            self.longest_wait = max(self.longest_wait, self._clock.now - place.came)
            begin(place)

    def _after(self, seconds: float, action: Action) -> None:
        """Act later, unless the solve is over by then."""
        self._clock.after(seconds, lambda: None if self._over else action())

    def _end(self) -> None:
        self._over = True
        self.seconds = self._clock.now - self.came
        for request in (*self._open, self._place):
            request.end()
        self._ended(self)
