"""A real server that speaks Neo4j's protocol and Cypher (ArcadeDB), for tests; it dies with who started it.

Run as a program, it is the server.
"""

import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from services.settings import Neo4jSettings

DATABASE = "kot"
PASSWORD = "thoughts-are-free"
STARTS_WITHIN_SECONDS = 60


@dataclass
class GraphServer:
    """A server with its files in a folder of its own; it may be killed, held up, and started again."""

    folder: Path
    ports: list[int] = field(default_factory=lambda: [free_port(), free_port()])
    """Of Bolt and of HTTP."""
    process: subprocess.Popen | None = None

    @property
    def log(self):
        return self.folder / "output"

    @property
    def ready(self):
        """A file that is there once it answers."""
        return self.folder / "ready"

    def settings(self, **changes):
        """What a store finds this server with."""
        found = {"uri": f"bolt://127.0.0.1:{self.ports[0]}", "username": "root", "password": PASSWORD}
        return Neo4jSettings(**found | {"database": DATABASE} | changes)

    def start(self):
        """Start it, with the files that are there, and wait until it answers.

        The kernel kills it when the *thread* that started it ends, so call this from a thread that stays.
        """
        self.ready.unlink(missing_ok=True)
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", sys.executable, __file__, str(self.folder), *map(str, self.ports)],
                cwd=self.folder,  # it writes a log there
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + STARTS_WITHIN_SECONDS
        while not self.ready.exists():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def kill(self):
        """End it as a crash does."""
        self.process.kill()
        self.process.wait()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def graph_server():
    """Run a server."""
    with tempfile.TemporaryDirectory(prefix="kot-graph-", ignore_cleanup_errors=True) as folder:
        server = GraphServer(Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.kill()


def main(folder, bolt_port, http_port):
    from arcadedb_embedded import create_server

    config = {
        "mode": "production",
        "http_port": int(http_port),
        "server_plugins": "Bolt:com.arcadedb.bolt.BoltProtocolPlugin",
        "bolt_port": int(bolt_port),
        "queryQueueMaxSize": 256,
        "queryMaxConcurrent": 16,
    }
    server = create_server(root_path=folder, root_password=PASSWORD, config=config)
    server.start()
    server.create_database(DATABASE)  # or opens it
    (Path(folder) / "ready").touch()
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main(*sys.argv[1:])
