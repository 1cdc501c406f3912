"""`kot` as processes of its own."""

import fcntl
import os
import pty
import socket
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

KOT = [sys.executable, "-m", "services.cli.main"]
ENDLESS = ["--max-seconds", "100", "--max-completion-tokens", "1000000000", "--max-model-calls", "10000000"]
ESCAPE = "\x1b"


def environment(**changes):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KOT_")}
    return kept | {"KOT_MODEL": "scripted", "TERM": "xterm-256color"} | changes


def kot(*arguments, **changes):
    return subprocess.run(
        [*KOT, *arguments], env=environment(**changes), capture_output=True, encoding="utf-8", timeout=60, check=False
    )


def assert_plain(ended, code):
    assert ended.returncode == code, ended
    assert "Traceback" not in ended.stderr + ended.stdout
    assert ESCAPE not in ended.stdout


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(log: Path, event: str, server: subprocess.Popen) -> None:
    while f'"event": "{event}"' not in log.read_text():
        assert server.poll() is None, log.read_text()
        time.sleep(0.02)


@contextmanager
def serving(port=None, **changes) -> Iterator[tuple[subprocess.Popen, str, Path]]:
    """A `kot serve` that serves, its target, and its log."""
    port = port or free_port()
    with NamedTemporaryFile() as file:
        log = Path(file.name)
        command = [*KOT, "serve", "--port", str(port), "--web-port", "0"]
        with subprocess.Popen(command, env=environment(**changes), stderr=file) as server:
            try:
                wait_for(log, "serving", server)
                yield server, f"127.0.0.1:{port}", log
            finally:
                server.kill()


@contextmanager
def terminal(*arguments, lines=30, **changes) -> Iterator[tuple[subprocess.Popen, int]]:
    """`kot` in a terminal of its own: the process, and what the terminal gets."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, 100, 0, 0))
    with subprocess.Popen(
        [*KOT, *arguments],
        env=environment(**changes),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        try:
            yield process, ours
        finally:
            process.kill()
            os.close(ours)


def read_until(screen: int, sign: str) -> str:
    """What is written up to the sign, or to the end."""
    text = b""
    while sign.encode() not in text:
        try:
            chunk = os.read(screen, 65_536)
        except OSError:  # The other end is closed.
            break
        if not chunk:
            break
        text += chunk
    return text.decode()
