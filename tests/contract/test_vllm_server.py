"""The openai_compatible backend keeps the contract on vLLM's own server, on a CPU: `make test-vllm`."""

import os
import signal
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

if find_spec("vllm") is None:
    pytest.skip("vLLM is not installed here; run `make test-vllm`", allow_module_level=True)

from processes import free_port

from services.adapters.llm.openai_compatible import create
from services.settings import ModelSettings
from services.testing.language_model_suite import LanguageModelSuite

pytestmark = [pytest.mark.vllm, pytest.mark.filterwarnings("default"), pytest.mark.timeout(600)]

WEIGHTS = Path(__file__).resolve().parents[2] / "models" / "hf"
KEY = "a key that vLLM checks"
STARTS_WITHIN_SECONDS = 400
COMMAND = (
    f"setpriv --pdeathsig KILL {sys.executable} -m vllm.entrypoints.openai.api_server "
    "--served-model-name thought-model --host 127.0.0.1 --dtype float32 --max-model-len 512 --max-num-seqs 16 "
    "--generation-config vllm --enforce-eager "
    # A seeded request whose prompt is read in chunks kills the engine on a CPU.
    "--no-enable-chunked-prefill --max-num-batched-tokens 512"
).split()


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """vLLM's server with the thought model; its chat template is the bare message."""
    folder = tmp_path_factory.mktemp("vllm-server")
    template, log = folder / "template.jinja", folder / "log"
    template.write_text("{{ messages[0].content }}")
    port = free_port()
    with log.open("w") as output:
        server = subprocess.Popen(
            [*COMMAND, "--model", WEIGHTS, "--port", str(port), "--api-key", KEY, "--chat-template", template],
            env=os.environ | {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1"},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + STARTS_WITHIN_SECONDS
        while not is_up(f"http://127.0.0.1:{port}/health"):
            assert server.poll() is None, log.read_text()[-5000:]
            assert time.monotonic() < deadline, log.read_text()[-5000:]
            time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        # Its engine is a process too.
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def is_up(health):
    try:
        with urlopen(health, timeout=1) as answer:
            return answer.status == 200
    except (URLError, OSError):
        return False


class TestCompletions(LanguageModelSuite):
    prompt = "Input: 2 3 5 7\nNext:\n"
    label_prompt = "Input: 2 3 5 7\nValue:"
    too_long = "Input: " + "1 " * 5000
    endpoint = "completions"

    @pytest.fixture(autouse=True)
    def _served(self, url):
        self.url = url

    @asynccontextmanager
    async def opened(self):
        model = create(
            ModelSettings(
                openai_base_url=self.url,
                openai_model="thought-model",
                openai_endpoint=self.endpoint,
                openai_api_key=KEY,
            )
        )
        yield model
        await model.close()


class TestChat(TestCompletions):
    endpoint = "chat"
