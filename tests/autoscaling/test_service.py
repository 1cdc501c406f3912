"""Services that come and go, in simulated time."""

from functools import partial

import pytest
from autoscaling.clock import Clock
from autoscaling.kpa import Scaling
from autoscaling.service import Service


def work(clock, service, seconds, ended):
    """A request that runs for so long, and notes when it ends."""

    def begin(request):
        def end():
            request.end()
            ended.append(clock.now)

        clock.after(seconds, end)

    return service.enter(begin)


def test_the_clock_acts_in_order_of_time_and_of_planning():
    clock, acted = Clock(), []
    for seconds, name in ((2, "c"), (1, "a"), (1, "b"), (9, "late")):
        clock.after(seconds, partial(acted.append, name))
    clock.run(5)
    assert (acted, clock.now) == (["a", "b", "c"], 5)


def test_a_fixed_pod_runs_what_it_may_and_the_rest_waits():
    clock, ended = Clock(), []
    service = Service(clock, Scaling(container_concurrency=2), fixed=1)
    for _ in range(5):
        work(clock, service, 3, ended)
    clock.run(20)
    assert ended == [3, 3, 6, 6, 9]
    assert service.longest_wait == 6
    assert service.pod_seconds_until_now() == 20


def test_what_leaves_the_queue_is_not_run():
    clock, ended = Clock(), []
    service = Service(clock, Scaling(container_concurrency=1), fixed=1)
    work(clock, service, 3, ended)
    work(clock, service, 3, ended).end()
    work(clock, service, 3, ended)
    clock.run(20)
    assert ended == [3, 6]


def test_pods_are_filled_evenly():
    clock = Clock()
    service = Service(clock, Scaling(container_concurrency=4), fixed=2)
    for _ in range(4):
        work(clock, service, 3, [])
    assert [pod.running for pod in service.pods] == [2, 2]


def test_from_zero_and_back():
    clock, ended = Clock(), []
    service = Service(clock, Scaling(container_concurrency=1, start_seconds=5, always_proxied=True))
    clock.after(10, lambda: work(clock, service, 1, ended))
    clock.run(300)
    # It waits for its pod: 10 + 5 + 1.
    assert ended == [16]
    there = [sample.time for sample in service.samples if sample.ready + sample.starting]
    # What ran in the second to 16 is in the stable window until 76, when the pod has been ready for a minute.
    assert (there[0], there[-1]) == (10, 75)
    assert service.pod_seconds_until_now() == pytest.approx(66)


def test_a_burst_from_zero_panics_and_gets_its_pods():
    clock, ended = Clock(), []
    service = Service(clock, Scaling(container_concurrency=10, start_seconds=2))
    for _ in range(70):
        clock.after(0.5, lambda: work(clock, service, 30, ended))
    clock.run(400)
    assert max(sample.ready for sample in service.samples) == 10
    assert len(ended) == 70
    # One pod at once, ready at 2.5, takes 10; the tick at 2 wants the rest, which are ready at 4.
    assert sorted(ended)[9:11] == [32.5, 34]
    assert service.samples[-1].ready == 0


def test_a_pod_that_leaves_ends_its_work():
    clock, ended = Clock(), []
    service = Service(clock, Scaling(container_concurrency=1, utilization=1.0, start_seconds=1))
    for _ in range(8):
        work(clock, service, 10, ended)
    # The youngest are the first to leave, and have more to do than the stable window lasts.
    clock.after(5, lambda: work(clock, service, 300, ended))
    clock.run(600)
    assert len(ended) == 9
    assert service.samples[-1].in_system == 0
