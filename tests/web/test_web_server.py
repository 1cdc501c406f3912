"""The page's server: calls of the orchestrator as JSON and server-sent events, and who may ask."""

import asyncio
import json
from contextlib import AsyncExitStack, nullcontext

import pytest
from fleet import SOLVABLE, UNSOLVABLE
from page import ENDLESS, Slow, all_events, browser, events, page, read, traced
from word_ladder import EXAMPLE, play
from yaml import safe_load

from services.adapters.llm.scripted import ScriptedModel
from services.cli.options import _paths
from services.core.errors import InvalidInput
from services.settings import WebSettings, read_settings
from services.web.app import trace_link
from services.web.fields import describe_fields
from services.web.requests import MOST_BYTES
from services.web.serving import serving_page

HOSTILE = "cold\r\n\r\nevent: failed\r\ndata: {}\r\n\r\n</script><img src=x onerror=alert(1)> -> warm"


# --- what can be set ------------------------------------------------------------------------------------------------


async def test_the_catalog_says_what_can_be_set():
    async with page() as address, browser(address) as session:
        catalog = await (await session.get("/api/catalog")).json()
    assert {"name", "summary", "example", "depth"} <= catalog["tasks"][0].keys()
    bfs = next(strategy for strategy in catalog["strategies"] if strategy["name"] == "bfs")
    beam = next(setting for setting in bfs["settings"] if setting["name"] == "beam_width")
    assert beam == {"name": "beam_width", "type": "int", "default": 5.0, "minimum": 1.0, "maximum": 1000.0} | {
        "text": beam["text"]
    }
    temperature = next(field for field in catalog["fields"] if field["path"] == "sampling.temperature")
    assert (temperature["minimum"], temperature["maximum"]) == (0, 2)


def test_what_the_command_line_can_set_the_page_can_set_too():
    elsewhere = {"task", "strategy", "definition"}
    typed = {path for _, path in _paths() if path not in elsewhere and not path.startswith("settings.")}
    assert typed == {field["path"] for field in describe_fields()}


def test_the_page_begins_with_the_example_of_the_documentation():
    shown = json.loads((EXAMPLE.parents[2] / "services" / "web" / "static" / "word-ladder.json").read_text())
    assert shown == safe_load(EXAMPLE.read_text())


# --- solves ---------------------------------------------------------------------------------------------------------


async def test_a_solve_is_begun_and_followed_to_its_answer():
    async with page() as address, browser(address) as session:
        told = await all_events(await session.post("/api/solves", json={"problem": SOLVABLE}))
        solve_id = told[0][2]["accepted"]["solve_id"]
        described = await (await session.get(f"/api/solves/{solve_id}")).json()
        lines = (await (await session.get(f"/api/solves/{solve_id}/tree")).text()).splitlines()
    assert [number for number, _, _ in told[:-1]] == [str(number) for number in range(1, len(told))]
    number, _, last = told[-1]
    assert number is None
    assert last["result"]["answer"].endswith("= 24")
    assert described["solve"]["state"] == "SOLVE_STATE_ENDED"
    assert described["request"]["problem"] == SOLVABLE
    thoughts = [thought for line in lines for thought in json.loads(line)["thoughts"]]
    assert len(thoughts) == int(last["result"]["progress"]["nodes"])


async def test_who_was_cut_off_is_sent_what_came_after():
    async with page() as address, browser(address) as session:
        whole = await all_events(await session.post("/api/solves", json={"problem": SOLVABLE}))
        path = f"/api/solves/{whole[0][2]['accepted']['solve_id']}/events"
        assert await all_events(await session.get(path)) == whole
        rest = await all_events(await session.get(path, headers={"Last-Event-ID": "2"}))
    assert rest == whole[2:]


async def test_a_solve_that_runs_is_watched_cancelled_and_gone_on_with():
    request = {"problem": UNSOLVABLE, "request_id": "endless", "budget": ENDLESS}
    async with page(Slow()) as address, browser(address) as session:
        begun = events(await session.post("/api/solves", json=request))
        await anext(begun)
        watched = asyncio.create_task(all_events(await session.get("/api/solves/endless/events")))
        await read(session.post("/api/solves/endless/cancel", json={}))
        *_, (_, _, last) = await watched
        assert last["result"]["status"] == "SOLVE_STATUS_CANCELLED"
        more = await session.post("/api/solves/endless/resume", json={"budget": {"wall_seconds": 200}})
        resumed = events(more)
        while "taken_up" not in (await anext(resumed))[2]:
            pass
        await read(session.post("/api/solves/endless/cancel", json={}))
        *_, (_, _, last) = [event async for event in resumed]
    assert last["result"]["status"] == "SOLVE_STATUS_CANCELLED"


async def test_a_browser_that_leaves_leaves_the_solve():
    request = {"problem": UNSOLVABLE, "request_id": "left", "budget": ENDLESS}
    async with page(Slow()) as address, browser(address) as session:
        response = await session.post("/api/solves", json=request)
        await anext(events(response))
        response.close()

        async def state():
            return (await (await session.get("/api/solves/left")).json())["solve"]["state"]

        async with asyncio.timeout(10):
            while await state() != "SOLVE_STATE_PARKED":  # noqa: ASYNC110 - it is asked for over HTTP
                await asyncio.sleep(0.02)


async def test_solves_are_listed_in_pages():
    async with page() as address, browser(address) as session:
        for number in range(3):
            await all_events(await session.post("/api/solves", json={"problem": SOLVABLE, "request_id": f"s{number}"}))
        first = await (await session.get("/api/solves?page_size=2")).json()
        second = await (await session.get(f"/api/solves?page_size=2&page_token={first['next_page_token']}")).json()
    assert [solve["solve_id"] for solve in first["solves"] + second["solves"]] == ["s2", "s1", "s0"]
    assert "next_page_token" not in second


def proposed(told):
    """The events of thoughts that joined the tree."""
    events = [event for _, _, message in told for event in message.get("thoughts", {}).get("events", [])]
    return [event for event in events if "proposed" in event]


async def test_it_is_told_where_a_thought_came_from_and_where_its_trace_is():
    request = {"problem": SOLVABLE, "request_id": "s"}
    async with traced(), page(trace_url="https://traces.example/t/{trace}?x=1") as address, browser(address) as session:
        told = await all_events(await session.post("/api/solves", json=request))
        first = proposed(told)[0]
        answer = await session.get(f"/api/solves/s/thoughts/{first['thought_id']}")
        said = await answer.json()
        unknown = await read(session.get("/api/solves/s/thoughts/none"))
    assert answer.status == 200
    assert said["thought"]["text"] == first["proposed"]["text"]
    assert said["proposed"] == {"prompt": f"Input: {SOLVABLE}\nNext:\n", "pod": first["proposed"]["pod"]}
    trace_id = told[0][2]["accepted"]["trace"].split("-")[1]
    assert said["trace_url"] == f"https://traces.example/t/{trace_id}?x=1"
    assert unknown.status == 400


async def test_a_solve_that_is_not_traced_has_no_link():
    async with page(trace_url="https://traces.example/{trace}") as address, browser(address) as session:
        told = await all_events(await session.post("/api/solves", json={"problem": SOLVABLE, "request_id": "s"}))
        said = await (await session.get(f"/api/solves/s/thoughts/{proposed(told)[0]['thought_id']}")).json()
    assert said["trace_url"] == ""


@pytest.mark.parametrize("traceparent", ["", "x", "00-javascript:alert(1)-1-01", f"00-{'0' * 31}/-{'1' * 16}-01"])
def test_what_is_no_trace_is_no_link(traceparent):
    assert trace_link("https://traces.example/{trace}", traceparent) == ""


@pytest.mark.parametrize(
    ("place", "right"),
    [
        ("", True),
        ("http://localhost:16686/trace/{trace}", True),
        ("https://traces.example/?id={trace}&x=1", True),
        ("javascript:alert('{trace}')", False),
        ("//traces.example/{trace}", False),
        ("http://localhost:16686/", False),
        ("http://{trace}", False),
        ("http://a/{trace}\nx", False),
    ],
)
def test_links_to_traces_lead_to_pages_alone(monkeypatch, place, right):
    monkeypatch.setenv("KOT_TRACE_URL", place)
    with nullcontext() if right else pytest.raises(InvalidInput, match="KOT_TRACE_URL"):
        assert read_settings(WebSettings).trace_url == place


async def test_prompts_of_the_users_own_are_solved_with():
    definition = safe_load(EXAMPLE.read_text())
    async with page(ScriptedModel(play)) as address, browser(address) as session:
        request = {"problem": "cold -> warm", "definition": definition}
        *_, (_, _, last) = await all_events(await session.post("/api/solves", json=request))
    assert last["result"]["answer"] == "cold, cord, card, ward, warm"


async def test_hostile_text_stays_in_its_event():
    definition = safe_load(EXAMPLE.read_text())
    async with page(ScriptedModel(lambda prompt, _: f"{HOSTILE}\nsure")) as address, browser(address) as session:
        request = {"problem": HOSTILE, "definition": definition, "budget": {"model_calls": 20}}
        told = await all_events(await session.post("/api/solves", json=request))
    assert {kind for _, kind, _ in told} == {"message"}
    assert told[0][2]["accepted"]["problem"] == HOSTILE
    texts = [event["proposed"]["text"] for event in proposed(told)]
    assert any("<img src=x onerror=alert(1)>" in text for text in texts)


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"problem": ""}, "problem"),
        ({"problem": "1 2 3"}, "problem"),
        ({"problem": SOLVABLE, "task": "none"}, "task"),
        ({"problem": SOLVABLE, "strategy": "none"}, "strategy"),
        ({"problem": SOLVABLE, "strategy": "bfs", "settings": {"beam_width": 0}}, "settings.beam_width"),
        ({"problem": SOLVABLE, "sampling": {"temperature": 3}}, "sampling.temperature"),
        ({"problem": SOLVABLE, "sampling": {"temperature": "hot"}}, "sampling.temperature"),
        ({"problem": SOLVABLE, "sampling": {"top_k": 1.5}}, "sampling.top_k"),
        ({"problem": SOLVABLE, "budget": {"nodes": "many"}}, "budget.nodes"),
        ({"problem": SOLVABLE, "budget": {"nodes": 10**30}}, "budget.nodes"),
        ({"problem": SOLVABLE, "seed": -1}, "seed"),
        ({"problem": SOLVABLE, "concurrency": "fast"}, "concurrency"),
        ({"problem": SOLVABLE, "definition": {"name": "x", "depth": 1, "propose": "no place"}}, "definition"),
    ],
)
async def test_wrong_input_is_refused_by_the_name_of_its_field(body, field):
    async with page() as address, browser(address) as session:
        response = await session.post("/api/solves", json=body)
        said = await response.json()
    assert response.status == 400
    assert said["field"].startswith(field)
    assert said["message"]
    assert said["temporary"] is False


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"[1]", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"\xff", "application/json", 400),
        (b'{"bugdet": {}}', "application/json", 400),
        (b'{"\\ud800": 1}', "application/json", 400),
        (b'{"concurrency": "\\ud800"}', "application/json", 400),
        (b'{"concurrency": 1e999}', "application/json", 400),
        (b'{"settings": {"a": ' + b'{"a": ' * 900 + b"1" + b"}" * 900 + b"}}", "application/json", 400),
        (b'{"problem": "1 1 11 11"}', "text/plain", 400),
        (b'{"problem": "' + b"1" * MOST_BYTES + b'"}', "application/json", 413),
    ],
)
async def test_bodies_that_are_no_request_are_refused(body, kind, status):
    async with page() as address, browser(address) as session:
        response = await session.post("/api/solves", data=body, headers={"Content-Type": kind})
        said = await response.json()
    assert response.status == status
    assert said["message"]


@pytest.mark.parametrize("path", ["", "/events", "/tree"])
async def test_a_solve_that_nobody_knows_is_not_found(path):
    async with page() as address, browser(address) as session:
        response = await session.get(f"/api/solves/unknown{path}")
        said = await response.json()
    assert response.status == 404
    assert said["reason"] == "UNKNOWN_SOLVE"


@pytest.mark.parametrize("last", ["-1", "x", "9" * 5000])
async def test_a_place_in_a_stream_that_is_none_is_refused(last):
    async with page() as address, browser(address) as session:
        response = await read(session.get("/api/solves/any/events", headers={"Last-Event-ID": last}))
    assert response.status == 400


async def test_an_orchestrator_that_is_away_is_said_to_be():
    async with serving_page("127.0.0.1:1", "127.0.0.1", 0) as address, browser(address) as session:
        response = await session.get("/api/catalog")
        said = await response.json()
        assert (await read(session.get("/healthz"))).status == 200
    assert response.status == 503
    assert (said["reason"], said["temporary"]) == ("WORKER_UNAVAILABLE", True)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        # A name of the attacker's that leads here: of the same origin, for a browser.
        {"Host": "evil.example", "Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"},
    ],
)
async def test_a_page_of_another_site_cannot_solve_or_read(headers):
    async with page() as address, browser(address) as session:
        begun = await read(session.post("/api/solves", json={"problem": SOLVABLE}, headers=headers))
        listed = await read(session.get("/api/solves", headers=headers))
        assert (await (await session.get("/api/solves")).json()) == {}, "nothing was begun"
    assert (begun.status, listed.status) == (403, 403)


async def test_the_pages_own_requests_are_answered():
    async with page() as address, browser(address) as session:
        own = {"Origin": address, "Sec-Fetch-Site": "same-origin"}
        response = await session.post("/api/solves", json={"problem": SOLVABLE}, headers=own)
        assert (await all_events(response))[-1][2]["result"]["answer"]


@pytest.mark.parametrize(
    "path", ["/", "/static/main.js", "/static/style.css", "/api/solves", "/nowhere", "/static/../app.py"]
)
async def test_every_answer_says_what_a_browser_may_do_with_it(path):
    async with page() as address, browser(address) as session:
        response = await read(session.get(path))
    policy = dict(part.split(" ", 1) for part in response.headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["object-src"] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert "unsafe" not in str(policy)
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "Access-Control-Allow-Origin" not in response.headers


async def test_files_outside_the_page_are_not_served():
    async with page() as address, browser(address) as session:
        for path in ("/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static//etc/passwd"):
            assert (await read(session.get(path))).status == 404


async def test_streams_end_when_the_server_does():
    request = {"problem": UNSOLVABLE, "request_id": "endless", "budget": ENDLESS}
    async with AsyncExitStack() as client:
        async with page(Slow()) as address:
            session = await client.enter_async_context(browser(address))
            begun = events(await session.post("/api/solves", json=request))
            await anext(begun)
        rest = [message async for _, _, message in begun]
    assert not any("result" in message for message in rest), "it was cut off, and not ended"
