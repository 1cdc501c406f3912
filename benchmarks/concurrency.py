"""Latency and throughput of each service by RPCs in flight, and its knee: what `target` and `containerConcurrency` are.

A closed loop keeps so many RPCs in flight, each as a solve sends most of its own: one state, one answer, one solve. The
service has a core of its own, as a pod with one CPU has; its client, and whatever it asks, share the other one. Levels
are run up and down again, so that what else the machine does falls on all of them. Throughput is concurrency over mean
latency, which is exact in a closed loop (Little 1961). The knee is the least concurrency with 90 % of the best
throughput: below it capacity is idle, above it a request only waits longer. Where a model elsewhere is waited for,
latency grows before that; so it is also said up to how many RPCs the median is at most a tenth above the least.
"""

import argparse
import asyncio
import itertools
import json
import os
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import grpc
from common import Service, print_table, processor_seconds, read_puzzles, service, wait_until_serving, write_json
from drawing import save
from matplotlib.figure import Figure
from model_server import add_arguments, model_server
from rich.console import Console
from rich.table import Table

from services.core.ports import EvaluateRequest, ProposeRequest, Sampling, ValidateRequest
from services.core.thought import State, Thought
from services.orchestrator.plan import Plan, make_plan
from services.rpc import convert
from services.rpc.channel import dial
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.rpc.gen.kubeofthoughts.v1.evaluator_service_pb2_grpc import EvaluatorServiceStub
from services.rpc.gen.kubeofthoughts.v1.generator_service_pb2_grpc import GeneratorServiceStub
from services.rpc.gen.kubeofthoughts.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub
from services.rpc.gen.kubeofthoughts.v1.validator_service_pb2_grpc import ValidatorServiceStub
from services.settings import OrchestratorSettings
from services.tasks.game24.script import moves

LEVELS = (1, 2, 4, 8, 16, 32, 64)
FURTHER = (128, 256)
"""Where a model elsewhere is waited for, a service has room for more."""
KNEE_SHARE = 0.9
"""Of the best throughput."""
CALM_SHARE = 1.1
"""Of the least median latency."""
WARM_UP_SECONDS = 0.5
SOLVES_SCALE = 0.1
"""Of the model server's latency, where solves are measured: a tenth, so that a solve takes a second instead of ten."""

Call = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Level:
    """What was measured with so many RPCs in flight."""

    concurrency: int
    rpcs: int
    median_seconds: float
    p95_seconds: float
    throughput: float
    """RPCs a second."""
    processor_seconds: float
    """Of the service, an RPC."""


def knee(levels: Sequence[Level]) -> int:
    """Return the least concurrency with nearly the best throughput."""
    best = max(level.throughput for level in levels)
    return min(level.concurrency for level in levels if level.throughput >= KNEE_SHARE * best)


def calm(levels: Sequence[Level]) -> int:
    """Return up to how many RPCs in flight a median one does not wait for others."""
    least = min(level.median_seconds for level in levels)
    return max(level.concurrency for level in levels if level.median_seconds <= CALM_SHARE * least)


# --- what is asked --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asker:
    """Makes RPCs, each of them another one, so that nothing is answered from memory."""

    plans: Sequence[Plan]

    def generate(self, channel: grpc.aio.Channel) -> Call:
        """Ask for what a search asks for first, of one state."""
        numbers = itertools.count()

        async def call() -> None:
            number = next(numbers)
            plan = self.plans[number % len(self.plans)]
            ask = plan.make_policy(Thought.root(plan.options.problem).id).ask(1)[0]
            request = ProposeRequest(
                id="0",
                task=plan.options.task,
                state=State(plan.options.problem),
                samples=ask.samples,
                max_thoughts=plan.options.thoughts_at_most(ask, ask.samples),
                sampling=plan.options.sampling[ask.method],
                method=ask.method,
                seed=number,
                fresh=True,
            )
            await read(GeneratorServiceStub(channel).Generate(iter([convert.propose_request_to_proto(request)])))

        return call

    def evaluate(self, channel: grpc.aio.Channel) -> Call:
        """Ask for the value of one state, a step from a puzzle."""
        numbers = itertools.count()

        async def call() -> None:
            number = next(numbers)
            options = self.plans[number % len(self.plans)].options
            steps = moves(tuple(sorted(map(Fraction, options.problem.split()))))
            request = EvaluateRequest(
                id="states",
                task=options.value_task,
                states=(State(options.problem, (steps[number % len(steps)][0],)),),
                sampling=options.value_sampling,
                samples=options.value_samples,
                seed=number,
                fresh=True,
            )
            await read(EvaluatorServiceStub(channel).Evaluate(iter([convert.evaluate_request_to_proto(request)])))

        return call

    def validate(self, channel: grpc.aio.Channel) -> Call:
        """Ask for the verdict on one answer."""
        task = self.plans[0].options.validate_task
        request = ValidateRequest(
            id="0", task=task, problem="1 1 11 11", answer="1 + 1 + 11 + 11", sampling=Sampling(), fresh=True
        )
        message = convert.validate_request_to_proto(request)

        async def call() -> None:
            await read(ValidatorServiceStub(channel).Validate(iter([message])))

        return call

    def solve(self, channel: grpc.aio.Channel) -> Call:
        """Ask for a whole solve."""
        numbers = itertools.count()

        async def call() -> None:
            number = next(numbers)
            problem = self.plans[number % len(self.plans)].options.problem
            await read(
                OrchestratorServiceStub(channel).Solve(
                    wire.SolveRequest(problem=problem, seed=number, event_detail=wire.EVENT_DETAIL_RESULT, fresh=True)
                )
            )

        return call


def asker(puzzles: Sequence[str], style: str) -> Asker:
    """Return what asks about these puzzles, by prompts of this style."""
    settings = OrchestratorSettings(prompt_style=style)
    return Asker([make_plan(wire.SolveRequest(problem=puzzle), settings) for puzzle in puzzles])


async def read(stream: grpc.aio.StreamStreamCall) -> None:
    """Read a stream to its end."""
    async for _ in stream:
        pass


# --- what is measured -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Subject:
    """A service over a model."""

    service: str
    model: str
    begin: Callable[[grpc.aio.Channel], Call]
    """Makes its RPCs."""
    environment: dict[str, str]
    levels: tuple[int, ...] = LEVELS

    @property
    def name(self) -> str:
        """What it is called in tables."""
        return f"{self.service}, {self.model}"


def subjects(puzzles: Sequence[str], slow: dict[str, str], faster: dict[str, str]) -> Iterator[Subject]:
    """Give what is measured: over the embedded model, over a model server, over a script that costs nothing."""
    models = {
        "embedded": (asker(puzzles, "bare"), {"KOT_MODEL": "embedded"}),
        "model server": (asker(puzzles, "few_shot"), slow),
        "scripted": (asker(puzzles, "bare"), {"KOT_MODEL": "scripted"}),
    }
    for model, (asks, environment) in models.items():
        levels = (*LEVELS, *FURTHER) if model == "model server" else LEVELS
        yield Subject("generator", model, asks.generate, environment, levels)
        yield Subject("evaluator", model, asks.evaluate, environment, levels)
    yield Subject("validator", "rule", models["scripted"][0].validate, models["scripted"][1])
    yield Subject("orchestrator", "model server", models["model server"][0].solve, faster)
    yield Subject("orchestrator", "scripted", models["scripted"][0].solve, models["scripted"][1])


@contextmanager
def running(subject: Subject, own: set[int], others: set[int]) -> Iterator[Service]:
    """Run the service on its cores, and the stages of an orchestrator on the others."""
    with ExitStack() as stack:
        targets = {}
        stages = ("generator", "evaluator", "validator") if subject.service == "orchestrator" else ()
        for name in stages:
            stage = stack.enter_context(service(name, **subject.environment))
            os.sched_setaffinity(stage.process.pid, others)
            wait_until_serving(stage)
            targets[f"KOT_{name.upper()}_TARGET"] = stage.target
        measured = stack.enter_context(service(subject.service, **subject.environment, **targets))
        # Before it has made its threads, which inherit this.
        os.sched_setaffinity(measured.process.pid, own)
        wait_until_serving(measured)
        yield measured


async def closed_loop(call: Call, concurrency: int, seconds: float) -> list[float]:
    """Keep so many calls in flight; return the seconds of those that began after the warm-up, at least one for each.

    Others go on until the last of them has ended, so that none of them is measured with less in flight.
    """
    first = time.perf_counter() + WARM_UP_SECONDS
    measured: list[float] = []
    under_way = 0

    async def keep_one() -> None:
        nonlocal under_way
        while (now := time.perf_counter()) < first + seconds or under_way or len(measured) < concurrency:
            counts = now >= first and (now < first + seconds or len(measured) + under_way < concurrency)
            under_way += counts
            await call()
            if counts:
                under_way -= 1
                measured.append(time.perf_counter() - now)

    await asyncio.gather(*(keep_one() for _ in range(concurrency)))
    return measured


async def measure(subject: Subject, target: Service, seconds: float) -> list[Level]:
    """Run every level twice, up and down."""
    found: dict[int, list[float]] = {level: [] for level in subject.levels}
    used = dict.fromkeys(subject.levels, 0.0)
    calls = dict.fromkeys(subject.levels, 0)
    async with dial(target.target) as channel:
        begin = subject.begin(channel)

        async def call() -> None:
            calls[level] += 1
            await begin()

        level = 1
        await call()  # connections and imports
        calls[level] = 0
        for level in (*subject.levels, *reversed(subject.levels)):
            before = processor_seconds([target], own=False)
            found[level] += await closed_loop(call, level, seconds)
            used[level] += processor_seconds([target], own=False) - before
    return [
        Level(
            concurrency=level,
            rpcs=len(latencies),
            median_seconds=statistics.median(latencies),
            p95_seconds=statistics.quantiles(latencies, n=20, method="inclusive")[-1],
            throughput=level / statistics.mean(latencies),
            processor_seconds=used[level] / calls[level],
        )
        for level, latencies in found.items()
    ]


# --- what is shown --------------------------------------------------------------------------------------------------


def show(found: dict[str, list[Level]]) -> None:
    """Print one table."""
    table = Table(title="Latency and throughput by RPCs in flight; the knee is marked", title_justify="left")
    for column in ("", "in flight", "RPCs/s", "median ms", "95 % ms", "processor ms an RPC", "RPCs measured"):
        table.add_column(column, justify="left" if not column else "right")
    for name, levels in found.items():
        for level in levels:
            table.add_row(
                name if level is levels[0] else "",
                f"{'* ' if level.concurrency == knee(levels) else ''}{level.concurrency}",
                f"{level.throughput:,.1f}",
                f"{level.median_seconds * 1000:,.1f}",
                f"{level.p95_seconds * 1000:,.1f}",
                f"{level.processor_seconds * 1000:,.2f}",
                f"{level.rpcs:,}",
                end_section=level is levels[-1],
            )
    Console(width=120).print(table)


def plot(path: Path, found: dict[str, list[Level]]) -> None:
    """Draw throughput and median latency, each over its best; a ring is the knee."""

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        for name, levels in found.items():
            xs = [level.concurrency for level in levels]
            best = max(level.throughput for level in levels)
            rates = [level.throughput / best for level in levels]
            waits = [level.median_seconds / levels[0].median_seconds for level in levels]
            (line,) = left.plot(xs, rates, marker="o", markersize=4, linewidth=1.2, label=name)
            right.plot(xs, waits, marker="o", markersize=4, linewidth=1.2)
            at = xs.index(knee(levels))
            for axes, ys in ((left, rates), (right, waits)):
                axes.plot(xs[at], ys[at], "o", markersize=11, fillstyle="none", color=line.get_color())
        left.axhline(KNEE_SHARE, color="grey", linewidth=0.8, linestyle=":")
        left.set(xscale="log", ylim=(0, 1.05), ylabel="throughput over the best", xlabel="RPCs in flight")
        right.set(xscale="log", yscale="log", ylabel="median latency over that of one alone", xlabel="RPCs in flight")
        for axes in (left, right):
            axes.set_xticks((*LEVELS, *FURTHER), [str(level) for level in (*LEVELS, *FURTHER)])
            axes.minorticks_off()
            axes.grid(alpha=0.3)
        figure.legend(loc="outside lower center", ncols=3, fontsize="small")

    save(path, draw, size=(10, 5.5))


def known(path: str | None) -> dict[str, list[Level]]:
    """Return what was measured before, which is kept but for what is measured again."""
    if not path or not Path(path).exists():
        return {}
    figures = json.loads(Path(path).read_text())
    return {name: [Level(**level) for level in each["levels"]] for name, each in figures.items()}


def main() -> None:
    """Measure, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("puzzles", type=Path, help="a CSV file with a column `puzzle`")
    parser.add_argument("--seconds", type=float, default=2.0, help="of one level, once up and once down")
    parser.add_argument("--only", default="", help="measure only what has this in its name, such as `validator`")
    parser.add_argument("--json", help="write the figures to this file, and draw them beside it")
    add_arguments(parser)
    options = parser.parse_args()
    puzzles = read_puzzles(options.puzzles)
    cores = sorted(os.sched_getaffinity(0))
    own, others = {cores[0]}, set(cores[1:]) or {cores[0]}
    os.sched_setaffinity(0, others)  # and of what is started from here
    found = known(options.json)
    scales = (options.scale, options.scale * SOLVES_SCALE)
    with ExitStack() as stack:
        slow, faster = (
            stack.enter_context(model_server(options.server, scale=scale)).environment() for scale in scales
        )
        for subject in subjects(puzzles, slow, faster):
            if options.only in subject.name:
                with running(subject, own, others) as target:
                    found[subject.name] = asyncio.run(measure(subject, target, options.seconds))
    show(found)
    knees = {name: f"knee {knee(levels)}, latency is flat up to {calm(levels)}" for name, levels in found.items()}
    print_table("Knees", knees)
    if options.json:
        figures = {
            name: {"knee": knee(each), "levels": [asdict(level) for level in each]} for name, each in found.items()
        }
        write_json(options.json, figures)
        plot(Path(options.json).with_suffix(".svg"), found)


if __name__ == "__main__":
    main()
