"""What a solve makes of vLLM: how full it keeps the engine, what the prefix cache saves, how fast a cancel frees slots.

The four services run in this process, with the thought model in the engine. Needs an environment with vLLM:
`make test-vllm` makes `.venv-vllm`.
"""

import argparse
import asyncio
import os
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from statistics import mean, median

from common import print_table, read_puzzles, write_json
from prometheus_client import REGISTRY

from services.adapters.llm.vllm import VllmModel, create
from services.cli.all_in_one import orchestrator_over, private_address, stages_with
from services.core.ports import CompletionRequest, Sampling
from services.core.task import PromptStyle
from services.core.thought import State
from services.plugins import find_task
from services.rpc.channel import dial
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.rpc.gen.kubeofthoughts.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub
from services.rpc.server import serving
from services.settings import ModelSettings
from services.telemetry import logs

TASK = find_task("game24")
TOKENS = 4_000
"""Completion tokens that a solve of a puzzle without an answer may spend."""
CROWD = 40
"""Samples for each slot that a cancelled request has asked for."""
WATCHED_EVERY = 0.02
"""Seconds between two looks at the engine's running requests."""


def metric(name: str) -> float:
    """Return one of vLLM's metrics, summed over its labels."""
    return sum(
        sample.value for family in REGISTRY.collect() for sample in family.samples if sample.name == f"vllm:{name}"
    )


async def slots_in_use(model: VllmModel, puzzles: Sequence[str], slots: int) -> float:
    """Return the mean share of the engine's slots in use while all solve, from a tenth to nine tenths of the run."""
    running: list[float] = []

    async def watch() -> None:
        while True:
            running.append(metric("num_requests_running"))
            await asyncio.sleep(WATCHED_EVERY)

    async def solve(stub: OrchestratorServiceStub, puzzle: str) -> None:
        request = wire.SolveRequest(
            problem=puzzle,
            event_detail=wire.EVENT_DETAIL_RESULT,
            concurrency=wire.CONCURRENCY_MODEL_ASYNC,
            budget=wire.Budget(completion_tokens=TOKENS),
        )
        async for message in stub.Solve(request):
            status = message.result.status
        assert status == wire.SOLVE_STATUS_COMPLETION_TOKENS_SPENT

    async with AsyncExitStack() as resources:
        address = private_address(resources)
        mounts = [*orchestrator_over(address, resources), *stages_with(model)]
        await resources.enter_async_context(serving(mounts, address, drain_seconds=1))
        stub = OrchestratorServiceStub(await resources.enter_async_context(dial(address)))
        watching = asyncio.create_task(watch())
        await asyncio.gather(*(solve(stub, puzzle) for puzzle in puzzles))
        watching.cancel()
    tenth = len(running) // 10
    return mean(running[tenth:-tenth]) / slots


async def cached_share(model: VllmModel, puzzles: Sequence[str]) -> float:
    """Return which share of the tokens of few-shot prompts, one for each puzzle, comes from the prefix cache."""
    asked, hit = metric("prefix_cache_queries_total"), metric("prefix_cache_hits_total")
    for puzzle in puzzles:
        prompt = TASK.propose_prompt(State(puzzle), PromptStyle.FEW_SHOT).text
        await complete(model, CompletionRequest(prompt=prompt, samples=1, sampling=Sampling(max_tokens=1), seed=0))
    return (metric("prefix_cache_hits_total") - hit) / (metric("prefix_cache_queries_total") - asked)


async def seconds_after_cancel(model: VllmModel, samples: int) -> float:
    """Return how long a small request takes after one that held all slots, and the queue, was cancelled."""
    prompt = TASK.propose_prompt(State("2 3 5 7"), PromptStyle.BARE).text
    crowd = CompletionRequest(prompt=prompt, samples=samples, sampling=Sampling(), seed=0)
    async with aclosing(model.complete(crowd)) as events:
        await anext(events)
    begun = time.perf_counter()
    await complete(model, CompletionRequest(prompt=prompt, samples=1, sampling=Sampling(), seed=0))
    return time.perf_counter() - begun


async def complete(model: VllmModel, request: CompletionRequest) -> None:
    """Wait for all samples."""
    async with aclosing(model.complete(request)) as events:
        async for _ in events:
            pass


async def measure(options: argparse.Namespace) -> dict[str, object]:
    """Return the figures."""
    model = create(
        ModelSettings(vllm_model=options.weights, vllm_dtype="float32", vllm_context=512, vllm_parallel=options.slots)
    )
    puzzles = read_puzzles(Path("models/puzzles/dev.csv"), limit=options.prompts)
    unsolvable = read_puzzles(Path("models/puzzles/dev_unsolvable.csv"), limit=options.solves)
    cached = await cached_share(model, puzzles)
    used = [await slots_in_use(model, unsolvable, options.slots) for _ in range(options.repeats)]
    waited = [await seconds_after_cancel(model, CROWD * options.slots) for _ in range(options.repeats)]
    await model.close()
    return {
        "repeats": options.repeats,
        "solves at once": options.solves,
        "slots": options.slots,
        "slots in use from a tenth to nine tenths of the run, median share": median(used),
        "least": min(used),
        "few-shot prompts": len(puzzles),
        "share of their tokens from the cache": cached,
        "samples cancelled": CROWD * options.slots,
        "seconds until who comes after is served, median": median(waited),
        "most": max(waited),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--solves", type=int, default=16, help="solves at once")
    parser.add_argument("--slots", type=int, default=16, help="samples that the engine decodes at the same time")
    parser.add_argument("--prompts", type=int, default=20, help="few-shot prompts, one after the other")
    parser.add_argument("--weights", default="models/hf", help="the thought model for vLLM")
    parser.add_argument("--json", help="write the figures to this file")
    options = parser.parse_args()
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    os.environ |= {"KOT_LOG": "memory", "KOT_TREE": "none"}
    logs.configure(service="benchmark", pod="local", revision="local", level="error")
    figures = asyncio.run(measure(options))
    print_table("Solves in vLLM", figures)
    write_json(options.json, figures)


if __name__ == "__main__":
    main()
