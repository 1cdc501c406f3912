"""The same weights in three engines: how far their judgements lie apart, and how many of their thoughts are legal.

Needs an environment with vLLM: `make test-vllm` makes `.venv-vllm`, which has one for CPUs.
"""

import argparse
import asyncio
import math
import os
import random
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from itertools import combinations
from pathlib import Path
from statistics import mean

import xllamacpp
from common import print_table, write_json

from models.states import State, read_puzzles, show, steps
from services.adapters.llm.embedded import create as embedded
from services.adapters.llm.openai_compatible import create as openai_compatible
from services.adapters.llm.vllm import create as vllm
from services.core.ports import CompletionRequest, LanguageModel, SampleDone, Sampling, TextDelta
from services.core.seeds import derive_seed
from services.core.task import IllegalThought, MalformedThought, PromptStyle
from services.core.thought import State as Place
from services.settings import ModelSettings, OpenAIEndpoint, default_weights
from services.tasks.game24 import TASK, prompts

LABELS = ("sure", "likely", "impossible")
SLOTS = 32
AT_ONCE = 4
"""Requests under way at a time."""
LEAST = 0.001
"""Logarithms are compared of probabilities from here on: llama.cpp's server tells no small ones."""

Labels = list[tuple[float, ...]]


def pick_states(count: int) -> list[State]:
    """Return states of four, three and two numbers below the puzzles of dev.csv, as many of each as there can be."""
    random_order = random.Random(0)
    level = set(read_puzzles("dev"))
    found: list[State] = []
    for size in (4, 3, 2):
        share = (count - len(found)) // (size - 1)
        found += random_order.sample(sorted(level), min(share, len(level)))
        level = {step.state for state in level for step in steps(state)}
    return found


async def completion(model: LanguageModel, request: CompletionRequest) -> tuple[dict[int, str], tuple[float, ...]]:
    """Return the texts of all samples, and the label probabilities of one."""
    texts: dict[int, str] = {}
    probabilities: tuple[float, ...] = ()
    async with aclosing(model.complete(request)) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                texts[event.sample] = texts.get(event.sample, "") + event.text
            elif isinstance(event, SampleDone):
                probabilities = event.label_probabilities
    return texts, probabilities


async def judge(model: LanguageModel, states: Sequence[State]) -> Labels:
    """Return the label probabilities of every state."""
    requests = [
        CompletionRequest(
            prompt=prompts.value(show(state), PromptStyle.BARE),
            samples=1,
            sampling=Sampling(max_tokens=1),
            seed=0,
            labels=LABELS,
        )
        for state in states
    ]
    return [probabilities for _, probabilities in await all_of(model, requests)]


async def legal_share(model: LanguageModel, states: Sequence[State], samples: int) -> float:
    """Return the share of legal ones among the thoughts that are drawn, as many of each state."""
    each = samples // len(states)
    requests = [
        CompletionRequest(
            prompt=prompts.propose(show(state), PromptStyle.BARE),
            samples=each,
            sampling=Sampling(),
            seed=derive_seed(show(state)),
        )
        for state in states
    ]
    completions = await all_of(model, requests)
    legal = [
        is_legal(state, text)
        for state, (texts, _) in zip(states, completions, strict=True)
        for text in (texts.get(sample, "") for sample in range(each))
    ]
    return mean(legal)


async def all_of(
    model: LanguageModel, requests: Sequence[CompletionRequest]
) -> list[tuple[dict[int, str], tuple[float, ...]]]:
    """Serve the requests, a few at a time."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(request: CompletionRequest) -> tuple[dict[int, str], tuple[float, ...]]:
        async with places:
            return await completion(model, request)

    return await asyncio.gather(*map(one, requests))


def is_legal(state: State, line: str) -> bool:
    """Tell whether the task takes the line for a step from the state."""
    try:
        TASK.parse_thought(Place(show(state)), line, trust=False)
    except (MalformedThought, IllegalThought):
        return False
    return True


def differences(one: Labels, other: Labels) -> dict[str, object]:
    """Return how far the probabilities of two engines, and their logarithms, lie apart."""
    pairs = [pair for a, b in zip(one, other, strict=True) for pair in zip(a, b, strict=True)]
    plain = [abs(a - b) for a, b in pairs]
    logarithms = [abs(math.log(a / b)) for a, b in pairs if min(a, b) >= LEAST]
    return {
        "probability, at most": max(plain),
        "probability, mean": mean(plain),
        "logarithm, at most": max(logarithms),
        "logarithm, mean": mean(logarithms),
    }


def llama_server() -> ModelSettings:
    """Start llama.cpp's server with the shipped weights; returns the settings that reach it."""
    params = xllamacpp.CommonParams()
    params.model.path = str(default_weights())
    params.n_parallel, params.n_ctx, params.kv_unified = SLOTS, SLOTS * 512, True
    params.warmup = params.fit_params = False
    params.verbosity = -1
    # What a request does not say is the server's choice, and its own would cut unlikely tokens off.
    params.sampling.top_k, params.sampling.min_p = 0, 0.0
    key = secrets.token_hex(16)
    params.api_keys = [key]
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    _SERVERS.append(xllamacpp.Server(params))
    return ModelSettings(
        openai_base_url=f"{_SERVERS[-1].listening_address}/v1",
        openai_model="thought-model",
        openai_endpoint=OpenAIEndpoint.COMPLETIONS,
        openai_api_key=key,
        openai_samples_per_request=SLOTS,
    )


_SERVERS: list[xllamacpp.Server] = []
"""Servers live as long as something holds them."""


async def measure(states: Sequence[State], samples: int, folder: Path) -> Mapping[str, object]:
    """Ask each engine in turn."""
    in_process = ModelSettings(
        vllm_model=str(folder), vllm_dtype="float32", vllm_context=512, vllm_parallel=SLOTS, model_parallel=SLOTS
    )
    engines = {
        "embedded": lambda: embedded(in_process),
        "openai_compatible": lambda: openai_compatible(llama_server()),
        "vllm": lambda: vllm(in_process),
    }
    judged: dict[str, Labels] = {}
    figures: dict[str, object] = {"states": len(states), "samples": samples // len(states) * len(states)}
    for name, start in engines.items():
        model = start()
        judged[name] = await judge(model, states)
        begun = time.monotonic()
        figures[f"{name}: legal thoughts"] = await legal_share(model, states, samples)
        figures[f"{name}: seconds for the samples"] = time.monotonic() - begun
        await model.close()
    for one, other in combinations(engines, 2):
        apart = differences(judged[one], judged[other])
        figures |= {f"{one} and {other}: {what}": figure for what, figure in apart.items()}
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--states", type=int, default=200)
    parser.add_argument("--samples", type=int, default=2000, help="thoughts of each engine")
    parser.add_argument("--weights", type=Path, default=Path("models/hf"), help="the same weights, for vLLM")
    parser.add_argument("--json", help="write the figures to this file")
    options = parser.parse_args()
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    figures = asyncio.run(measure(pick_states(options.states), options.samples, options.weights))
    print_table("One model in three engines", figures)
    write_json(options.json, figures)


if __name__ == "__main__":
    main()
