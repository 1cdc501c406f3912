"""Seconds from a cold start: a `kot solve` to its answer, and a service without a model to serving."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

from common import print_table, service, wait_until_serving, write_json


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


def seconds_to_serving(name: str) -> float:
    """Start a service and return how long it took until its health says that it serves."""
    begun = time.perf_counter()
    with service(name) as started:
        wait_until_serving(started)
        return time.perf_counter() - begun


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--puzzle", default="1 1 11 11")
    parser.add_argument("--json", help="write the figures to this file")
    options = parser.parse_args()
    answers, costs, validators, orchestrators = [], [], [], []
    for _ in range(options.repeats):
        before = os.times()
        answers.append(seconds_to_answer(options.puzzle))
        after = os.times()
        costs.append(after.children_user + after.children_system - before.children_user - before.children_system)
        validators.append(seconds_to_serving("validator"))
        orchestrators.append(seconds_to_serving("orchestrator"))
    figures = {
        "repeats": options.repeats,
        "kot solve to answer, median s": statistics.median(answers),
        "kot solve to answer, most s": max(answers),
        "kot solve to answer, median processor s": statistics.median(costs),
        "validator to serving, median s": statistics.median(validators),
        "orchestrator to serving, median s": statistics.median(orchestrators),
    }
    print_table("Cold start", figures)
    write_json(options.json, figures)


if __name__ == "__main__":
    main()
