"""`kot solve --evaluate`: a running server votes, or says why it cannot."""

import asyncio
import json
import os
import sys

from fleet import fleet
from writer import COHERENT, PROBLEM, Writer, passage


async def kot(*arguments):
    """Run it to its end; returns its exit code and what it printed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KOT_")}
    async with asyncio.timeout(60):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.cli.main", *arguments,
            env=kept, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        printed, complaints = await process.communicate()
    return process.returncode, printed.decode(), complaints.decode()


async def test_a_passage_is_written_by_vote_or_by_value():
    options = (
        "--task",
        "creative_writing",
        "--prompt-style",
        "few-shot",
        "--max-completion-tokens",
        "100000",
        "--json",
    )
    for flags, votes in (((), True), (("--evaluate", "vote"), True), (("--evaluate", "value"), False)):
        model = Writer()
        async with fleet(model) as target:
            code, printed, complaints = await kot("solve", PROBLEM, "--target", target, *options, *flags)
        assert (code, complaints) == (0, "")
        document = json.loads(printed)
        assert document["answer"] in {passage(grade) for grade in range(COHERENT, 6)}
        assert len(document["steps"]) == 2
        assert bool(model.votes()) is votes


async def test_the_answer_keeps_its_paragraphs_and_the_tree_one_line_a_thought():
    async with fleet(Writer()) as target:
        code, printed, _ = await kot(
            "solve", PROBLEM, "--target", target, "--task", "creative_writing", "--prompt-style", "few-shot"
        )
    assert code == 0
    assert any(passage(grade) in printed for grade in range(COHERENT, 6))
    assert " ¶ " in printed


async def test_a_task_without_votes_says_so_and_names_the_option():
    async with fleet() as target:
        code, printed, complaints = await kot("solve", "1 1 11 11", "--evaluate", "vote", "--target", target)
    assert (code, printed) == (2, "")
    assert "task game24 has no prompt for votes" in complaints
    assert "(--evaluate)" in complaints
