"""The Redis server of the tests does what tests rely on: it is real, can be killed, and never stays behind."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis
from redis_server import redis_server


def test_what_is_appended_outlives_a_kill():
    with redis_server(appendonly="yes", appendfsync="always") as server, server.client() as client:
        client.set("kept", "yes")
        server.kill()
        with pytest.raises(redis.ConnectionError):
            client.ping()
        server.start()
        assert client.get("kept") == "yes"


def test_nothing_is_kept_unless_asked():
    with redis_server() as server, server.client() as client:
        client.set("kept", "no")
        server.kill()
        server.start()
        assert client.get("kept") is None


def test_a_password_is_asked_for():
    with redis_server(requirepass="open sesame") as server:
        with server.client() as client:
            assert client.ping()
        with server.client(password="wrong") as client, pytest.raises(redis.AuthenticationError):
            client.ping()


def test_a_full_server_refuses():
    with redis_server(maxmemory="2mb", maxmemory_policy="noeviction") as server, server.client() as client:
        client.set("kept", "yes")
        with pytest.raises(redis.OutOfMemoryError):
            fill(client)
        assert client.get("kept") == "yes"


def test_it_hangs_and_comes_back():
    with redis_server() as server, server.client(socket_timeout=0.2) as client:
        client.set("kept", "yes")
        server.pause()
        with pytest.raises(redis.TimeoutError):
            client.ping()
        server.resume()
        assert client.get("kept") == "yes"


def test_it_dies_with_a_test_that_is_killed(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # nobody is left to remove its folder
    program = (
        "import time, redis_server as r\nwith r.redis_server() as s: print(s.process.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]
    ) as parent:
        number = int(parent.stdout.readline())
        assert Path(f"/proc/{number}").exists()
        parent.kill()
    deadline = time.monotonic() + 10
    while is_running(number):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def fill(client):
    for number in range(1_000):
        client.set(f"key {number}", "x" * 100_000)


def is_running(number):
    """Whether there is such a process that is no zombie."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
