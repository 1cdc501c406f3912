"""The vllm backend keeps the contract of language models, on the real engine, on a CPU: `make test-vllm`."""

import asyncio
import csv
import math
import os
import signal
import time
from contextlib import aclosing, asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from statistics import mean
from urllib.request import urlopen

import grpc
import pytest

if find_spec("vllm") is None:
    pytest.skip("vLLM is not installed here; run `make test-vllm`", allow_module_level=True)

import pytest_asyncio
from fleet import fleet, solve
from processes import free_port, service

from services.adapters.llm.embedded import create as create_embedded
from services.adapters.llm.vllm import create
from services.core.errors import ModelUnusable, PromptTooLong, WorkerUnavailable
from services.core.ports import CompletionRequest, Sampling
from services.core.task import PromptStyle
from services.core.thought import State
from services.plugins import find_task
from services.rpc.channel import dial
from services.rpc.convert import completion_request_to_proto
from services.rpc.gen.kubeofthoughts.v1.language_model_service_pb2_grpc import LanguageModelServiceStub
from services.rpc.status import from_rpc_error
from services.settings import ModelSettings
from services.testing.language_model_suite import LanguageModelSuite, complete

pytestmark = [
    pytest.mark.vllm,
    # vLLM and what it stands on warn of their own affairs.
    pytest.mark.filterwarnings("default"),
    # One engine serves all tests: it takes long to start, and lives in one loop.
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(300),
]

MODELS = Path(__file__).resolve().parents[2] / "models"
SLOTS = 16
METRICS_PORT = free_port()
SETTINGS = {
    "KOT_MODEL": "vllm",
    "KOT_VLLM_MODEL": str(MODELS / "hf"),
    "KOT_VLLM_DTYPE": "float32",
    "KOT_VLLM_CONTEXT": "512",
    "KOT_VLLM_PARALLEL": str(SLOTS),
    "VLLM_CPU_KVCACHE_SPACE": "1",
}
PROMPT = "Input: 2 3 5 7\nNext:\n"
VALUE_PROMPT = "Input: 2 3 5 7\nValue:"
TOO_LONG = "Input: " + "1 " * 5000
LABELS = ("sure", "likely", "impossible")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine():
    with pytest.MonkeyPatch.context() as environment:
        for name, value in SETTINGS.items():
            environment.setenv(name, value)
        model = create(ModelSettings(vllm_metrics_port=METRICS_PORT))
        yield model
        await model.close()


def ask(**fields):
    defaults = {"prompt": PROMPT, "samples": 1, "sampling": Sampling(max_tokens=64), "seed": 7}
    return CompletionRequest(**defaults | fields)


def metric(name):
    """The value of one of vLLM's metrics, summed over its labels."""
    from prometheus_client import REGISTRY

    return sum(
        sample.value for family in REGISTRY.collect() for sample in family.samples if sample.name == f"vllm:{name}"
    )


class TestVllmModel(LanguageModelSuite):
    prompt = PROMPT
    label_prompt = VALUE_PROMPT
    too_long = TOO_LONG

    @pytest.fixture(autouse=True)
    def _engine(self, engine):
        self.engine = engine

    @asynccontextmanager
    async def opened(self):
        yield self.engine

    async def assert_idle(self, model):
        # The engine tells its counts after each step, so a step is made first.
        await complete(model, ask())
        assert metric("num_requests_running") == metric("num_requests_waiting") == 0


async def test_several_samples_at_temperature_0_are_the_likeliest_text(engine):
    done = await complete(engine, ask(samples=3, sampling=Sampling(temperature=0)))
    assert len(done.texts) == 3
    assert len(set(done.texts.values())) == 1


async def test_sample_i_has_seed_plus_i(engine):
    together = await complete(engine, ask(samples=3, seed=2**31 - 4))
    alone = [await complete(engine, ask(seed=2**31 - 4 + sample)) for sample in range(3)]
    assert together.texts == {sample: completion.texts[0] for sample, completion in enumerate(alone)}


async def test_cancelling_frees_the_engine_within_a_second(engine):
    """All slots are taken, and far more wait for one; whoever comes after the cancellation is served at once."""
    crowd = ask(samples=40 * SLOTS)
    started = time.monotonic()
    await complete(engine, crowd)
    whole = time.monotonic() - started

    async with aclosing(engine.complete(crowd)) as events:
        await anext(events)
    started = time.monotonic()
    await complete(engine, ask())
    after = time.monotonic() - started
    print(f"the crowd takes {whole:.2f} s; one who comes after it was cancelled, {after:.2f} s")
    assert after < 1 < whole
    assert metric("num_requests_running") == metric("num_requests_waiting") == 0


async def test_a_prompt_that_is_too_long_fails_alone(engine):
    good = [asyncio.create_task(complete(engine, ask(seed=seed))) for seed in range(8)]
    with pytest.raises(PromptTooLong, match="512"):
        await complete(engine, ask(prompt=TOO_LONG))
    assert all(completion.ends for completion in await asyncio.gather(*good))


async def test_requests_that_come_at_once_are_batched(engine):
    calls = asyncio.gather(*(complete(engine, ask(seed=seed)) for seed in range(16)))
    most = 0
    while not calls.done():
        most = max(most, metric("num_requests_running"))
        await asyncio.sleep(0.001)
    await calls
    print(f"{most:.0f} requests ran at the same time")
    assert most == 16


async def test_its_metrics_are_shown_to_prometheus(engine):
    await complete(engine, ask())
    with urlopen(f"http://localhost:{METRICS_PORT}/metrics") as page:  # noqa: ASYNC210 - served by another thread
        assert b"vllm:generation_tokens_total{" in page.read()


def roots(count, name="dev"):
    with (MODELS / "puzzles" / f"{name}.csv").open() as file:
        return [row["puzzle"] for row in csv.DictReader(file)][:count]


async def test_prompts_that_share_their_examples_share_their_cache(engine):
    task = find_task("game24")
    prompts = [task.propose_prompt(State(root), PromptStyle.FEW_SHOT).text for root in roots(20)]
    asked, hit = metric("prefix_cache_queries_total"), metric("prefix_cache_hits_total")
    for prompt in prompts:
        await complete(engine, ask(prompt=prompt, sampling=Sampling(max_tokens=1)))
    share = (metric("prefix_cache_hits_total") - hit) / (metric("prefix_cache_queries_total") - asked)
    print(f"{share:.0%} of the tokens of 20 few-shot prompts came from the cache")
    assert share > 0.5


async def test_label_probabilities_agree_with_those_of_the_embedded_backend(engine):
    """Same weights; here they are used in 32 bits, there in 16."""
    embedded = create_embedded(ModelSettings(model_parallel=4, model_context=128))
    largest = 0.0
    for root in roots(50):
        request = ask(prompt=f"Input: {root}\nValue:", labels=LABELS, sampling=Sampling(max_tokens=1))
        here, there = [(await complete(model, request)).ends[0].label_probabilities for model in (engine, embedded)]
        largest = max(largest, *(abs(a - b) for a, b in zip(here, there, strict=True)))
        logarithms = [abs(math.log(a / b)) for a, b in zip(here, there, strict=True) if min(a, b) > 0.001]
        assert max(logarithms) < 0.05
    print(f"label probabilities differ by at most {largest:.4f}")
    assert largest < 0.01
    await embedded.close()


@pytest.mark.parametrize("model", ["", "/no/such/model"])
async def test_a_model_that_cannot_be_loaded_is_named(model):
    with pytest.raises(ModelUnusable, match=model or "KOT_VLLM_MODEL"):
        create(ModelSettings(vllm_model=model))


async def test_solves_at_once_keep_the_engine_busy(engine):
    """Batches of many solves join one continuous batch, which is nearly full from a tenth to nine tenths of the run."""
    running = []

    async def watch():
        while True:
            running.append(metric("num_requests_running"))
            await asyncio.sleep(0.02)

    watching = asyncio.create_task(watch())
    async with fleet(engine) as target:
        budget = {"completion_tokens": 4_000}
        runs = await asyncio.gather(
            *(
                solve(target, root, budget=budget, concurrency="CONCURRENCY_MODEL_ASYNC")
                for root in roots(16, "dev_unsolvable")
            )
        )
    watching.cancel()
    assert {run.status for run in runs} == {"COMPLETION_TOKENS_SPENT"}
    middle = running[len(running) // 10 : -len(running) // 10]
    share = mean(middle) / max(running)
    print(f"{len(runs)} solves at once: {mean(middle):.1f} of at most {max(running):.0f} requests running, {share:.0%}")
    assert share > 0.7


async def test_an_engine_that_is_killed_takes_its_process_with_it(tmp_path, monkeypatch):
    monkeypatch.setattr("processes.STARTS_WITHIN_SECONDS", 120)
    with service("generator", tmp_path, **SETTINGS) as started:
        await asyncio.to_thread(started.wait_until_serving)
        async with dial(started.target) as channel, asyncio.timeout(30):
            request = completion_request_to_proto(ask(samples=256))
            call = aiter(LanguageModelServiceStub(channel).Complete(request))
            await anext(call)
            os.kill(engine_of(started.process.pid), signal.SIGKILL)
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                _ = [message async for message in call]
            assert isinstance(from_rpc_error(raised.value, "it"), WorkerUnavailable)
            assert await started.ended() == 70


def engine_of(pid):
    """The process of the engine that `pid` started."""
    [found] = [
        int(child)
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if "EngineCore" in Path(f"/proc/{child}/cmdline").read_text()
    ]
    return found


async def test_calls_fail_as_they_should_once_the_engine_is_closed(engine):
    """The last test of this file: nothing can be asked after it."""
    in_flight = asyncio.create_task(complete(engine, ask(samples=256)))
    await asyncio.sleep(0.1)
    await engine.close()
    with pytest.raises(WorkerUnavailable):
        await in_flight
    with pytest.raises(ModelUnusable, match="closed"):
        await complete(engine, ask())
    await engine.close()
