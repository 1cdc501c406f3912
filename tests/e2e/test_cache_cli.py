"""What `kot` says of answers that come from a cache, and how it asks without one."""

import asyncio
import json
import os
import sys

from fleet import fleet

from services.adapters.cache.memory import MemoryCache
from services.adapters.llm._cached import CachedModel
from services.testing.faulty_model import FaultyModel

PROBLEM = "4 5 6 10"


def cached(asked):
    return CachedModel(asked, MemoryCache(most_bytes=10**6, most_value_bytes=10**5, seconds=60, claim_seconds=5))


async def kot(target, *arguments):
    """Run `kot` against a server in this process; returns what it prints."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KOT_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.cli.main", *arguments, "--target", target, "--concurrency", "level"),
        env=kept,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), 60)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, err.decode()
    return out.decode()


async def test_a_second_solve_says_that_it_asked_nothing_and_fresh_asks():
    async with fleet(cached(FaultyModel())) as target:
        first = json.loads(await kot(target, "solve", PROBLEM, "--json"))["usage"]
        again = json.loads(await kot(target, "solve", PROBLEM, "--json"))["usage"]
        fresh = json.loads(await kot(target, "solve", PROBLEM, "--json", "--fresh"))["usage"]
        said = (await kot(target, "solve", PROBLEM)).splitlines()[-1]
    assert first["model_calls"] > 0
    assert first["cache_hits"] == 0
    assert fresh == first
    assert again == {name: first["model_calls"] if name == "cache_hits" else 0 for name in first}
    assert f"0 model calls, {first['model_calls']} answers from the cache, 0 prompt tokens" in said


async def test_bench_measures_the_model(tmp_path):
    puzzles, out = tmp_path / "puzzles.csv", tmp_path / "out.json"
    puzzles.write_text(f"puzzle\n{PROBLEM}\n")
    asked = FaultyModel()
    figures = []
    async with fleet(cached(asked)) as target:
        for _ in range(2):
            await kot(target, "bench", "--puzzles", str(puzzles), "--json", str(out))
            figures.append(json.loads(out.read_text())[0])
    assert figures[0]["completion_tokens"] == figures[1]["completion_tokens"] > 0
    assert asked.started >= 2 * figures[0]["model_calls"] > 0
