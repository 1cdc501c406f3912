"""The arithmetic of Knative's autoscaler, against examples worked out by hand, and what always holds."""

import pytest
from autoscaling.kpa import Autoscaler, Scaling, Window
from hypothesis import given
from hypothesis import strategies as st

TEN = Scaling(container_concurrency=10)
"""A pod is wanted for every 7 requests."""


def fed(*loads, scaling=TEN, since=0):
    """An autoscaler that was told these concurrencies, one a second; and the second after the last of them."""
    autoscaler = Autoscaler(scaling)
    for second, load in enumerate(loads, since):
        autoscaler.record(second, load)
    return autoscaler, since + len(loads) - 1


@pytest.mark.parametrize(
    ("scaling", "per_pod"),
    [
        (TEN, 7.0),
        (Scaling(container_concurrency=10, target=5), 3.5),
        (Scaling(container_concurrency=10, target=100), 7.0),
        (Scaling(container_concurrency=1), 1.0),
        (Scaling(container_concurrency=50, utilization=1.0), 50.0),
    ],
)
def test_what_a_pod_is_wanted_for(scaling, per_pod):
    assert scaling.per_pod == pytest.approx(per_pod)


@pytest.mark.parametrize(
    "wrong", [{"container_concurrency": 0}, {"container_concurrency": 1, "min_scale": 3, "max_scale": 2}]
)
def test_settings_that_cannot_work_are_refused(wrong):
    with pytest.raises(ValueError, match="container_concurrency"):
        Scaling(**wrong)


# --- windows --------------------------------------------------------------------------------------------------------


def test_a_window_averages_what_it_spans():
    window = Window(6)
    for second, load in enumerate([100, 100, 1, 2, 3, 4, 5, 6]):
        window.record(second, load)
    assert window.average(7) == (1 + 2 + 3 + 4 + 5 + 6) / 6


def test_a_young_window_averages_its_life():
    window = Window(60)
    for second, load in enumerate([3, 6, 9], 1000):
        window.record(second, load)
    assert window.average(1002) == 6


def test_what_was_not_reported_counts_as_nothing():
    window = Window(6)
    window.record(0, 12)
    window.record(3, 12)
    assert window.average(3) == 24 / 4


def test_a_window_without_reports_knows_nothing_and_is_young_again():
    window = Window(6)
    window.record(0, 12)
    assert window.average(6) is None
    window.record(100, 8)
    assert window.average(101) == 4


# --- stable mode ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("load", "pods"), [(70, 10), (70.1, 11), (63.1, 10), (63, 9), (1, 5)])
def test_pods_by_the_stable_window(load, pods):
    # 1 wants one pod, but at most half of ten go at a time.
    autoscaler, now = fed(*[load] * 60)
    assert autoscaler.decide(now, ready=10, wanted=10) == pods
    assert not autoscaler.panics


def test_no_more_than_the_rate_of_growth():
    autoscaler, now = fed(*[700] * 60, scaling=Scaling(container_concurrency=10, max_up_rate=1.5))
    # 100 are wanted; ceil(1.5 x 3).
    assert autoscaler.decide(now, ready=3, wanted=3) == 5


def test_bounds():
    scaling = Scaling(container_concurrency=10, min_scale=2, max_scale=4)
    busy, now = fed(*[700] * 60, scaling=scaling)
    assert busy.decide(now, ready=1, wanted=1) == 4
    idle, now = fed(*[0] * 120, scaling=scaling)
    assert idle.decide(now, ready=2, wanted=2) == 2


def test_without_reports_nothing_changes():
    assert Autoscaler(TEN).decide(5, ready=3, wanted=4) == 4


def test_fewer_pods_are_delayed_and_more_are_not():
    autoscaler, now = fed(*[70] * 60, scaling=Scaling(container_concurrency=10, down_delay_seconds=20))
    assert autoscaler.decide(now, ready=10, wanted=10) == 10
    for second in range(now + 1, now + 21):
        autoscaler.record(second, 0)
        if second >= now + 19:
            # 41 x 70 / 60 = 47.8 wants 7, and so do 46.7; ten were wanted 19 and 20 seconds ago.
            assert autoscaler.decide(second, ready=10, wanted=10) == (10 if second == now + 19 else 7)
    autoscaler.record(now + 21, 1000)
    # 1000 / 6 wants 24, at once.
    assert autoscaler.decide(now + 21, ready=12, wanted=7) == 24


# --- panic mode -----------------------------------------------------------------------------------------------------


def test_panic_begins_when_six_seconds_want_twice_the_pods():
    autoscaler, now = fed(*[70] * 60, *[140] * 5)
    # (70 + 5 x 140) / 6 = 128.3 wants 19, not yet twice 10; (55 x 70 + 5 x 140) / 60 = 75.8 wants 11.
    assert autoscaler.decide(now, ready=10, wanted=10) == 11
    assert not autoscaler.panics
    autoscaler.record(now + 1, 140)
    # Six seconds of 140 want 20.
    assert autoscaler.decide(now + 1, ready=10, wanted=11) == 20
    assert autoscaler.panics


def test_in_panic_no_pod_goes_until_a_stable_window_has_passed():
    autoscaler, begun = fed(*[70] * 60, *[140] * 6)
    assert autoscaler.decide(begun, ready=10, wanted=10) == 20
    for second in range(begun + 1, begun + 63):
        autoscaler.record(second, 0)
        if second <= begun + 60:
            assert autoscaler.decide(second, ready=20, wanted=20) == 20
    # Nothing is in the stable window any more; half of the pods may go.
    assert autoscaler.decide(begun + 62, ready=20, wanted=20) == 10
    assert not autoscaler.panics


def test_panic_goes_on_while_there_is_reason_to():
    autoscaler, begun = fed(*[7] * 60, *[70] * 6)
    assert autoscaler.decide(begun, ready=1, wanted=1) == 10
    for second in range(begun + 1, begun + 41):
        autoscaler.record(second, 70)
    # Still only two ready: ten are five times as many.
    assert autoscaler.decide(begun + 40, ready=2, wanted=10) == 10
    for second in range(begun + 41, begun + 91):
        autoscaler.record(second, 0)
    # Ninety seconds after it began, but fifty after the last reason.
    assert autoscaler.decide(begun + 90, ready=10, wanted=10) == 10
    assert autoscaler.panics


def test_one_panic_knows_nothing_of_the_last():
    autoscaler, now = fed(*[70] * 60, *[140] * 6)
    assert autoscaler.decide(now, ready=10, wanted=10) == 20
    for second in range(now + 1, now + 200):
        autoscaler.record(second, 7)
        autoscaler.decide(second, ready=20, wanted=20)
    assert not autoscaler.panics
    for later in range(second + 1, second + 7):
        autoscaler.record(later, 14)
    assert autoscaler.decide(later, ready=1, wanted=1) == 2
    assert autoscaler.panics


# --- zero -----------------------------------------------------------------------------------------------------------


def test_one_request_at_zero_wants_one_pod():
    autoscaler = Autoscaler(TEN)
    autoscaler.record(0, 1)
    assert autoscaler.decide(0, ready=0, wanted=0) == 1


def idle_until_zero(scaling):
    """The second at which the last pod goes: 60 s of traffic, then none."""
    autoscaler, _ = fed(1, scaling=scaling)
    wanted = autoscaler.decide(0, ready=0, wanted=0)
    for second in range(1, 400):
        autoscaler.record(second, 1 if second < 60 else 0)
        wanted = autoscaler.decide(second, ready=1, wanted=wanted)
        if wanted == 0:
            return second
    raise AssertionError("it never goes")


def test_the_last_pod_stays_for_the_grace():
    # The last request ends at 59, and leaves the stable window at 119; then 30 s until the activator is surely there.
    assert idle_until_zero(TEN) == 119 + 30


def test_where_the_activator_always_is_there_is_no_grace():
    assert idle_until_zero(Scaling(container_concurrency=10, always_proxied=True)) == 119


@pytest.mark.parametrize(
    ("proxied", "retention", "gone"), [(True, 100, 119 + 100), (False, 100, 119 + 100), (False, 10, 149)]
)
def test_the_last_pod_is_retained(proxied, retention, gone):
    scaling = Scaling(container_concurrency=10, always_proxied=proxied, retention_seconds=retention)
    assert idle_until_zero(scaling) == gone


def test_a_pod_that_came_too_late_stays_for_a_stable_window():
    scaling = Scaling(container_concurrency=10, always_proxied=True)
    autoscaler, wanted, gone = Autoscaler(scaling), 0, []
    for second in range(200):
        autoscaler.record(second, 1 if second == 0 else 0)
        wanted = autoscaler.decide(second, ready=1 if second >= 90 else 0, wanted=wanted)
        gone.append(wanted == 0)
    # Nobody waits any more after a minute; who is being started, is started, and then has its minute.
    assert gone.index(True) == 90 + 60


# --- what always holds ----------------------------------------------------------------------------------------------

LOADS = st.lists(st.floats(0, 1000), min_size=1, max_size=200)
READY = st.lists(st.integers(0, 50), min_size=200, max_size=200)


@given(LOADS, READY, st.integers(0, 3), st.integers(0, 5))
def test_bounds_and_rates_always_hold(loads, ready, low, more):
    scaling = Scaling(container_concurrency=10, min_scale=low, max_scale=low + more, max_up_rate=3)
    autoscaler, wanted = Autoscaler(scaling), low
    for second, (load, pods) in enumerate(zip(loads, ready, strict=False)):
        autoscaler.record(second, load)
        wanted = autoscaler.decide(second, pods, wanted)
        assert wanted >= low
        assert wanted <= (low + more or 10**9)
        if not autoscaler.panics and low + more == 0 and pods:
            assert pods // 2 <= wanted <= 3 * pods


@given(LOADS, READY)
def test_in_panic_pods_are_only_added(loads, ready):
    autoscaler, wanted = Autoscaler(TEN), 0
    for second, (load, pods) in enumerate(zip(loads, ready, strict=False)):
        autoscaler.record(second, load)
        panicked, before = autoscaler.panics, wanted
        wanted = autoscaler.decide(second, pods, wanted)
        assert not (panicked and autoscaler.panics) or wanted >= before


@given(st.lists(st.tuples(st.floats(0, 500), st.floats(0, 500)), min_size=1, max_size=200), READY)
def test_more_requests_never_want_fewer_pods(loads, ready):
    fewer, more = Autoscaler(TEN), Autoscaler(TEN)
    less_wanted = more_wanted = 0
    for second, ((load, further), pods) in enumerate(zip(loads, ready, strict=False)):
        fewer.record(second, load)
        more.record(second, load + further)
        less_wanted, more_wanted = fewer.decide(second, pods, less_wanted), more.decide(second, pods, more_wanted)
        assert less_wanted <= more_wanted


@given(LOADS, READY)
def test_the_same_past_decides_the_same(loads, ready):
    def decisions():
        autoscaler, wanted = Autoscaler(TEN), 0
        for second, (load, pods) in enumerate(zip(loads, ready, strict=False)):
            autoscaler.record(second, load)
            wanted = autoscaler.decide(second, pods, wanted)
            yield wanted

    assert list(decisions()) == list(decisions())
