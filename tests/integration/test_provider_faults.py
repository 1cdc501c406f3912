"""Whole solves on a provider that refuses, hangs, breaks off and babbles: how they end, and what is logged of them.

Four real processes with a key ask a server that fails on purpose and repeats what it was sent, the key included.
"""

from contextlib import asynccontextmanager

import grpc
import pytest
from fleet import SOLVABLE, details, solve
from openai_server import chunk, refuse, serving_openai, stream
from processes import four_processes

from services.tasks.game24.script import answer as play

pytestmark = pytest.mark.timeout(400)

KEY = "sk-a-secret-that-nobody-may-see"
SHORTEST = 12
"""Characters of a line of a prompt or a completion that is looked for in logs; shorter ones may be there by chance."""


def tell_back(status, **headers):
    """Refuse, and say in the refusal what was asked and with which key."""

    def act(asked):
        said = f"{asked.headers['authorization']} may not ask: {prompt(asked)}"
        return refuse(status, {"error": {"message": said, "type": said}}, **headers)

    return act


FAULTS = {
    "bad key": tell_back(401),
    "busy": tell_back(429, Retry_After="0.1"),
    "unwell": tell_back(500),
    "hangs": lambda asked: stream(hang=True),
    "hangs after a line": lambda asked: stream(chunk(first_line(asked)), hang=True),
    "half an answer": lambda asked: stream(chunk(first_line(asked)), end=False),
    "nothing": lambda asked: stream(end=False),
    "no JSON": lambda asked: stream("{" + first_line(asked)),
    "an error in the stream": lambda asked: stream({"error": {"message": f"{KEY} {prompt(asked)}"}}),
    "no chunk": lambda asked: stream({"choices": [prompt(asked)]}),
    "no HTTP": lambda asked: refuse(f"{KEY} {KEY}"),
    "refuses the request": tell_back(400),
}


def prompt(asked):
    return asked.body["messages"][0]["content"]


def completions(asked):
    """What the player says, one a sample."""
    texts = [play(prompt(asked), asked.body["seed"] + sample) for sample in range(asked.body["n"])]
    for stop in asked.body.get("stop", ()):
        texts = [text.partition(stop)[0] for text in texts]
    return texts


def first_line(asked):
    return completions(asked)[0].partition("\n")[0] + "\n"


def play_along(asked):
    """Answer as a good server does."""
    texts = completions(asked)
    tokens = sum(len(text.split()) for text in texts)
    return stream(
        *[chunk(text, index=sample, end="stop") for sample, text in enumerate(texts)],
        {"choices": [], "usage": {"prompt_tokens": len(prompt(asked).split()), "completion_tokens": tokens}},
    )


class Provider:
    """A server that fails each request, or each third or so, as it is told."""

    def __init__(self):
        self.server = None
        self.fail(None)

    def fail(self, fault, every=1):
        self._fault, self._every, self._asked = fault, every, 0

    def act(self, writer):
        self._asked += 1
        failing = self._fault and self._asked % self._every == 0
        return (self._fault if failing else play_along)(self.server.asked[-1])(writer)


@asynccontextmanager
async def provided(folder):
    """Run the services on a provider; in the end, look through all that they wrote."""
    provider = Provider()
    async with serving_openai(provider.act) as server:
        provider.server = server
        settings = {
            "KOT_MODEL": "openai_compatible",
            "KOT_OPENAI_BASE_URL": server.url,
            "KOT_OPENAI_MODEL": "some-model",
            "KOT_OPENAI_API_KEY": KEY,
            "KOT_PROMPT_STYLE": "few_shot",
            "KOT_MODEL_TIMEOUT": "2",
        }
        with four_processes(folder, **settings) as services:
            yield services[0].target, provider
            said = said_by(services)
    assert {asked.headers["authorization"] for asked in server.asked} == {f"Bearer {KEY}"}
    assert '"serving"' in said
    assert KEY not in said
    assert SOLVABLE not in said
    texts = {text for asked in server.asked for text in (prompt(asked), *completions(asked))}
    lines = {line.strip() for text in texts for line in text.split("\n") if len(line.strip()) >= SHORTEST}
    assert len(lines) > 10
    assert [line for line in lines if line in said] == []


def said_by(services):
    return "".join(started.stderr.read_text() for started in services)


async def ending(target):
    """The status of a solve, or the reason of the error that it ends with."""
    budget = {"wall_seconds": 50, "model_calls": 200}
    try:
        return (await solve(target, budget=budget, concurrency="CONCURRENCY_MODEL_ASYNC", fresh=True)).status
    except grpc.aio.AioRpcError as error:
        return details(error)[1].reason


async def test_faults_now_and_then_that_pass_do_not_keep_a_solve_from_its_answer(tmp_path):
    faults = {name: fault for name, fault in FAULTS.items() if name != "bad key"}
    async with provided(tmp_path) as (target, provider):
        endings = {}
        for name, fault in faults.items():
            # The first two are answered: without a thought to begin with, what never heals ends the solve.
            provider.fail(fault, every=3)
            endings[name] = await ending(target)
    # What never heals closes branches, by chance those that lead to an answer.
    closing = [endings.pop(name) for name in ("no JSON", "an error in the stream", "no chunk", "refuses the request")]
    assert set(closing) <= {"SOLVED", "EXHAUSTED", "MODEL_CALLS_SPENT"}
    assert endings == dict.fromkeys(endings, "SOLVED")


async def test_faults_that_stay_end_a_solve_with_a_name(tmp_path):
    async with provided(tmp_path) as (target, provider):
        endings = {"none": await ending(target)}
        for name, fault in FAULTS.items():
            provider.fail(fault)
            endings[name] = await ending(target)
    assert endings == {
        "none": "SOLVED",
        "bad key": "MODEL_UNUSABLE",
        "busy": "OVERLOADED",
        "unwell": "WORKER_UNAVAILABLE",
        "hangs": "DEADLINE_EXCEEDED",
        "hangs after a line": "DEADLINE_EXCEEDED",
        "half an answer": "WORKER_UNAVAILABLE",
        "nothing": "WORKER_UNAVAILABLE",
        "no JSON": "MODEL_FAILED",
        "an error in the stream": "MODEL_FAILED",
        "no chunk": "MODEL_FAILED",
        "no HTTP": "WORKER_UNAVAILABLE",
        "refuses the request": "MODEL_FAILED",
    }
