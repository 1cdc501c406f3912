"""`kot doctor`: what is configured, what is reachable, and whether it works."""

import platform
import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Protocol, TypeVar

from rich.console import Console
from rich.text import Text

from services.adapters.bus import create_bus
from services.adapters.cache import create_cache
from services.adapters.llm import create_model
from services.adapters.log import create_log
from services.adapters.tree import create_tree
from services.cli.client import Client, reach
from services.cli.exits import Exit
from services.cli.interrupts import Interrupts
from services.core.errors import KotError
from services.core.ports import CompletionRequest, SampleDone, Sampling
from services.core.task import STYLE_DEFAULTS
from services.core.thought import State
from services.plugins import CACHES, find_task
from services.rpc.channel import dial
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.settings import (
    CacheSettings,
    ModelSettings,
    Neo4jSettings,
    OrchestratorSettings,
    RedisSettings,
    StageSettings,
    StateSettings,
    read_settings,
)

PACKAGES = ("kube-of-thoughts", "grpcio", "protobuf", "xllamacpp")
STAGES = ("generator", "evaluator", "validator")


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report: what was looked at and what was seen; `works` is None where nothing was tried."""

    subject: str
    seen: str
    works: bool | None = None


async def diagnose(console: Console, target: str | None) -> Exit:
    """Print findings as they come. With a target only that must work, since nothing runs here then."""
    Interrupts()
    works = True
    async with aclosing(_examine(target)) as findings:
        async for finding in findings:
            works = works and finding.works is not False
            _show(console, finding)
    return Exit.ANSWER if works else Exit.UNAVAILABLE


async def _examine(target: str | None) -> AsyncGenerator[Finding, None]:
    yield Finding("python", platform.python_version())
    for package in PACKAGES:
        yield Finding(package, _version(package))
    yield Finding("prompt style", read_settings(OrchestratorSettings).prompt_style.value)
    if target is not None:
        yield await _examine_target(target)
        return
    model = read_settings(ModelSettings)
    yield Finding("model", f"{model.model} (KOT_MODEL)")
    if model.model == "embedded":
        yield _examine_weights(model.model_path)
    yield await _draw_sample(model)
    stages = read_settings(StageSettings)
    for stage in STAGES:
        yield await _examine_stage(stage, stages)
    async with aclosing(_examine_stores()) as findings:
        async for finding in findings:
            yield finding


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _examine_weights(path: Path) -> Finding:
    try:
        with path.open("rb") as file:
            file.read(1)
        return Finding("weights", f"{path}, {path.stat().st_size / 1e6:.1f} MB", works=True)
    except OSError as error:
        return Finding("weights", f"{path}: {error.strerror}; set KOT_MODEL_PATH to a GGUF file", works=False)


async def _draw_sample(settings: ModelSettings) -> Finding:
    """Load the model and let it propose one thought."""
    begun = time.monotonic()
    style = read_settings(OrchestratorSettings).prompt_style
    task = find_task("game24")
    prompt = task.propose_prompt(State(task.normalize(task.example)), style)
    sampling = Sampling(max_tokens=STYLE_DEFAULTS[style].thought_tokens)
    request = CompletionRequest(prompt=prompt.text, samples=1, sampling=sampling, seed=0, stop=prompt.stop)
    tokens = 0
    try:
        model = create_model(settings)
        try:
            async with aclosing(model.complete(request)) as events:
                async for event in events:
                    tokens += event.completion_tokens if isinstance(event, SampleDone) else 0
        finally:
            await model.close()
    except KotError as error:
        return Finding("sample", str(error), works=False)
    seconds = time.monotonic() - begun
    return Finding("sample", f"{tokens} tokens in {seconds:.2f} s, loading included", works=tokens > 0)


async def _examine_target(target: str) -> Finding:
    try:
        async with dial(target) as channel:
            await reach(channel, target)
            client = Client(channel, target)
            tasks: wire.ListTasksResponse = await client.ask(client.stub.ListTasks(wire.ListTasksRequest()))
    except KotError as error:
        return Finding("target", str(error), works=False)
    return Finding("target", f"{target} serves; tasks: {', '.join(task.name for task in tasks.tasks)}", works=True)


async def _examine_stage(stage: str, settings: StageSettings) -> Finding:
    """Ask a stage whether it serves, if the environment names it: `kot` itself needs none."""
    name = f"{stage}_target"
    target: str = getattr(settings, name)
    if name not in settings.model_fields_set:
        return Finding(stage, "in this process")
    try:
        async with dial(target) as channel:
            await reach(channel, target)
    except KotError as error:
        return Finding(stage, f"{error} (KOT_{name.upper()})", works=False)
    return Finding(stage, f"{target} serves", works=True)


async def _examine_stores() -> AsyncGenerator[Finding, None]:
    """Open each store, and ask it for what it does not have."""
    state, redis = read_settings(StateSettings), read_settings(RedisSettings)
    cache = read_settings(CacheSettings)
    where = {"sqlite": f" at {state.state_path}", "redis": " at KOT_REDIS_URL", "neo4j": " at NEO4J_URI"}

    async def ask_log() -> None:
        async with _closing(create_log(state, redis)) as log:
            await log.heads(1)

    async def ask_bus() -> None:
        async with _closing(create_bus(state, redis)) as bus, bus.subscribe(uuid.uuid4().hex):
            pass

    async def ask_tree() -> None:
        if trees := create_tree(state, read_settings(Neo4jSettings)):
            async with _closing(trees):
                await trees.position(uuid.uuid4().hex)

    async def ask_cache() -> None:
        if answers := await create_cache(cache):
            await answers.close()
            # Behind its guard a cache that is away looks like one that has nothing.
            async with _closing(await CACHES.load(cache.cache).create(cache)) as bare:
                key = uuid.uuid4().hex
                await bare.look(key, "doctor")
                await bare.release(key, "doctor")

    asks = {"log": (state.log, ask_log), "bus": (state.bus, ask_bus), "tree": (state.tree, ask_tree)}
    for name, (kind, ask) in (asks | {"cache": (cache.cache, ask_cache)}).items():
        try:
            await ask()
        except KotError as error:
            yield Finding(name, f"{kind}: {error} (KOT_{name.upper()})", works=False)
        else:
            yield Finding(name, f"{kind}{where.get(kind, '')}", works=None if kind == "none" else True)


class _Closable(Protocol):
    async def close(self) -> None: ...


Store = TypeVar("Store", bound=_Closable)


@asynccontextmanager
async def _closing(store: Store) -> AsyncGenerator[Store, None]:
    try:
        yield store
    finally:
        await store.close()


def _show(console: Console, finding: Finding) -> None:
    marks = {True: ("✔", "green"), False: ("✘", "red"), None: ("·", "bright_black")}
    line = Text.assemble(marks[finding.works], f" {finding.subject:<18}", finding.seen)
    console.print(line, soft_wrap=True, highlight=False)
