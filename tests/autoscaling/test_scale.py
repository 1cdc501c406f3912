"""Internet scale on paper: the page has the figures of the script, and the script computes what it says."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import scale
from autoscaling.fleets import ON_GPU
from autoscaling.replay import load

MEASURED = json.loads((scale.HERE / "results" / "solve-load.json").read_text())
SOLVE = scale.per_solve(load(scale.HERE / "autoscaling" / "recorded.json"), MEASURED)
PLAIN = scale.Assumed()


def test_the_page_has_the_figures_of_the_script():
    _, _, rest = Path(scale.PAGE).read_text().partition(scale.BEGINS)
    written, ended, _ = rest.partition(scale.ENDS)
    assert ended
    assert written.strip() == scale.section(), "python benchmarks/scale.py --update"


def test_requests_in_flight_are_rate_times_seconds():
    found = scale.need(SOLVE, 100, PLAIN)
    assert found.in_flight["orchestrator"] == pytest.approx(100 * SOLVE.seconds)
    engine = SOLVE.call_seconds["generator"] + SOLVE.call_seconds["Complete"]
    # 44.8 requests a pod: 0.7 of a target of 64.
    assert found.pods["generator"] == -(-100 * engine // 44.8)


def test_a_service_that_is_short_of_processor_gets_pods_for_that():
    busy = replace(SOLVE, processor_seconds={**SOLVE.processor_seconds, "validator": 7.0})
    found = scale.need(busy, 10, PLAIN)
    assert (found.pods["validator"], found.by_processor["validator"]) == (100, True)


def test_redis_servers_are_counted_by_what_runs_out_first():
    found = scale.need(SOLVE, 100, PLAIN)
    by_core = replace(found, redis_cores=7.1, redis_bytes=0)
    by_memory = replace(found, redis_cores=0.1, redis_bytes=129e9)
    assert by_core.servers(PLAIN) == 11
    assert by_memory.servers(PLAIN) == 3


def test_what_one_carries_is_enough_for_that_and_for_no_more():
    for name, rate in scale.one_carries(SOLVE, PLAIN, 2000).items():
        if name.startswith("a pod of the "):
            service = name.removeprefix("a pod of the ")
            assert scale.need(SOLVE, rate * 0.999, PLAIN).pods[service] == 1
            assert scale.need(SOLVE, rate * 1.001, PLAIN).pods[service] == 2


def test_a_cell_is_no_larger_than_the_manifests_allow_and_has_one_redis():
    cell = scale.need(SOLVE, scale.CELL_RATE, scale.CELL)
    assert cell.servers(scale.CELL) == 1
    assert all(cell.pods[name] <= scaling.max_scale for name, scaling in ON_GPU.items())


@pytest.mark.parametrize(
    ("number", "written"),
    [(0.0178, "0.0178"), (8.03, "8.03"), (803.4, "803"), (5876, "5,876"), (27_700, "27.7 k"), (8.46e12, "8.46 T")],
)
def test_numbers_have_three_figures(number, written):
    assert scale.big(number) == written
