"""What the benchmarks share: the services as processes, puzzles, and how figures are shown."""

import csv
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from itertools import combinations_with_replacement
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from rich.console import Console
from rich.table import Table

from services.tasks.game24.script import wins

Figures = Mapping[str, object]


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_serving(target: str, process: subprocess.Popen[bytes], patience: float = 60) -> None:
    """Ask for the service's health until it serves."""
    # A server that was not there yet is tried again at once.
    options = [(f"grpc.{kind}_reconnect_backoff_ms", 10) for kind in ("initial", "min", "max")]
    with grpc.insecure_channel(target, options=options) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if health.Check(health_pb2.HealthCheckRequest(), timeout=1).status == 1:
                    return
            except grpc.RpcError:
                time.sleep(0.005)
    raise SystemExit(f"{target} does not serve")


@contextmanager
def service(name: str, **environment: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run one service as a process; gives its target, before it serves, and the process."""
    port = free_port()
    clean = {key: value for key, value in os.environ.items() if not key.startswith("KOT_")}
    settings = {"PORT": str(port), "KOT_HOST": "127.0.0.1", "KOT_LOG_LEVEL": "error"} | environment
    process = subprocess.Popen([sys.executable, "-m", f"services.{name}"], env=clean | settings)
    try:
        yield f"127.0.0.1:{port}", process
    finally:
        process.kill()
        process.wait()


@contextmanager
def four_processes(**environment: str) -> Iterator[str]:
    """Run the four services as processes, wired to each other; gives the orchestrator's target once all serve."""
    with ExitStack() as stack:
        workers = {
            name: stack.enter_context(service(name, **environment)) for name in ("generator", "evaluator", "validator")
        }
        targets = {f"KOT_{name.upper()}_TARGET": target for name, (target, _) in workers.items()}
        front = stack.enter_context(service("orchestrator", **targets, **environment))
        for target, process in (front, *workers.values()):
            wait_until_serving(target, process)
        yield front[0]


def read_puzzles(path: Path, limit: int | None = None) -> list[str]:
    """Return the column `puzzle` of a CSV file."""
    with path.open(newline="") as file:
        return [row["puzzle"] for row in csv.DictReader(file)][:limit]


def unsolvable(count: int, *, first: int = 0) -> list[str]:
    """Return puzzles without an answer, found by enumeration, large numbers first: their trees are wide."""
    found = []
    for numbers in combinations_with_replacement(range(13, 4, -1), 4):
        if not wins(tuple(map(Fraction, sorted(numbers)))):
            found.append(" ".join(map(str, numbers)))
            if len(found) == first + count:
                break
    return found[first:]


def print_table(title: str, figures: Figures) -> None:
    """Show figures, one a row."""
    table = Table(title=title, show_header=False, title_justify="left")
    for name, value in figures.items():
        table.add_row(name, f"{value:.3f}" if isinstance(value, float) else str(value))
    Console().print(table)


def write_json(path: str | None, figures: Figures) -> None:
    """Write figures to a file, if one was named."""
    if path:
        Path(path).write_text(json.dumps(figures, indent=2) + "\n")
