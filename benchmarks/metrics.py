"""What metrics cost: the same work with every process showing metrics to Prometheus, and with none, as in `tracing.py`.

What is shown is read every five seconds, three times as often as Prometheus would. Runs come in pairs, and who begins
changes.
"""

import argparse
import asyncio
import statistics
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from common import (
    Service,
    free_port,
    print_table,
    processor_seconds,
    service,
    unsolvable,
    wait_until_serving,
    write_json,
)
from throughput import measure

PARALLEL = 4
EVERY_SECONDS = 5.0
WORKERS = ("generator", "evaluator", "validator")


@contextmanager
def running(*, shown: bool) -> Iterator[tuple[list[Service], list[int]]]:
    """Run the four services; gives them, the orchestrator first, and the ports of their metrics, if those are shown."""
    ports: list[int] = []

    def more() -> dict[str, str]:
        if not shown:
            return {}
        ports.append(free_port())
        return {"KOT_METRICS_PORT": str(ports[-1])}

    with ExitStack() as stack:
        common = {"KOT_MODEL": "scripted", "KOT_CACHE": "none"}
        workers = {name: stack.enter_context(service(name, **common, **more())) for name in WORKERS}
        targets = {f"KOT_{name.upper()}_TARGET": worker.target for name, worker in workers.items()}
        services = [stack.enter_context(service("orchestrator", **common, **targets, **more())), *workers.values()]
        for each in services:
            wait_until_serving(each)
        yield services, ports


@contextmanager
def scraped(ports: Sequence[int]) -> Iterator[None]:
    """Read what the ports show meanwhile, from a thread."""
    over = threading.Event()

    def scrape() -> None:
        while not over.wait(EVERY_SECONDS):
            for port in ports:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                    answer.read()

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def run(puzzles: Sequence[str], thoughts: int, *, shown: bool) -> tuple[float, float]:
    """Return the processor microseconds of a thought, and thoughts a second."""
    with running(shown=shown) as (services, ports):
        asyncio.run(measure(services[0].target, list(puzzles[:2]), 100, PARALLEL))
        before = processor_seconds(services)
        with scraped(ports):
            counted, took = asyncio.run(measure(services[0].target, list(puzzles), thoughts, PARALLEL))
        return (processor_seconds(services) - before) / counted * 1e6, counted / took


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7, help="pairs of runs")
    parser.add_argument("--thoughts", type=int, default=1000, help="thoughts after which one solve is left")
    parser.add_argument("--json", help="write the figures to this file")
    options = parser.parse_args()
    costs: dict[bool, list[float]] = {True: [], False: []}
    shares = []
    for repeat in range(options.repeats):
        wide, rates = unsolvable(8, first=8 * repeat), {}
        for shown in (bool(repeat % 2), not repeat % 2):
            cost, rates[shown] = run(wide, options.thoughts, shown=shown)
            costs[shown].append(cost)
        shares.append(rates[True] / rates[False])
    more = [shown - plain for shown, plain in zip(costs[True], costs[False], strict=True)]
    figures: dict[str, object] = {
        "pairs": options.repeats,
        "median processor microseconds a thought, without metrics": round(statistics.median(costs[False])),
        "median processor microseconds a thought, with metrics": round(statistics.median(costs[True])),
        "median of what metrics add": round(statistics.median(more)),
        "quartiles": " to ".join(f"{each:.0f}" for each in statistics.quantiles(more, n=4)[::2]),
        "median of saturated throughput, with over without": statistics.median(shares),
    }
    print_table("Metrics", figures)
    write_json(options.json, figures | {"more": more, "shares": shares})


if __name__ == "__main__":
    main()
