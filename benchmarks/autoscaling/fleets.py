"""Fleets to simulate: how each service is scaled, with the reason, and how long its pods take to start."""

from collections.abc import Mapping
from dataclasses import replace

from autoscaling.kpa import Scaling

CPU_START_SECONDS = 3.0
"""Scheduling, container and probe, by assumption 2.5 s, and half a second that the process takes (`cold_start.py`)."""
GPU_START_SECONDS = 90.0
"""The same, and loading the weights: an assumption, which differs most between clusters."""

ON_GPU: Mapping[str, Scaling] = {
    # A solve is one long stream, and costs a tenth of a second of a core over eight: some seventy fill one. Watchers,
    # who cost next to nothing, count too: hence the room above the target.
    "orchestrator": Scaling(
        container_concurrency=400, target=70, max_scale=10, retention_seconds=120, start_seconds=CPU_START_SECONDS
    ),
    # An RPC is one sequence of the engine or two, and no slower with 64 of them than alone; a connection carries 100.
    # While the first pods load their weights, what waits asks for many more: they would come when nobody needs them.
    "generator": Scaling(
        container_concurrency=100,
        target=64,
        max_scale=12,
        always_proxied=True,
        retention_seconds=600,
        down_delay_seconds=120,
        start_seconds=GPU_START_SECONDS,
    ),
    # It waits for the generator nearly all of the time; the one connection that it has to it carries 100 calls.
    "evaluator": Scaling(container_concurrency=90, target=90, max_scale=16, start_seconds=CPU_START_SECONDS),
    # A rule takes a millisecond: its knee is where its core is full.
    "validator": Scaling(container_concurrency=50, target=8, max_scale=4, start_seconds=CPU_START_SECONDS),
}
"""As in `knative/`, with the components `gpu` and `redis`: a test compares."""


def changed(fleet: Mapping[str, Scaling], **changes: dict[str, float]) -> dict[str, Scaling]:
    """Return the fleet with some settings of some services changed."""
    return {name: replace(scaling, **changes.get(name, {})) for name, scaling in fleet.items()}
