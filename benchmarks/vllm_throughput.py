"""What the service costs on top of vLLM: tokens a second of the engine alone, and of the engine behind the generator.

The model has random weights in the shape of SmolLM2-135M. The engines' processes have one core; all else (the
generator, its client, the loop that asks the engine alone) has the other. Both are asked for the same completions of
few-shot prompts, in turns. Needs two cores, and an environment with vLLM: `make test-vllm` makes `.venv-vllm`.
"""

import argparse
import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from common import print_table, read_puzzles, service, wait_until_serving, write_json

from services.adapters.llm.vllm import start_engine
from services.adapters.stages import RemoteProposer
from services.core.ports import ProposeRequest, Sampling, TaskSelection
from services.core.seeds import derive_seed
from services.core.task import PromptStyle
from services.core.thought import State
from services.plugins import find_task
from services.settings import ModelSettings

SHAPE = {
    "vocab_size": 49_152,
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "max_position_embeddings": 8192,
    "rope_theta": 100_000.0,
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": True,
    "bos_token_id": 0,
    "eos_token_id": 1,
}
"""https://huggingface.co/HuggingFaceTB/SmolLM2-135M/blob/main/config.json; the end token is that of the tokenizer."""
TASK = TaskSelection(name="game24", style=PromptStyle.FEW_SHOT)
CONTEXT = 1024
PATIENCE = 300.0
"""Seconds that one call, or the start of an engine, may take."""


def write_model(folder: Path) -> None:
    """Write random weights, and the thought model's tokenizer with more words, which nothing is encoded to."""
    import torch
    from tokenizers import Tokenizer
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(0)
    LlamaForCausalLM(LlamaConfig(**SHAPE)).to(torch.bfloat16).save_pretrained(folder)
    tokenizer = Tokenizer.from_file("models/hf/tokenizer.json")
    tokenizer.add_tokens([f" word{i}" for i in range(tokenizer.get_vocab_size(), SHAPE["vocab_size"])])
    PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder)


def pin(process: int, core: int) -> None:
    """Give a process, with all its threads, one core."""
    for thread in Path(f"/proc/{process}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


def descendants(process: int) -> Iterator[int]:
    """Yield the processes below one."""
    for thread in Path(f"/proc/{process}/task").iterdir():
        for child in map(int, (thread / "children").read_text().split()):
            yield child
            yield from descendants(child)


def pin_engine(parent: int, core: int, other: int) -> None:
    """Give all below a process one core, and the process itself the other one."""
    pin(parent, other)
    for child in descendants(parent):
        pin(child, core)


class EngineAlone:
    """An engine below this process, asked for completions."""

    def __init__(self, settings: ModelSettings) -> None:
        # No variable holds the engine: one that lives on complains when the process ends.
        self._engine = start_engine(settings)
        self._tokenizer = self._engine.get_tokenizer()
        self._ids = map(str, count())
        self._task = find_task(TASK.name)

    async def complete(self, root: str, sampling: Sampling) -> int:
        """Return how many tokens came for the prompt of one state."""
        from vllm import SamplingParams
        from vllm.inputs import tokens_input
        from vllm.sampling_params import RequestOutputKind

        prompt = self._task.propose_prompt(State(root), TASK.style)
        params = SamplingParams(
            seed=derive_seed(prompt.text) % 2**31,
            max_tokens=sampling.max_tokens,
            stop=list(prompt.stop),
            output_kind=RequestOutputKind.DELTA,
        )
        tokens = tokens_input(self._tokenizer.encode(prompt.text))
        outputs = self._engine.generate(tokens, params, next(self._ids))
        return sum([len(output.outputs[0].token_ids) async for output in outputs])

    async def close(self) -> None:
        """End the engine."""
        await asyncio.to_thread(self._engine.shutdown)
        self._engine = None


class EngineBehind:
    """An engine behind the generator, asked for proposals, one a call."""

    def __init__(self, target: str) -> None:
        self._generator = RemoteProposer(target, timeout=PATIENCE, attempts=1, calls=500)

    async def complete(self, root: str, sampling: Sampling) -> int:
        """Return how many tokens came for the prompt of one state."""
        request = ProposeRequest(
            id=root, task=TASK, state=State(root), samples=1, max_thoughts=12, sampling=sampling, seed=0
        )
        tokens = 0
        async for updates in self._generator.propose([request]):
            if error := next((update.error for update in updates if update.error), None):
                raise error
            tokens += sum(update.usage.completion_tokens for update in updates)
        return tokens

    async def close(self) -> None:
        """Hang up."""
        await self._generator.close()


async def rate(engine: EngineAlone | EngineBehind, roots: Sequence[str], sampling: Sampling) -> float:
    """Ask for all completions at once; return tokens a second."""
    begun = time.perf_counter()
    tokens = await asyncio.gather(*(engine.complete(root, sampling) for root in roots))
    return sum(tokens) / (time.perf_counter() - begun)


async def measure(options: argparse.Namespace, folder: str) -> dict[str, object]:
    """Ask both in turns, each pair for other states."""
    settings = {
        "KOT_MODEL": "vllm",
        "KOT_CACHE": "none",
        "KOT_VLLM_MODEL": folder,
        "KOT_VLLM_CONTEXT": str(CONTEXT),
        "KOT_VLLM_PARALLEL": str(options.slots),
    }
    os.environ |= settings
    sampling = Sampling(max_tokens=options.tokens)
    puzzles = read_puzzles(Path("models/puzzles/dev.csv"))
    pairs: list[tuple[float, float]] = []
    with service("generator", **settings) as generator:
        wait_until_serving(generator, PATIENCE)
        alone, behind = EngineAlone(ModelSettings()), EngineBehind(generator.target)
        for parent in (os.getpid(), generator.process.pid):
            pin_engine(parent, *options.cores)
        for pair in range(options.pairs + 1):
            roots = [puzzles[(pair * options.requests + i) % len(puzzles)] for i in range(options.requests)]
            turns = (alone, behind) if pair % 2 else (behind, alone)
            rates = {engine: await rate(engine, roots, sampling) for engine in turns}
            if pair:  # The first pair warms both up.
                pairs.append((rates[alone], rates[behind]))
        await behind.close()
        await alone.close()
        # To be killed would leave its engine behind.
        generator.process.terminate()
        await asyncio.to_thread(generator.process.wait)
    ratios = [served / own for own, served in pairs]
    return {
        "pairs": options.pairs,
        "requests at once": options.requests,
        "slots of the engine": options.slots,
        "tokens of a completion": options.tokens,
        "tokens a second, engine alone, median": median(own for own, _ in pairs),
        "tokens a second, engine behind the generator, median": median(served for _, served in pairs),
        "share of the engine's own throughput, median of pairs": median(ratios),
        "least": min(ratios),
        "most": max(ratios),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--requests", type=int, default=32, help="asked for at once")
    parser.add_argument("--slots", type=int, default=16, help="samples that an engine decodes at the same time")
    parser.add_argument("--tokens", type=int, default=100, help="length of a completion")
    parser.add_argument("--cores", type=int, nargs=2, default=(1, 0), help="for the engines, for all else")
    parser.add_argument("--json", help="write the figures to this file")
    options = parser.parse_args()
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    os.environ["VLLM_CPU_OMP_THREADS_BIND"] = str(options.cores[0])
    with TemporaryDirectory(prefix="kot-model-") as folder:
        write_model(Path(folder))
        figures = asyncio.run(measure(options, folder))
    print_table("vLLM alone and behind the generator", figures)
    write_json(options.json, figures)


if __name__ == "__main__":
    main()
