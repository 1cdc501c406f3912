"""Train the thought model from nothing: `python -m models.train`, then `python -m models.export`.

Everything that is drawn follows the seed, and every schedule follows the step, so that training repeats. On a machine
with a GPU the same command uses it.
"""

import argparse
import json
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from models.data import KINDS, Example, examples, training_roots
from models.model import ModelConfig, ThoughtModel
from models.muon import Muon
from models.states import read_puzzles
from models.tokenizer import EOS, PAD, Tokenizer

RUNS = Path(__file__).parent / "runs"
IGNORED = -100

# Rows of each kind in a step of scale 1, and the weight of its loss.
ROWS = {"propose": 96, "value": 24, "goal": 192, "chain": 12, "answer": 16, "direct": 4, "few_shot": 2}
WEIGHT = {"propose": 1.0, "value": 1.0, "goal": 1.0, "chain": 0.7, "answer": 0.5, "direct": 0.3, "few_shot": 0.3}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a run depends on besides the code and the sizes of the model. The default is the shipped recipe."""

    steps: int = 1400
    scale: int = 8
    """Factor on the rows of every kind."""
    learning_rate: float = 3e-3
    warmup: int = 100
    """Steps until the learning rate is full; from there it falls to zero in a straight line."""
    weight_decay: float = 0.7
    dropout: float = 0.05
    few_shot_from: float = 0.8
    """Share of the steps after which the few-shot formats join: they are long, and a taste is enough."""
    seed: int = 0


class Table:
    """Examples as token rows, drawn in proportion to their weights."""

    def __init__(self, rows: Iterable[Example], tokenizer: Tokenizer, device: torch.device) -> None:
        rows = list(rows)
        prompts = [tokenizer.encode(row.prompt) for row in rows]
        completions = [[*tokenizer.encode(row.completion), EOS] for row in rows]
        self._lengths = torch.tensor([len(p) + len(c) for p, c in zip(prompts, completions, strict=True)])
        tokens = np.full((len(rows), int(self._lengths.max())), PAD, dtype=np.int16)
        targets = np.full_like(tokens, IGNORED)
        for i, (prompt, completion) in enumerate(zip(prompts, completions, strict=True)):
            end = len(prompt) + len(completion)
            tokens[i, :end] = prompt + completion
            targets[i, len(prompt) : end] = completion
        self._tokens, self._targets = torch.from_numpy(tokens).to(device), torch.from_numpy(targets).to(device)
        self._cumulative = torch.tensor([row.weight for row in rows], dtype=torch.float64).cumsum(0)

    def draw(self, rows: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw inputs and targets, each (rows, length); only completions are targets."""
        at = torch.rand(rows, generator=generator, dtype=torch.float64) * self._cumulative[-1]
        index = torch.searchsorted(self._cumulative, at).clamp(max=len(self._cumulative) - 1)
        length = int(self._lengths[index].max())
        index = index.to(self._tokens.device)
        return self._tokens[index, : length - 1].long(), self._targets[index, 1:length].long()


def loss(model: ThoughtModel, inputs: Tensor, targets: Tensor) -> Tensor:
    """Return the mean cross-entropy of the completions' tokens, in nats."""
    with torch.autocast(inputs.device.type, torch.bfloat16):
        logits: Tensor = model(inputs)
    return cross_entropy(logits.float().flatten(0, 1), targets.flatten(), ignore_index=IGNORED)


def learning_rate(step: int, recipe: Recipe) -> float:
    """Warm up in a straight line, then fall to zero in one."""
    return recipe.learning_rate * min((step + 1) / recipe.warmup, 1 - step / recipe.steps)


def train(model: ThoughtModel, recipe: Recipe, tables: dict[str, Table], dev: dict[str, Table]) -> None:
    """Train the model in place; the losses on `dev` are printed along the way."""
    matrices = [w for name, w in model.named_parameters() if w.ndim == 2 and "embed" not in name]
    others = [w for name, w in model.named_parameters() if w.ndim != 2 or "embed" in name]
    muon = Muon(matrices, weight_decay=recipe.weight_decay)
    adam = torch.optim.AdamW(others, betas=(0.9, 0.95), weight_decay=0.0)
    draws = torch.Generator().manual_seed(recipe.seed)
    started, tokens = time.monotonic(), 0
    for step in range(recipe.steps):
        set_dropout(model, recipe.dropout)
        for kind, table in tables.items():
            if kind == "few_shot" and step < recipe.few_shot_from * recipe.steps:
                continue
            inputs, targets = table.draw(ROWS[kind] * recipe.scale, draws)
            (WEIGHT[kind] * loss(model, inputs, targets)).backward()  # type: ignore[no-untyped-call] # torch has no annotation there
            tokens += inputs.numel()
        adam.param_groups[0]["lr"] = learning_rate(step, recipe)
        adam.step()
        muon.step(learning_rate(step, recipe))
        model.zero_grad()
        if (step + 1) % 100 == 0 or step + 1 == recipe.steps:
            set_dropout(model, 0.0)
            print(f"step {step + 1:5} {time.monotonic() - started:5.0f} s {tokens / 1e6:4.0f}M tokens", end="  ")
            print(*(f"{kind} {value:.4f}" for kind, value in held_out_losses(model, dev).items()), flush=True)


def set_dropout(model: ThoughtModel, probability: float) -> None:
    """Drop this share of what each block adds to the stream."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = probability


@torch.no_grad()
def held_out_losses(model: ThoughtModel, dev: dict[str, Table]) -> dict[str, float]:
    """Return the loss of each table, on the same rows at every call."""
    drawn = {kind: table.draw(2048, torch.Generator().manual_seed(0)) for kind, table in dev.items()}
    return {kind: float(loss(model, inputs, targets)) for kind, (inputs, targets) in drawn.items()}


def held_out_tables(tokenizer: Tokenizer, device: torch.device) -> dict[str, Table]:
    """Tabulate the dev roots' examples; `value` apart for states that no training root reaches."""
    roots = read_puzzles("dev")
    tables = {kind: Table(examples(kind, roots), tokenizer, device) for kind in KINDS if kind != "few_shot"}
    seen = {example.prompt for example in examples("value", training_roots())}
    unseen = [example for example in examples("value", roots) if example.prompt not in seen]
    return tables | {"value_unseen": Table(unseen, tokenizer, device)}


def main() -> None:
    """Train by the recipe and write the weights to `models/runs`."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in asdict(Recipe()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    recipe = Recipe(**vars(parser.parse_args()))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    tokenizer = Tokenizer()
    roots = training_roots()
    tables = {kind: Table(examples(kind, roots, seed=recipe.seed), tokenizer, device) for kind in KINDS}
    torch.manual_seed(recipe.seed)
    sizes = ModelConfig(vocab_size=len(tokenizer.tokens))
    model = ThoughtModel(sizes)
    model.to(device)
    train(model, recipe, tables, held_out_tables(tokenizer, device))
    RUNS.mkdir(exist_ok=True)
    save_file(model.state_dict(), RUNS / "thought-model.safetensors", {"model": json.dumps(asdict(sizes))})


if __name__ == "__main__":
    main()
