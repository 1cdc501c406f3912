"""Every language model that ships keeps the contract of language models."""

from contextlib import asynccontextmanager
from functools import cache

import xllamacpp
from fleet import socket, until

from services.adapters.llm.embedded import create as create_embedded
from services.adapters.llm.openai_compatible import create as create_openai_compatible
from services.adapters.llm.remote import RemoteModel
from services.adapters.llm.scripted import ScriptedModel
from services.adapters.packing import PackedModel
from services.generator import wiring as generator
from services.rpc.server import serving
from services.settings import ModelSettings, OpenAIEndpoint, default_weights
from services.testing.faulty_model import FaultyModel
from services.testing.language_model_suite import LanguageModelSuite
from services.testing.packed_script import obey

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


class TestPackedModel(LanguageModelSuite):
    """Requests that come together share prompts, over a model that obeys but now and then."""

    prompt = PROMPT
    label_prompt = VALUE_PROMPT

    @asynccontextmanager
    async def opened(self):
        self.served = FaultyModel(script=lambda prompt, seed: obey(prompt, seed, tell=tell, forget={str(seed % 9)}))
        model = PackedModel(self.served, most=8, linger=0.01)
        yield model
        await model.close()

    async def assert_idle(self, model):
        await until(lambda: self.served.in_flight == 0)


class TestRemoteModel(LanguageModelSuite):
    """Over the wire, from a model whose calls are counted."""

    knows_its_weights = False
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

    knows_its_weights = False
    prompt = PROMPT
    label_prompt = VALUE_PROMPT
    too_long = "Input: " + "1 " * 5000

    @asynccontextmanager
    async def opened(self):
        async with socket() as address, serving(generator.mounts(embedded()), address, drain_seconds=1):
            model = RemoteModel(address, timeout=20)
            yield model
            await model.close()


SLOTS = 16
KEY = "a key that llama.cpp checks"


@cache
def llama_server():
    """llama.cpp's own HTTP server with the shipped weights; its chat template is the bare message."""
    params = xllamacpp.CommonParams()
    params.model.path = str(default_weights())
    params.n_parallel = SLOTS
    params.n_ctx = SLOTS * 128
    params.kv_unified = True
    params.warmup = False
    params.fit_params = False
    params.verbosity = -1
    params.chat_template = "{{ messages[0].content }}"
    params.api_keys = [KEY]
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    return xllamacpp.Server(params)


class TestOpenAICompatibleCompletions(LanguageModelSuite):
    """Over HTTP, from llama.cpp's server, which refuses more samples at a time than it has slots."""

    prompt = PROMPT
    label_prompt = VALUE_PROMPT
    too_long = "Input: " + "1 " * 5000
    endpoint = OpenAIEndpoint.COMPLETIONS

    @asynccontextmanager
    async def opened(self):
        model = create_openai_compatible(
            ModelSettings(
                openai_base_url=f"{llama_server().listening_address}/v1",
                openai_model="thought-model",
                openai_endpoint=self.endpoint,
                openai_api_key=KEY,
                openai_samples_per_request=SLOTS,
            )
        )
        yield model
        await model.close()


class TestOpenAICompatibleChat(TestOpenAICompatibleCompletions):
    endpoint = OpenAIEndpoint.CHAT
