"""What lets a service be killed at a named point, and its model's calls be counted; nothing else of it is changed.

A test leaves an order, a file with the name of a point; the first process that comes to that point takes it, and sends
the signal to the process that the order names. Calls of the model, and kills, are lines of one file, in their order.
"""

import asyncio
import os
from contextlib import aclosing
from pathlib import Path

from services.adapters.cache._guard import Guarded
from services.adapters.llm import scripted
from services.adapters.llm._cached import cache_key
from services.adapters.llm.scripted import ScriptedModel
from services.adapters.log.redis import RedisLog
from services.evaluator.servicer import EvaluatorServicer
from services.generator.servicer import GeneratorServicer
from services.orchestrator.driver import Driver
from services.validator.servicer import ValidatorServicer

FOLDER = "CHAOS_FOLDER"
"""The environment variable that says where orders and the lines are."""
REVISION = "CHAOS_REVISION"
"""The environment variable that says which revision the model is."""
LINES = "lines"
LATENCY_SECONDS = 0.03
"""What the model takes to begin an answer; each event of it takes a quarter of that."""
ITSELF = 0
"""In an order: whoever takes it."""

BEFORE_APPEND, AFTER_APPEND, BEFORE_SEND = "before an append", "after an append, before it is told", "before a send"
MID_STREAM = "in mid-stream of the {}'s answer"


def install():
    """Change the classes; the processes that are forked from here have them so."""
    _follow_appends()
    _follow_sends()
    for stage, servicer, method in (
        ("generator", GeneratorServicer, "Generate"),
        ("evaluator", EvaluatorServicer, "Evaluate"),
        ("validator", ValidatorServicer, "Validate"),
    ):
        _follow_answers(servicer, method, MID_STREAM.format(stage))
    _follow_answers_kept()
    scripted.create = lambda settings: SlowModel(scripted.script.answer, os.environ.get(REVISION, "1"))


def _at(point):
    order = Path(os.environ[FOLDER], point)
    taken = order.with_name(f"{os.getpid()}")
    try:
        order.rename(taken)
    except FileNotFoundError:
        return
    victim, number = map(int, taken.read_text().split())
    taken.unlink()
    write_line("kill", point)
    os.kill(victim or os.getpid(), number)


def write_line(*words):
    """Write what has happened, where all processes do."""
    line = "\t".join([*words, str(os.getpid())]) + "\n"
    file = os.open(Path(os.environ[FOLDER], LINES), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, line.encode())
    os.close(file)


def _follow_appends():
    append = RedisLog.append

    async def followed(self, lease, length, records):
        _at(BEFORE_APPEND)
        await append(self, lease, length, records)
        _at(AFTER_APPEND)

    RedisLog.append = followed


def _follow_sends():
    send = Driver._send

    def followed(self, expansions):
        if expansions:
            _at(BEFORE_SEND)
        send(self, expansions)

    Driver._send = followed


def _follow_answers(servicer, method, point):
    answer = getattr(servicer, method)

    async def followed(self, requests, context):
        async with aclosing(answer(self, requests, context)) as messages:
            async for message in messages:
                yield message
                _at(point)

    setattr(servicer, method, followed)


def _follow_answers_kept():
    keep = Guarded.keep

    async def followed(self, key, claim, value):
        await keep(self, key, claim, value)
        write_line("kept", key)

    Guarded.keep = followed


class SlowModel(ScriptedModel):
    """Takes its time, and writes down each call before anything of it is done, and when it is left."""

    async def complete(self, request):
        key = cache_key(self, request)
        write_line("begun", key)
        whole = False
        try:
            await asyncio.sleep(LATENCY_SECONDS)
            async for event in ScriptedModel.complete(self, request):
                yield event
                await asyncio.sleep(LATENCY_SECONDS / 4)
            whole = True
        finally:
            if not whole:
                write_line("left", key)
