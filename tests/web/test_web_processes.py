"""The page's server as a process of its own, and beside `kot serve`."""

import asyncio
import json
import signal
import socket
import subprocess
from contextlib import ExitStack, contextmanager, suppress

from fleet import SOLVABLE, fleet
from kot import KOT, assert_plain, environment, free_port, kot, wait_for
from page import all_events, browser, read
from processes import service

from services.cli.exits import Exit
from services.cli.serve import WEB_PORT


def taken():
    """A port that somebody listens on."""
    listener = socket.create_server(("127.0.0.1", 0))
    return listener, listener.getsockname()[1]


async def test_it_runs_alone_in_front_of_an_orchestrator_elsewhere(tmp_path):
    async with fleet() as target:
        with service("web", tmp_path, KOT_ORCHESTRATOR_TARGET=target) as web:
            await asyncio.to_thread(web.wait_until_serving)
            async with browser(f"http://{web.target}") as session:
                assert (await read(session.get("/healthz"))).status == 200
                assert "Kube of Thoughts" in await (await session.get("/")).text()
                *_, (_, _, last) = await all_events(await session.post("/api/solves", json={"problem": SOLVABLE}))
            assert last["result"]["answer"].endswith("= 24")
            web.process.send_signal(signal.SIGTERM)
            assert await web.ended() == 0
            assert [line["event"] for line in web.log] == ["serving", "stopped"]


async def test_a_port_that_is_taken_is_one_line(tmp_path):
    listener, port = taken()
    with listener, service("web", tmp_path, port=port) as web:
        assert await web.ended() == 78
        (said,) = web.log
    assert said["reason"] == "ADDRESS_UNUSABLE"


def test_kot_serve_refuses_a_port_for_the_page_that_is_taken():
    listener, port = taken()
    with listener:
        ended = kot("serve", "--port", str(free_port()), "--web-port", str(port))
    assert_plain(ended, Exit.UNAVAILABLE)
    assert ended.stderr == f"kot: cannot serve the page on 127.0.0.1:{port}: address already in use\n"


@contextmanager
def kot_serve(log, *arguments):
    """A `kot serve` that serves."""
    with log.open("w") as file:
        command = [*KOT, "serve", "--port", str(free_port()), *arguments]
        with subprocess.Popen(command, env=environment(), stderr=file) as server:
            try:
                wait_for(log, "serving", server)
                yield server
            finally:
                server.kill()


def test_kot_serve_goes_on_without_a_page_if_its_usual_port_is_taken(tmp_path):
    # Whoever has it: this test, or somebody else.
    with ExitStack() as stack:
        with suppress(OSError):
            stack.enter_context(socket.create_server(("127.0.0.1", WEB_PORT)))
        with kot_serve(tmp_path / "log") as server:
            server.terminate()
            assert server.wait(20) == 0
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    (said,) = [line for line in lines if "page" in line["event"]]
    assert said["event"] == "no page"
    assert "--web-port" in said["reason"]


async def test_kot_serve_serves_the_page(tmp_path):
    port = free_port()
    with kot_serve(tmp_path / "log", "--web-port", str(port)):
        async with browser(f"http://127.0.0.1:{port}") as session:
            begun = await session.post("/api/solves", json={"problem": SOLVABLE})
            assert (await all_events(begun))[-1][2]["result"]["answer"].endswith("= 24")
