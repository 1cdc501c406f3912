"""Seconds from a cold start: a `kot solve` to its answer, and each service to serving, as a probe asks it."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from functools import partial

from common import Service, print_table, service, wait_until_serving, write_json


def seconds_to_answer(puzzle: str) -> float:
    """Run `kot solve` as a process and return how long it took; it must have found the answer."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("KOT_")}
    begun = time.perf_counter()
    run = subprocess.run(
        [sys.executable, "-m", "services.cli.main", "solve", puzzle, "--json"],
        env=clean,
        capture_output=True,
        text=True,
        check=True,
    )
    seconds = time.perf_counter() - begun
    assert json.loads(run.stdout)["answer"]
    return seconds


def wait_for_page(page: Service, patience: float = 60) -> None:
    """Ask for the page's health until it answers."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and page.process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://{page.target}/healthz", timeout=1):
                return
        except urllib.error.URLError:
            time.sleep(0.005)
    raise SystemExit(f"{page.target} does not serve")


def seconds_to_serving(name: str) -> float:
    """Start a service, with the embedded model if it has one, and return how long it took until it serves."""
    begun = time.perf_counter()
    with service(name) as started:
        (wait_for_page if name == "web" else wait_until_serving)(started)
        return time.perf_counter() - begun


def measure(start: Callable[[], float], repeats: int) -> tuple[Sequence[float], Sequence[float]]:
    """Return the wall times and the processor times of so many starts."""
    seconds, costs = [], []
    for _ in range(repeats):
        before = os.times()
        seconds.append(start())
        after = os.times()
        costs.append(after.children_user + after.children_system - before.children_user - before.children_system)
    return seconds, costs


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--puzzle", default="1 1 11 11")
    parser.add_argument("--json", help="write the figures to this file")
    options = parser.parse_args()
    starts: dict[str, Callable[[], float]] = {"kot solve to answer": partial(seconds_to_answer, options.puzzle)}
    for name in ("generator", "evaluator", "validator", "orchestrator", "web"):
        starts[f"{name} to serving"] = partial(seconds_to_serving, name)
    figures: dict[str, object] = {"repeats": options.repeats}
    for what, start in starts.items():
        seconds, costs = measure(start, options.repeats)
        figures[f"{what}, median s"] = statistics.median(seconds)
        figures[f"{what}, range s"] = f"{min(seconds):.2f} to {max(seconds):.2f}"
        figures[f"{what}, median processor s"] = statistics.median(costs)
    print_table("Cold start", figures)
    write_json(options.json, figures)


if __name__ == "__main__":
    main()
