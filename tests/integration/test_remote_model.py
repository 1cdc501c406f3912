"""A model behind a generator is asked again when it is refused, in the time that there is."""

from contextlib import asynccontextmanager

import pytest
from fleet import socket

from services.adapters.llm import remote
from services.core.errors import ModelFailed, Overloaded
from services.core.ports import CompletionDone, CompletionRequest, Sampling
from services.generator import wiring as generator
from services.rpc import deadline
from services.rpc.server import serving
from services.testing.faulty_model import Fault, FaultyModel

REQUEST = CompletionRequest(prompt="Input: 1 1 11 11\nNext:\n", samples=1, sampling=Sampling(), seed=0)


@asynccontextmanager
async def behind_a_generator(served, timeout):
    async with socket() as address, serving(generator.mounts(served), address, drain_seconds=1):
        model = remote.RemoteModel(address, timeout=timeout)
        yield model
        await model.close()


async def test_a_model_that_refuses_is_asked_until_it_answers():
    served = FaultyModel(lambda _: Fault.OVERLOADED if served.started <= 3 else Fault.NONE)
    async with behind_a_generator(served, timeout=60) as model:
        events = [event async for event in model.complete(REQUEST)]
    assert served.started == 4
    assert isinstance(events[-1], CompletionDone)


async def test_no_wait_outlasts_the_callers_time_so_that_it_is_told_why(monkeypatch):
    waits = iter((0.01, 60))
    monkeypatch.setattr(remote, "wait_random_exponential", lambda **_: lambda _state: next(waits))
    served = FaultyModel(lambda _: Fault.OVERLOADED)
    async with behind_a_generator(served, timeout=60) as model:
        deadline.hold_to(20)
        with pytest.raises(Overloaded):
            [event async for event in model.complete(REQUEST)]
    assert served.started == 2


async def test_one_that_fails_is_asked_once():
    served = FaultyModel(lambda _: Fault.RAISES)
    async with behind_a_generator(served, timeout=60) as model:
        with pytest.raises(ModelFailed):
            [event async for event in model.complete(REQUEST)]
    assert served.started == 1
