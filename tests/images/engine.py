"""A container engine of the tests' own: Debian's docker.io, with its files in a folder and without any network."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

STARTS_WITHIN_SECONDS = 60
STOPS_WITHIN_SECONDS = 60


class NoEngine(Exception):
    """No container engine can start here; the message says why."""


@dataclass(frozen=True)
class Engine:
    """An engine that runs."""

    environment: dict[str, str]
    """What `docker` finds it with."""

    def docker(self, *arguments, **options):
        """Run `docker` to its end and return what it says; a failure shows its errors."""
        done = subprocess.run(
            ["docker", *map(str, arguments)], env=self.environment, capture_output=True, check=False, **options
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    def inspect(self, name):
        [told] = json.loads(self.docker("inspect", name))
        return told

    def logged(self, container):
        """All that a container has said."""
        said = subprocess.run(["docker", "logs", container], env=self.environment, capture_output=True, check=True)
        return (said.stdout + said.stderr).decode()


@contextmanager
def engine(folder: Path) -> Iterator[Engine]:
    """Start an engine, and stop it in the end. Raises `NoEngine`."""
    for program in ("dockerd", "docker", "setpriv", "unshare", "strip"):
        if not shutil.which(program):
            raise NoEngine(f"{program} is not installed")
    if os.geteuid() != 0:
        raise NoEngine("only root can start one")
    socket, log = folder / "docker.sock", folder / "log"
    options = ["--data-root", folder / "data", "--exec-root", folder / "exec", "--pidfile", folder / "pid"]
    options += ["--host", f"unix://{socket}", "--bridge=none", "--iptables=false", "--ip6tables=false"]
    # What it mounts, nobody else sees, and all of it goes with the last of its processes.
    command = ["setpriv", "--pdeathsig", "TERM", "unshare", "--mount", "dockerd", *map(str, options)]
    with log.open("w") as told:
        daemon = subprocess.Popen(command, stdout=told, stderr=told)
    try:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DOCKER_", "BUILDKIT_"))}
        started = Engine(kept | {"DOCKER_HOST": f"unix://{socket}", "DOCKER_CONFIG": str(folder / "client")})
        _wait(started, daemon, log)
        yield started
    finally:
        daemon.terminate()
        daemon.wait(STOPS_WITHIN_SECONDS)


def _wait(started: Engine, daemon: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_SECONDS
    while subprocess.run(["docker", "info"], env=started.environment, capture_output=True, check=False).returncode:
        if daemon.poll() is not None or time.monotonic() > deadline:
            raise NoEngine(f"dockerd does not start: {log.read_text().strip().splitlines()[-1:]}")
        time.sleep(0.2)
