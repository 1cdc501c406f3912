"""The weights in llama.cpp, for evaluation: sampled completions and label probabilities."""

import os
from dataclasses import dataclass
from math import exp
from pathlib import Path
from typing import Any

# Idle OpenMP threads sleep instead of spinning; it is read when the library loads.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import xllamacpp

from models.tokenizer import LABELS, Tokenizer

SLOTS = 32
CONTEXT = 512


@dataclass(frozen=True, slots=True)
class Completion:
    """One sampled text and the tokens it cost, its end token included."""

    text: str
    tokens: int


class Llama:
    """One model, sampled at temperature 1 without truncation."""

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.n_ctx, params.n_parallel, params.kv_unified = CONTEXT * SLOTS, SLOTS, True
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
        params.warmup = params.use_jinja = params.enable_chat_template = params.fit_params = False
        params.cache_ram_mib, params.verbosity = 0, -1
        self._server = xllamacpp.Server(params)
        self._tokenizer = Tokenizer()

    def sample(self, prompt: str, count: int, *, seed: int, max_tokens: int = 96) -> list[Completion]:
        """Draw `count` independent completions; `seed` also picks the order within them."""
        found: list[Completion] = []
        while len(found) < count:
            n = min(SLOTS, count - len(found))
            reply = self._complete(prompt, n=n, seed=seed * 1_000 + len(found), max_tokens=max_tokens)
            for choice in reply["choices"]:
                ended = choice["finish_reason"] == "stop"
                found.append(Completion(choice["text"], len(self._tokenizer.encode(choice["text"])) + ended))
        return found

    def labels(self, prompt: str) -> dict[str, float]:
        """Return the probability of each label as the first token; one that is not among the ten likeliest counts 0."""
        chances = self.next_token(prompt, top=10)
        return {label.strip(): chances.get(self._tokenizer.encode(label)[0], 0.0) for label in LABELS}

    def next_token(self, prompt: str, *, top: int) -> dict[int, float]:
        """Return the likeliest next tokens and their probabilities."""
        (choice,) = self._complete(prompt, n=1, seed=0, max_tokens=1, logprobs=top)["choices"]
        return {entry["id"]: exp(entry["logprob"]) for entry in choice["logprobs"]["content"][0]["top_logprobs"]}

    def _complete(self, prompt: str, **settings: object) -> dict[str, Any]:
        sampling = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0}
        reply: dict[str, Any] = self._server.handle_completions({"prompt": prompt, **sampling, **settings})
        if "choices" not in reply:
            raise RuntimeError(f"llama.cpp refused the request: {reply}")
        return reply
