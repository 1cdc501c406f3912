"""A model server for benchmarks: OpenAI's protocol, honest latency, a seeded player of the Game of 24, and a log.

The server and the way its log is read are not part of this project: `--server` names a folder with `fake_openai.py` and
`measure.py`.
"""

import argparse
import asyncio
import importlib.util
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

Row = Mapping[str, Any]
"""A request in the server's log: when it came and went, its kind, its tokens, its latency at full scale."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what every benchmark on the model server can be told."""
    parser.add_argument("--server", type=Path, required=True, help="the folder of fake_openai.py and measure.py")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the server's latency")


@dataclass(frozen=True)
class ModelServer:
    """A running server."""

    url: str
    measure: ModuleType
    """The script that comes with it; says how a bound is computed."""

    def environment(self) -> dict[str, str]:
        """Return the settings that make the services use it."""
        return {
            "KOT_MODEL": "openai_compatible",
            "KOT_OPENAI_BASE_URL": self.url,
            "KOT_OPENAI_MODEL": "fake",
            "KOT_PROMPT_STYLE": "few_shot",
        }

    async def stats(self) -> dict[str, Any]:
        """Return its counters."""
        stats: dict[str, Any] = await asyncio.to_thread(self._ask, "/stats")
        return stats

    async def log(self) -> list[Row]:
        """Return its requests since the last reset, in order of arrival."""
        rows: list[Row] = await asyncio.to_thread(self._ask, "/log")
        return sorted(rows, key=lambda row: row["in"])

    async def reset(self) -> None:
        """Forget the log."""
        await asyncio.to_thread(self._ask, "/reset", {})

    def bound(self, rows: Sequence[Row]) -> float:
        """Return the least seconds, at full scale, that these requests take if each half of a round goes out at once.

        Over the rounds, the slowest generation and the slowest evaluation.
        """
        seconds: float = self.measure.bound(rows, lambda row: 0.2 + 0.01 * row["longest"])
        return seconds

    def _ask(self, path: str, body: object = None) -> Any:  # noqa: ANN401 - as the server answers
        data = None if body is None else json.dumps(body).encode()
        url = self.url.removesuffix("/v1") + path
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=60) as response:
            return json.load(response)


@contextmanager
def model_server(folder: Path, *, scale: float, seconds: float = 3000, **settings: object) -> Iterator[ModelServer]:
    """Run the server on a free port."""
    specification = importlib.util.spec_from_file_location("measure", folder / "measure.py")
    if specification is None or specification.loader is None or not (folder / "fake_openai.py").exists():
        raise SystemExit(f"{folder} has no fake_openai.py and measure.py; --server names the folder that has")
    measure = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(measure)
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
    command = [sys.executable, folder / "fake_openai.py", "--port=0", f"--scale={scale}", f"--max-seconds={seconds}"]
    process = subprocess.Popen([str(word) for word in command] + flags, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        words = process.stdout.readline().split()
        yield ModelServer(words[2], measure)
    finally:
        process.kill()
        process.wait()
