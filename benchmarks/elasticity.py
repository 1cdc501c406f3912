"""A simulation: recorded solves on services that Knative's autoscaler scales from zero, and on fixed fleets.

Solves arrive at random by a profile: none, a burst, a steady flow, none. Each is one of those that `record_solves.py`
recorded (honest latency, few-shot prompts), and runs call by call over simulated services (`autoscaling/`). A pod is as
fast with `containerConcurrency` requests as with one; what is more waits. Fixed fleets have as many pods as were there
on average, so that they cost the same, or as at the peak. The same seed gives the same figures on any machine.
"""

import argparse
import math
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from autoscaling.clock import Clock
from autoscaling.fleets import ON_GPU, changed
from autoscaling.kpa import Scaling
from autoscaling.replay import Recorded, Solve, load
from autoscaling.service import Service
from common import write_json
from drawing import save
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

RECORDED = Path(__file__).parent / "autoscaling" / "recorded.json"
CALL_SECONDS = 55.0
"""A call that waits longer fails (`KOT_STAGE_TIMEOUT`), and with it a branch."""

STRETCH_SECONDS = 20.0
"""Solves that come within so long are one point of the drawing."""


@dataclass(frozen=True)
class Phase:
    """A stretch of the profile: so many seconds, with so many solves a second on average."""

    name: str
    seconds: float
    rate: float


PROFILE = (
    Phase("nothing", 60, 0),
    Phase("burst", 60, 10),
    Phase("steady", 600, 2),
    Phase("nothing again", 2880, 0),
)
HORIZON = sum(phase.seconds for phase in PROFILE)


def arrivals(random: Random) -> Iterator[float]:
    """Yield when solves arrive: a Poisson process with the rate of each phase."""
    begun = 0.0
    for phase in PROFILE:
        moment = begun
        while phase.rate and (moment := moment + random.expovariate(phase.rate)) < begun + phase.seconds:
            yield moment
        begun += phase.seconds


@dataclass
class Run:
    """One fleet under the profile."""

    services: Mapping[str, Service]
    came: int = 0
    ended: list[Solve] = field(default_factory=list)

    def pods(self, name: str) -> float:
        """Return how many pods of a service there were on average."""
        return self.services[name].pod_seconds_until_now() / HORIZON

    def most(self, name: str) -> int:
        """Return how many pods of a service there were at the peak."""
        return max(sample.ready + sample.starting for sample in self.services[name].samples)


def simulate(
    recorded: Sequence[Recorded], fleet: Mapping[str, Scaling], seed: int, fixed: Mapping[str, int] | None = None
) -> Run:
    """Run the profile; with the same seed, the same solves come at the same times."""
    clock, random = Clock(), Random(seed)
    run = Run({name: Service(clock, scaling, fixed and fixed[name]) for name, scaling in fleet.items()})

    def come() -> None:
        Solve(clock, run.services, random.choice(recorded), run.ended.append)

    for moment in arrivals(Random(seed + 1)):
        run.came += 1
        clock.after(moment, come)
    clock.run(HORIZON)
    return run


def figures(run: Run) -> dict[str, float]:
    """Return what is shown of a run."""
    seconds = [solve.seconds for solve in run.ended]
    percentiles = statistics.quantiles(seconds, n=20, method="inclusive")
    pods = {name: service.pod_seconds_until_now() / len(seconds) for name, service in run.services.items()}
    return (
        {
            "solves": run.came,
            "ended": len(seconds),
            "median seconds": statistics.median(seconds),
            "95 % seconds": percentiles[-1],
            "longest": max(seconds),
            f"with a call that waits over {CALL_SECONDS:g} s": sum(s.longest_wait > CALL_SECONDS for s in run.ended),
            "GPU pod-seconds a solve": pods["generator"],
            "other pod-seconds a solve": sum(pods.values()) - pods["generator"],
        }
        | {f"{name}, pods on average": run.pods(name) for name in run.services}
        | {f"{name}, pods at most": run.most(name) for name in run.services}
    )


def fixed_fleets(scaled: Run) -> dict[str, dict[str, int]]:
    """Return fleets to compare with: one that costs the same, rounded up, and one with the same peak."""
    return {
        "fixed, equal pod-seconds": {name: math.ceil(scaled.pods(name) - 0.05) for name in scaled.services},
        "fixed, equal peak": {name: scaled.most(name) for name in scaled.services},
    }


def show(found: Mapping[str, Mapping[str, float]]) -> None:
    """Print one table, a fleet a column."""
    table = Table(title="Recorded solves on simulated fleets", title_justify="left")
    table.add_column("")
    for name in found:
        table.add_column(name, justify="right")
    for figure in next(iter(found.values())):
        cells = (each[figure] for each in found.values())
        table.add_row(figure, *(f"{cell:,.2f}" if isinstance(cell, float) else f"{cell:,}" for cell in cells))
    Console(width=170).print(table)


def by_arrival(run: Run) -> tuple[list[float], list[float]]:
    """Return the 95th percentile of the seconds to the answer, of solves that came within the same stretch of time."""
    stretches: dict[float, list[float]] = defaultdict(list)
    for solve in run.ended:
        stretches[solve.came // STRETCH_SECONDS * STRETCH_SECONDS].append(solve.seconds)
    moments = sorted(moment for moment, seconds in stretches.items() if len(seconds) > 1)
    late = [statistics.quantiles(stretches[moment], n=20, method="inclusive")[-1] for moment in moments]
    return [moment + STRETCH_SECONDS / 2 for moment in moments], late


def plot(path: Path, runs: Mapping[str, Run], subject: str) -> None:
    """Draw the pods of one run over time, until they are gone, and the time to answer of all runs."""
    services = runs[subject].services
    gone = max(sample.time for service in services.values() for sample in service.samples if sample.ready)

    def draw(figure: Figure) -> None:
        flow, scaled, answers = figure.subplots(3, 1, sharex=True, height_ratios=(1, 2.2, 2.2))
        begun = 0.0
        for phase in PROFILE:
            end = begun + phase.seconds
            flow.fill_between([begun, end], [phase.rate] * 2, color="tab:grey", alpha=0.4, linewidth=0)
            begun = end
        flow.set(ylabel="solves a second", xlim=(0, gone + 60))
        for name, service in services.items():
            times, ready = [sample.time for sample in service.samples], [sample.ready for sample in service.samples]
            scaled.step(times, ready, where="post", label=name, linewidth=1.3)
        scaled.set(ylabel=f"pods ready: {subject}")
        for name, run in runs.items():
            answers.plot(*by_arrival(run), label=name, linewidth=1.3)
        answers.set(ylabel="seconds to the answer, 95 %", xlabel="seconds; of solves, of their coming", yscale="log")
        for axes in (scaled, answers):
            axes.legend(fontsize="small")
        for axes in (flow, scaled, answers):
            axes.grid(alpha=0.3)

    save(path, draw, size=(10, 9))


def main() -> None:
    """Simulate, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=24)
    parser.add_argument("--json", help="write the figures to this file, and draw them beside it")
    options = parser.parse_args()
    recorded = load(RECORDED)
    subject = "from zero"
    fleets = {
        "from zero, unbounded": changed(ON_GPU, **{name: {"max_scale": 0} for name in ON_GPU}),
        subject: ON_GPU,
        "one GPU warm": changed(ON_GPU, generator={"min_scale": 1}),
        "GPUs leave at once": changed(ON_GPU, generator={"retention_seconds": 0, "down_delay_seconds": 0}),
        "GPU ready in 20 s": changed(ON_GPU, generator={"start_seconds": 20}),
    }
    runs = {name: simulate(recorded, fleet, options.seed) for name, fleet in fleets.items()}
    for name, fixed in fixed_fleets(runs[subject]).items():
        runs[name] = simulate(recorded, ON_GPU, options.seed, fixed)
    found = {name: figures(run) for name, run in runs.items()}
    show(found)
    if options.json:
        write_json(options.json, found)
        plot(Path(options.json).with_suffix(".svg"), runs, subject)


if __name__ == "__main__":
    main()
