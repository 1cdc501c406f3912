"""What the benchmarks share: the services as processes, puzzles, and how figures are shown."""

import csv
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from rich.console import Console
from rich.table import Table

from services.tasks.game24.script import wins

Figures = Mapping[str, object]

_folder = TemporaryDirectory(prefix="kot-benchmark-")
STATE = {"KOT_STATE_PATH": f"{_folder.name}/kot.db", "KOT_DETACH_GRACE": "0"}
"""What is solved here is kept apart from what the user has solved, and ends when it is left."""
os.environ.update(STATE)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Service:
    """A service as a process."""

    target: str
    process: subprocess.Popen[bytes]


def wait_until_serving(service: Service, patience: float = 60) -> None:
    """Ask for the service's health until it serves."""
    # A server that was not there yet is tried again at once.
    options = [("grpc.initial_reconnect_backoff_ms", 10), ("grpc.max_reconnect_backoff_ms", 10)]
    with grpc.insecure_channel(service.target, options=options) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and service.process.poll() is None:
            try:
                if health.Check(health_pb2.HealthCheckRequest(), timeout=1).status == 1:
                    return
            except grpc.RpcError:
                time.sleep(0.005)
    raise SystemExit(f"{service.target} does not serve")


@contextmanager
def service(name: str, **environment: str) -> Iterator[Service]:
    """Run one service as a process; gives it before it serves."""
    port = free_port()
    clean = {key: value for key, value in os.environ.items() if not key.startswith("KOT_")}
    settings = {"PORT": str(port), "KOT_HOST": "127.0.0.1", "KOT_LOG_LEVEL": "error"} | STATE | environment
    process = subprocess.Popen([sys.executable, "-m", f"services.{name}"], env=clean | settings)
    try:
        yield Service(f"127.0.0.1:{port}", process)
    finally:
        process.kill()
        process.wait()


@contextmanager
def four_processes(**environment: str) -> Iterator[list[Service]]:
    """Run the four services as processes, wired to each other; gives them once all serve, the orchestrator first."""
    with ExitStack() as stack:
        workers = {
            name: stack.enter_context(service(name, **environment)) for name in ("generator", "evaluator", "validator")
        }
        targets = {f"KOT_{name.upper()}_TARGET": worker.target for name, worker in workers.items()}
        front = stack.enter_context(service("orchestrator", **targets, **environment))
        services = [front, *workers.values()]
        for each in services:
            wait_until_serving(each)
        yield services


def processor_seconds(services: Sequence[Service], *, own: bool = True) -> float:
    """Return the processor time that the services, and this process, have used so far; read from /proc."""
    ticks = 0
    for each in services:
        fields = Path(f"/proc/{each.process.pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    times = os.times()
    return ticks / os.sysconf("SC_CLK_TCK") + (times.user + times.system if own else 0.0)


def read_puzzles(path: Path, limit: int | None = None) -> list[str]:
    """Return the column `puzzle` of a CSV file."""
    with path.open(newline="") as file:
        return [row["puzzle"] for row in csv.DictReader(file)][:limit]


def unsolvable(count: int, *, first: int = 0) -> list[str]:
    """Return puzzles without an answer, found by enumeration; of four different numbers, whose trees are wide."""
    found = []
    for numbers in combinations(range(31, 4, -1), 4):
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
