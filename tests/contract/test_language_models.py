"""Every language model that ships keeps the contract of language models."""

from contextlib import asynccontextmanager
from functools import cache

from fleet import socket, until

from services.adapters.llm.embedded import create as create_embedded
from services.adapters.llm.remote import RemoteModel
from services.adapters.llm.scripted import ScriptedModel
from services.generator import wiring as generator
from services.rpc.server import serving
from services.settings import ModelSettings
from services.testing.faulty_model import FaultyModel
from services.testing.language_model_suite import LanguageModelSuite

PROMPT = "Input: 1 1 11 11\nNext:\n"
VALUE_PROMPT = "Input: 1 1 11 11\nValue:"


def tell(prompt, seed):
    """A script whose samples differ in text and length."""
    return " sure" if prompt == VALUE_PROMPT else f"{seed} and" + " more" * (seed % 5 + 3) + f" = {seed}"


class TestScriptedModel(LanguageModelSuite):
    prompt = PROMPT
    label_prompt = VALUE_PROMPT
    counts_do_not_matter = True

    @asynccontextmanager
    async def opened(self):
        yield ScriptedModel(tell)


@cache
def embedded():
    """The shipped weights, loaded once, in few slots: calls have to wait for each other."""
    return create_embedded(ModelSettings(model_parallel=16, model_context=128))


class TestEmbeddedModel(LanguageModelSuite):
    prompt = PROMPT
    label_prompt = VALUE_PROMPT
    too_long = "Input: " + "1 " * 5000

    @asynccontextmanager
    async def opened(self):
        yield embedded()


class TestRemoteModel(LanguageModelSuite):
    """Over the wire, from a model whose calls are counted."""

    prompt = PROMPT
    label_prompt = VALUE_PROMPT
    counts_do_not_matter = True

    @asynccontextmanager
    async def opened(self):
        self.served = FaultyModel(script=tell)
        async with socket() as address, serving(generator.mounts(self.served), address, drain_seconds=1):
            model = RemoteModel(address, timeout=20)
            yield model
            await model.close()

    async def assert_idle(self, model):
        await until(lambda: self.served.in_flight == 0)


class TestRemoteEmbeddedModel(LanguageModelSuite):
    """Over the wire, from the engine."""

    prompt = PROMPT
    label_prompt = VALUE_PROMPT
    too_long = "Input: " + "1 " * 5000

    @asynccontextmanager
    async def opened(self):
        async with socket() as address, serving(generator.mounts(embedded()), address, drain_seconds=1):
            model = RemoteModel(address, timeout=20)
            yield model
            await model.close()
