"""Internet scale on paper: what so many solves a second take, and what breaks first.

Everything follows from what was measured: recorded solves (`record_solves.py`), what one asks of what all share
(`solve_load.py`), how fast trees are written (`tree_store.py`), and the way in which each service is scaled
(`autoscaling/fleets.py`), which follows from its knee (`concurrency.py`). What was not measured is an assumption, and
is named as one.
"""

import argparse
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoscaling.fleets import ON_GPU
from autoscaling.replay import STAGES, Recorded, load

HERE = Path(__file__).parent
BUS_SECONDS, CACHE_SECONDS = 600.0, 86_400.0
"""How long Redis keeps what is on the bus, and what is in the cache (`KOT_CACHE_SECONDS`)."""
STAGE_CONNECTIONS = 3
"""Of one orchestrator to one stage: `KOT_STAGE_CALLS` over what a connection carries."""


@dataclass(frozen=True)
class Assumed:
    """What was not measured."""

    tokens_a_second: float = 100.0
    """That a sequence gets of an engine: the model server's 10 ms a token."""
    core_share: float = 0.7
    """Of a core that is planned to be used; so of one Redis, whose commands run on one core."""
    redis_gigabytes: float = 64.0
    """Of one Redis."""
    hit_share: float = 0.0
    """Of model calls that the cache answers: none, for problems that are all different."""
    log_seconds: float = 604_800.0
    """How long an ended solve stays in the log: `KOT_LOG_RETENTION`."""
    trees_share: float = 1.0
    """Of solves whose trees are written at once; those of others can be made from their logs when somebody looks."""


@dataclass(frozen=True)
class PerSolve:
    """Means of one solve."""

    seconds: float
    calls: Mapping[str, float]
    """By stage; `Complete` is what the evaluator asks the generator."""
    call_seconds: Mapping[str, float]
    model_calls: float
    prompt_tokens: float
    completion_tokens: float
    processor_seconds: Mapping[str, float]
    redis: Mapping[str, Mapping[str, float]]
    """Commands, bytes and processor time, by use."""
    trees: Mapping[str, float]


def mean(values: Iterable[float], count: int) -> float:
    """Return the mean of what `count` solves add up to."""
    return sum(values) / count


def per_solve(recorded: Sequence[Recorded], measured: Mapping[str, Any]) -> PerSolve:
    """Return what one solve takes."""
    count = len(recorded)
    calls = [call for solve in recorded for call in solve.calls]
    judged = [seconds for call in calls if call.stage == "evaluator" for seconds, asks in call.updates if asks]
    times = {stage: [call.updates[-1][0] for call in calls if call.stage == stage] for stage in STAGES}
    times["Complete"] = judged
    everything = measured["log, bus and cache"]
    return PerSolve(
        seconds=mean((solve.seconds for solve in recorded), count),
        calls={stage: len(each) / count for stage, each in times.items()},
        call_seconds={stage: mean(each, count) for stage, each in times.items()},
        model_calls=mean((solve.model_calls for solve in recorded), count),
        prompt_tokens=mean((solve.prompt_tokens for solve in recorded), count),
        completion_tokens=mean((solve.completion_tokens for solve in recorded), count),
        processor_seconds={name: each["processor seconds"] for name, each in everything.items()},
        redis={use: measured[use]["redis"] for use in ("log, bus and cache", "log", "bus", "cache")},
        trees=measured["trees"],
    )


# --- what so many solves a second take ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Need:
    """What a rate of solves takes."""

    in_flight: Mapping[str, float]
    """Requests at a time, by service."""
    pods: Mapping[str, int]
    """By service."""
    by_processor: Mapping[str, bool]
    """Whether it is its processor that a service needs its pods for, and not its requests in flight."""
    rpcs: float
    """A second."""
    connections: int
    """That orchestrators and evaluators keep open."""
    tokens_read: float
    tokens_written: float
    """A second."""
    commands: float
    """Of Redis, a second."""
    bytes_in: float
    bytes_out: float
    """Of Redis, a second."""
    redis_cores: float
    redis_bytes: float
    """Kept, once as much expires as comes."""
    transactions: float
    thoughts: float
    """Written to trees, a second."""

    def servers(self, assumed: Assumed) -> int:
        """Return how many Redis servers that takes, for their core or for their memory."""
        by_memory = self.redis_bytes / (assumed.redis_gigabytes * 1e9)
        return math.ceil(max(self.redis_cores / assumed.core_share, by_memory))


def need(solve: PerSolve, rate: float, assumed: Assumed) -> Need:
    """Return what `rate` solves a second take."""
    # Time is that of the engine, all but a few milliseconds of it.
    slower = Assumed.tokens_a_second / assumed.tokens_a_second
    asked = 1 - assumed.hit_share
    engine = (solve.call_seconds["generator"] + solve.call_seconds["Complete"]) * slower * asked
    in_flight = {
        "orchestrator": rate * solve.seconds * slower,
        "generator": rate * engine,
        "evaluator": rate * solve.call_seconds["evaluator"] * slower * asked,
        "validator": rate * solve.call_seconds["validator"],
    }
    by_requests = {name: in_flight[name] / scaling.per_pod for name, scaling in ON_GPU.items()}
    by_processor = {name: rate * solve.processor_seconds[name] / assumed.core_share for name in ON_GPU}
    pods = {name: math.ceil(max(by_requests[name], by_processor[name])) for name in ON_GPU}
    shared, parts = solve.redis["log, bus and cache"], solve.redis
    kept = (
        parts["log"]["bytes kept"] * assumed.log_seconds
        + parts["bus"]["bytes kept"] * BUS_SECONDS
        + parts["cache"]["bytes kept"] * CACHE_SECONDS * asked
    )
    return Need(
        in_flight=in_flight,
        pods=pods,
        by_processor={name: by_processor[name] > by_requests[name] for name in ON_GPU},
        # A solve is one, and begins by asking each stage for its health.
        rpcs=rate * (1 + len(STAGES) + sum(solve.calls.values())),
        connections=pods["orchestrator"] * len(STAGES) * STAGE_CONNECTIONS + pods["evaluator"],
        tokens_read=rate * solve.prompt_tokens * asked,
        tokens_written=rate * solve.completion_tokens * asked,
        commands=rate * shared["commands"],
        bytes_in=rate * shared["bytes in"],
        bytes_out=rate * shared["bytes out"],
        redis_cores=rate * shared["processor seconds"],
        redis_bytes=rate * kept,
        transactions=rate * solve.trees["transactions"] * assumed.trees_share,
        thoughts=rate * solve.trees["thoughts"] * assumed.trees_share,
    )


def one_carries(solve: PerSolve, assumed: Assumed, thoughts_a_second: float) -> dict[str, float]:
    """Return how many solves a second one of each carries, the least first: that is what breaks first."""
    one = need(solve, 1, assumed)
    processor = {name: assumed.core_share / solve.processor_seconds[name] for name in ON_GPU}
    pods = {f"a pod of the {name}": min(ON_GPU[name].per_pod / one.in_flight[name], processor[name]) for name in ON_GPU}
    stores = {
        "a Redis, by its memory": assumed.redis_gigabytes * 1e9 / one.redis_bytes,
        "a Redis, by its core": assumed.core_share / one.redis_cores,
        "a database of trees": thoughts_a_second / one.thoughts,
    }
    return dict(sorted({**pods, **stores}.items(), key=lambda item: item[1]))


# --- what is written ------------------------------------------------------------------------------------------------

SENSITIVITIES: Mapping[str, Assumed] = {
    "as above": Assumed(),
    "50 tokens a second for a sequence": Assumed(tokens_a_second=50),
    "200 tokens a second for a sequence": Assumed(tokens_a_second=200),
    "the cache answers half": Assumed(hit_share=0.5),
    "ended solves stay for an hour": Assumed(log_seconds=3600),
    "one tree of ten is written at once": Assumed(trees_share=0.1),
    "all of these but the slow engine": Assumed(tokens_a_second=200, hit_share=0.5, log_seconds=3600, trees_share=0.1),
}


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table."""
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def big(number: float) -> str:
    """Return a number as it is read: three figures."""
    for limit, unit in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e4, " k")):
        if number >= limit:
            return f"{number / limit * (10 if unit == ' k' else 1):,.3g}{unit}"
    return f"{number:,.3g}" if number < 100 else f"{number:,.0f}"


def table_of_solve(solve: PerSolve) -> str:
    """Return what one solve takes."""
    calls = ", ".join(f"{number:.1f} {CALLED[stage]}" for stage, number in solve.calls.items())
    cores = ", ".join(f"{name} {solve.processor_seconds[name] * 1000:.0f}" for name in (*ON_GPU, "redis"))
    proposing, judging = solve.call_seconds["generator"], solve.call_seconds["Complete"]
    evaluating = solve.call_seconds["evaluator"]
    shared = solve.redis["log, bus and cache"]
    kept = ", ".join(f"{use} {solve.redis[use]['bytes kept'] / 1e3:.0f} kB" for use in ("log", "bus", "cache"))
    rows = [
        ("seconds to the answer", f"{solve.seconds:.1f}"),
        ("RPCs to stages", calls),
        ("requests at a time: generator", f"{(proposing + judging) / solve.seconds:.1f}"),
        ("of its time, judging", f"{judging / (proposing + judging):.0%}"),
        ("requests at a time: evaluator", f"{evaluating / solve.seconds:.1f}"),
        ("model calls", f"{solve.model_calls:.1f}"),
        ("tokens read, written", f"{solve.prompt_tokens:,.0f}, {solve.completion_tokens:,.0f}"),
        ("processor ms", cores),
        ("Redis commands, of them scripts", f"{shared['commands']:.0f}, {shared['scripts']:.0f}"),
        ("Redis kB in, out", f"{shared['bytes in'] / 1e3:.0f}, {shared['bytes out'] / 1e3:.0f}"),
        ("Redis keeps", kept),
        ("tree: transactions, thoughts", f"{solve.trees['transactions']:.1f}, {solve.trees['thoughts']:.1f}"),
    ]
    return markdown(("a solve, on average", ""), rows)


CALLED = {"generator": "Generate", "evaluator": "Evaluate", "validator": "Validate", "Complete": "Complete"}


def table_of_needs(solve: PerSolve, rates: Sequence[float], assumed: Assumed) -> str:
    """Return what rates of solves take."""
    needs = [need(solve, rate, assumed) for rate in rates]
    reason = {name: "its core" if needs[-1].by_processor[name] else "requests in flight" for name in ON_GPU}
    rows = [
        (
            f"pods: {name}{', a GPU each' * (name == 'generator')} (by {reason[name]})",
            *(f"{each.pods[name]:,}" for each in needs),
        )
        for name in ON_GPU
    ]
    rows += [
        ("solves in flight", *(big(each.in_flight["orchestrator"]) for each in needs)),
        ("RPCs a second", *(big(each.rpcs) for each in needs)),
        ("requests in flight at the generator", *(big(each.in_flight["generator"]) for each in needs)),
        ("connections between services", *(big(each.connections) for each in needs)),
        ("tokens read a second", *(big(each.tokens_read) for each in needs)),
        ("tokens written a second", *(big(each.tokens_written) for each in needs)),
        ("tokens written a second by a GPU", *(big(each.tokens_written / each.pods["generator"]) for each in needs)),
        ("Redis commands a second", *(big(each.commands) for each in needs)),
        ("Redis bytes a second in, out", *(f"{big(each.bytes_in)}, {big(each.bytes_out)}" for each in needs)),
        ("Redis cores", *(f"{each.redis_cores:.3g}" for each in needs)),
        ("bytes that Redis keeps", *(big(each.redis_bytes) for each in needs)),
        ("Redis servers", *(f"{each.servers(assumed):,}" for each in needs)),
        ("transactions of trees a second", *(big(each.transactions) for each in needs)),
        ("thoughts written to trees a second", *(big(each.thoughts) for each in needs)),
    ]
    return markdown(("solves a second", *(f"{rate:,.0f}" for rate in rates)), rows)


def table_of_sensitivities(solve: PerSolve, rate: float) -> str:
    """Return what matters most, under other assumptions."""
    rows = []
    for name, assumed in SENSITIVITIES.items():
        found = need(solve, rate, assumed)
        pods = (f"{found.pods[service]:,}" for service in ("generator", "orchestrator", "evaluator"))
        rows.append((name, *pods, f"{found.servers(assumed):,}", big(found.redis_bytes), big(found.thoughts)))
    header = ("", "GPUs", "orchestrators", "evaluators", "Redis servers", "bytes that Redis keeps", "thoughts a second")
    return markdown(header, rows)


CELL = Assumed(log_seconds=3600)
CELL_RATE = 18.0
"""Solves a second of one cell: what the most pods carry that the manifests allow. One Redis carries it with room."""


def table_of_cells(solve: PerSolve, rate: float) -> str:
    """Return what one cell is, and how many of them a rate takes."""
    cell = need(solve, CELL_RATE, CELL)
    cells = math.ceil(rate / CELL_RATE)
    counts = {"cells": 1, "Redis servers": cell.servers(CELL)} | {f"pods: {name}": cell.pods[name] for name in ON_GPU}
    rows = [(name, f"{count:,}", f"{count * cells:,}") for name, count in counts.items()]
    rows += [
        ("share of a Redis's core", f"{cell.redis_cores:.0%}", ""),
        ("share of a Redis's memory", f"{cell.redis_bytes / CELL.redis_gigabytes / 1e9:.0%}", ""),
        ("thoughts written to its trees a second", big(cell.thoughts), big(cell.thoughts * cells)),
    ]
    return markdown(("", f"{CELL_RATE:.0f} solves a second", f"{rate:,.0f} solves a second"), rows)


def section(rates: Sequence[float] = (1, 100, 1000)) -> str:
    """Return all tables."""
    measured = json.loads((HERE / "results" / "solve-load.json").read_text())
    solve = per_solve(load(HERE / "autoscaling" / "recorded.json"), measured)
    trees = json.loads((HERE / "results" / "tree-store.json").read_text())["neo4j: thoughts written a second"]
    first = one_carries(solve, Assumed(), trees)
    carried = markdown(("one of these", "carries solves a second"), ((name, big(rate)) for name, rate in first.items()))
    most = f"{rates[-1]:,.0f} solves a second"
    tables = {
        "### One solve": table_of_solve(solve),
        "### Many": table_of_needs(solve, rates, Assumed()),
        "### What one of each carries": carried,
        f"### Under other assumptions, {most}": table_of_sensitivities(solve, rates[-1]),
        "### In cells": table_of_cells(solve, rates[-1]),
    }
    return "\n\n".join(f"{heading}\n\n{table}" for heading, table in tables.items())


BEGINS, ENDS = "<!-- python benchmarks/scale.py --update -->", "<!-- end -->"
PAGE = HERE.parent / "docs" / "scale.md"


def main() -> None:
    """Print the tables, or put them into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--update", action="store_true", help=f"write them into {PAGE.name}")
    options = parser.parse_args()
    if options.update:
        before, _, rest = PAGE.read_text().partition(BEGINS)
        _, _, after = rest.partition(ENDS)
        PAGE.write_text(f"{before}{BEGINS}\n\n{section()}\n\n{ENDS}{after}")
    else:
        print(section())


if __name__ == "__main__":
    main()
