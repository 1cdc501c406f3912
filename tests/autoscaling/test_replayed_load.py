"""Recorded solves over simulated services: alone they take as long as they took; elsewhere they wait."""

from pathlib import Path

import pytest
from autoscaling import replay
from autoscaling.clock import Clock
from autoscaling.kpa import Scaling
from autoscaling.service import Service

RECORDED = replay.load(Path(replay.__file__).with_name("recorded.json"))
NAMES = (replay.ORCHESTRATOR, *replay.STAGES)


def services(clock, container_concurrency=1000, fixed=1, **changes):
    scaling = Scaling(container_concurrency=container_concurrency, **changes)
    return {name: Service(clock, scaling, fixed=fixed) for name in NAMES}


def run(recorded, fleet, clock, until=1000):
    ended = []
    for each in recorded:
        replay.Solve(clock, fleet, each, ended.append)
    clock.run(until)
    return ended


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda each: f"{each.seconds}s")
def test_alone_a_solve_takes_as_long_as_it_took(recorded):
    clock = Clock()
    fleet = services(clock)
    (ended,) = run([recorded], fleet, clock)
    # What the client's own connection took was recorded, and is not played.
    assert ended.seconds == pytest.approx(recorded.seconds, abs=0.1)
    assert ended.awake_after == 0
    assert all(sum(pod.running for pod in service.pods) == 0 for service in fleet.values())


def test_every_call_is_made():
    clock = Clock()
    fleet = services(clock)
    run(RECORDED[:1], fleet, clock)
    for stage in ("orchestrator", "evaluator", "validator"):
        calls = sum(call.stage == stage for call in RECORDED[0].calls)
        assert fleet[stage].requests == calls + 1  # one is the solve, or wakes the stage
    judged = sum(asked for call in RECORDED[0].calls if call.stage == "evaluator" for _, asked in call.updates)
    proposed = sum(call.stage == "generator" for call in RECORDED[0].calls)
    assert fleet["generator"].requests == judged + proposed + 1


def test_solves_wait_for_each_other_where_there_is_no_room():
    clock = Clock()
    fleet = services(clock, container_concurrency=4)
    ended = run(RECORDED, fleet, clock, until=5000)
    assert len(ended) == len(RECORDED)
    assert sum(each.seconds for each in ended) > 1.5 * sum(each.seconds for each in RECORDED)


def test_from_zero_all_stages_wake_at_the_same_time():
    clock = Clock()
    fleet = services(clock, fixed=None, start_seconds=7)
    (ended,) = run(RECORDED[:1], fleet, clock)
    # The orchestrator first; then the three others, together.
    assert ended.awake_after == 14
    assert ended.seconds == pytest.approx(14 + RECORDED[0].seconds, abs=0.1)


def test_one_place_for_all_is_no_deadlock():
    # An Evaluate call holds its place while it waits for the generator, which waits for nobody.
    clock = Clock()
    ended = run(RECORDED[:5], services(clock, container_concurrency=1), clock, until=100_000)
    assert len(ended) == 5
