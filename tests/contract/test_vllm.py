"""The vllm backend keeps the contract of language models, on the real engine, on a CPU: `make test-vllm`."""

import asyncio
import csv
import json
import math
import os
import signal
import time
from contextlib import aclosing, asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from resource import RLIM_INFINITY, RLIMIT_AS, getpagesize, prlimit
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
HEADROOM_BYTES = 2**24
"""Memory that is left for an engine: it works on for a moment."""


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


@asynccontextmanager
async def generator(folder):
    """A generator as a process of its own: the process, and what calls its model."""
    with pytest.MonkeyPatch.context() as patch, service("generator", folder, **SETTINGS) as started:
        patch.setattr("processes.STARTS_WITHIN_SECONDS", 120)
        await asyncio.to_thread(started.wait_until_serving)
        async with dial(started.target) as channel, asyncio.timeout(60):
            stub = LanguageModelServiceStub(channel)
            yield started, lambda request: aiter(stub.Complete(completion_request_to_proto(request)))


async def assert_breaks(call):
    """The call ends in an error after which its batch is sent elsewhere."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        _ = [message async for message in call]
    assert isinstance(from_rpc_error(raised.value, "it"), WorkerUnavailable)


@pytest.mark.parametrize("killed", [["EngineCore"], ["EngineCore", "Worker"]])
async def test_an_engine_that_is_killed_takes_its_process_with_it(tmp_path, killed):
    async with generator(tmp_path) as (started, complete):
        call = complete(ask(samples=256))
        await anext(call)
        os.kill(below(started.process.pid, *killed), signal.SIGKILL)
        await assert_breaks(call)
        assert await started.ended() == 70


async def test_an_engine_that_runs_out_of_memory_takes_its_process_with_it(tmp_path):
    """A step that gets no memory fails as on a GPU: the engine ends for good, with an error or at once."""
    async with generator(tmp_path) as (started, complete):
        _ = [message async for message in complete(ask())]
        worker = below(started.process.pid, "EngineCore", "Worker")
        prlimit(worker, RLIMIT_AS, (mapped_bytes(worker) + HEADROOM_BYTES, RLIM_INFINITY))
        long = [ask(prompt="Input: " + f"{number} " * 400) for number in range(SLOTS)]
        await asyncio.gather(*(assert_breaks(complete(request)) for request in long))
        assert await started.ended() == 70


async def test_a_start_without_enough_memory_says_what_to_do(tmp_path):
    with service("generator", tmp_path, **SETTINGS | {"VLLM_CPU_KVCACHE_SPACE": "1000000"}) as started:
        assert await asyncio.to_thread(started.process.wait, 240) == 78
        [last] = [json.loads(line) for line in started.stderr.read_text().splitlines() if line.startswith('{"')]
    assert last["event"] == "unusable"
    assert "if memory is short, lower KOT_VLLM_CONTEXT or KOT_VLLM_MEMORY" in last["message"]


def mapped_bytes(process):
    """The size of a process's address space."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[0]) * getpagesize()


def below(process, *names):
    """The process that one reaches from `process` over children of these names."""
    for name in names:
        [process] = [
            int(child)
            for thread in Path(f"/proc/{process}/task").iterdir()
            for child in (thread / "children").read_text().split()
            if name in Path(f"/proc/{child}/cmdline").read_text()
        ]
    return process


async def test_calls_fail_as_they_should_once_the_engine_is_closed(engine):
    """The last test with this engine: nothing can be asked after it."""
    in_flight = asyncio.create_task(complete(engine, ask(samples=256)))
    await asyncio.sleep(0.1)
    await engine.close()
    with pytest.raises(WorkerUnavailable):
        await in_flight
    with pytest.raises(ModelUnusable, match="closed"):
        await complete(engine, ask())
    await engine.close()


@pytest.mark.parametrize("short_first", [False, True])
async def test_short_requests_go_before_long_ones_that_wait_if_wanted(monkeypatch, short_first):
    """More samples wait than there are slots; a judgement that comes last is served among the first, or at the end."""
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    model = create(ModelSettings(vllm_short_first=short_first))
    ended = []

    async def serve(name, request):
        await complete(model, request)
        ended.append(name)

    async with asyncio.TaskGroup() as group:
        for seed in range(8 * SLOTS):
            group.create_task(serve("thought", ask(seed=seed)))
        await asyncio.sleep(0)
        group.create_task(serve("judgement", ask(prompt=VALUE_PROMPT, sampling=Sampling(max_tokens=1), labels=LABELS)))
    await model.close()
    assert (ended.index("judgement") < 4 * SLOTS) is short_first
