"""Services as processes of their own; none outlives its test."""

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

STARTS_WITHIN_SECONDS = 30
STOPS_WITHIN_SECONDS = 20


def free_port():
    """A port that nobody listens on, and that the system gives to no connection while its service is away."""
    while True:
        port = random.SystemRandom().randrange(10_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@dataclass
class Service:
    """A service as a process."""

    name: str
    process: subprocess.Popen
    port: int
    stderr: Path

    @property
    def target(self):
        return f"127.0.0.1:{self.port}"

    @property
    def log(self):
        """The lines that it logged, each a JSON object; anything else fails."""
        return [json.loads(line) for line in self.stderr.read_text().splitlines()]

    def wait_until_serving(self):
        deadline = time.monotonic() + STARTS_WITHIN_SECONDS
        while '"serving"' not in self.stderr.read_text():
            assert self.process.poll() is None, self.stderr.read_text()
            assert time.monotonic() < deadline, self.stderr.read_text()
            time.sleep(0.02)

    def end(self, number=signal.SIGTERM):
        """Tell it to stop; returns its exit code."""
        self.process.send_signal(number)
        return self.process.wait(STOPS_WITHIN_SECONDS)

    async def ended(self):
        """Wait for its end without blocking the loop; returns its exit code."""
        return await asyncio.to_thread(self.process.wait, STOPS_WITHIN_SECONDS)


@contextmanager
def service(name, folder, *, port=None, **environment):
    """Start `python -m services.NAME`; kill it in the end if it is still there."""
    port = port or free_port()
    stderr = Path(folder) / f"{name}-{port}-{time.monotonic_ns()}.log"
    clean = {key: value for key, value in os.environ.items() if not key.startswith("KOT_")}
    own = {
        "PORT": str(port),
        "KOT_HOST": "127.0.0.1",
        "HOSTNAME": f"{name}-pod",
        "KOT_MODEL": "scripted",
        "KOT_STATE_PATH": str(Path(folder) / "kot.db"),
    }
    with stderr.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", f"services.{name}"],
            env=clean | own | environment,
            stdout=log,
            stderr=log,
        )
    try:
        yield Service(name, process, port, stderr)
    finally:
        process.kill()
        process.wait()


@contextmanager
def four_processes(folder, **environment):
    """Start all four services, wired to each other, and wait until they serve; the orchestrator comes first."""
    with ExitStack() as stack:
        workers = [
            stack.enter_context(service(name, folder, **environment))
            for name in ("generator", "evaluator", "validator")
        ]
        targets = {f"KOT_{worker.name.upper()}_TARGET": worker.target for worker in workers}
        first = stack.enter_context(service("orchestrator", folder, **targets | environment))
        for started in (first, *workers):
            started.wait_until_serving()
        yield [first, *workers]
