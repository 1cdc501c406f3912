"""The client in the documentation."""

import asyncio
import subprocess
import sys
from pathlib import Path

from fleet import fleet

CLIENT = Path(__file__).resolve().parents[2] / "docs" / "client.py"


async def test_the_client_in_the_documentation_prints_the_answer():
    async with fleet() as target:
        run = await asyncio.create_subprocess_exec(
            sys.executable, CLIENT, "1 1 11 11", target, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        printed, complaints = await run.communicate()
    assert complaints == b""
    assert printed.decode().splitlines()[-1].endswith("= 24")


def test_the_client_in_the_documentation_has_ten_lines_of_code():
    code = CLIENT.read_text().split('"""')[2]
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
