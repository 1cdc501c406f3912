"""`kot --prompts`: the worked example of the documentation, solved by a server that has never seen it."""

import asyncio
import json
import os
import sys
from contextlib import asynccontextmanager

import pytest
from fleet import fleet
from processes import free_port
from word_ladder import ANSWER, EXAMPLE, PROBLEM, play

from services.adapters.llm.scripted import ScriptedModel

NOBODY = "127.0.0.1:1"


@asynccontextmanager
async def started(*arguments, **changes):
    """`kot`, as a process; killed in the end if it is still there."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KOT_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.cli.main", *map(str, arguments),
        env=kept | changes, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def kot(*arguments, **changes):
    """Run it to its end; returns its exit code and what it printed."""
    async with asyncio.timeout(60), started(*arguments, **changes) as process:
        printed, complaints = await process.communicate()
    return process.returncode, printed.decode(), complaints.decode()


@asynccontextmanager
async def serving():
    """A `kot serve` whose model is the scripted player, in this process; gives its target."""
    port = free_port()
    async with fleet(ScriptedModel(play)) as address:
        model = {"KOT_MODEL": "remote", "KOT_MODEL_TARGET": address}
        async with started("serve", "--port", port, "--web-port", "0", **model) as server:
            log = b""
            async with asyncio.timeout(30):
                while b'"serving"' not in log:
                    log += await server.stderr.readline()
            yield f"127.0.0.1:{port}"


async def test_a_server_solves_what_comes_with_the_solve_and_a_bench_measures_it(tmp_path):
    puzzles, figures = tmp_path / "puzzles.csv", tmp_path / "figures.json"
    puzzles.write_text(f"puzzle\n{PROBLEM}\n")
    options = ("--prompts", EXAMPLE)
    async with serving() as target:
        code, printed, complaints = await kot("solve", PROBLEM, "--json", "--target", target, *options)
        assert (code, complaints) == (0, "")
        document = json.loads(printed)
        assert (document["answer"], document["steps"][0]) == (ANSWER, "cord")
        code, printed, complaints = await kot(
            "bench", "--puzzles", puzzles, "--json", figures, "--target", target, *options
        )
        assert (code, complaints) == (0, "")
    [measured] = json.loads(figures.read_text())
    assert (measured["solved"], measured["false_answers"]) == (1, None), "no rule can tell"


@pytest.mark.parametrize("command", [("solve", "x"), ("bench", "--puzzles", "puzzles.csv")])
async def test_a_wrong_file_is_one_line_before_anything_is_sent(tmp_path, command):
    (tmp_path / "puzzles.csv").write_text("puzzle\nx\n")
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(EXAMPLE.read_text().replace("{steps}\n  Next:", "{stops}\n  Next:"))
    line = next(i for i, text in enumerate(wrong.read_text().splitlines(), start=1) if text.startswith("propose"))
    command = [argument.replace("puzzles.csv", str(tmp_path / "puzzles.csv")) for argument in command]
    code, printed, complaints = await kot(*command, "--prompts", wrong, "--target", NOBODY)
    assert (code, printed) == (2, "")
    [said] = complaints.splitlines()
    assert said.startswith(f"kot: {wrong}, line {line}: propose has '{{stops}}'; it may have {{problem}}, {{steps}}")


async def test_a_task_is_named_or_defined_not_both():
    async with fleet(ScriptedModel(play)) as address:
        code, _, complaints = await kot("solve", PROBLEM, "--prompts", EXAMPLE, "--task", "game24", "--target", address)
    assert code == 2
    assert "not both" in complaints
    assert "(--prompts)" in complaints
