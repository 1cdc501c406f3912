"""Records a history of every strategy: `python tests/histories/record.py`, when a strategy's or task's version changes.

A change that makes these histories impossible, and changes no version, would break solves that are parked.
"""

import asyncio
import base64
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from fleet import fleet, solve  # noqa: E402

from services.adapters.log import create_log  # noqa: E402
from services.plugins import STRATEGIES  # noqa: E402
from services.rpc.history import encode  # noqa: E402
from services.settings import RedisSettings, StateSettings  # noqa: E402

PROBLEM = "1 1 1 5"
BUDGET = {"completion_tokens": 2500}


async def record(strategy, concurrency):
    """Return the records of one solve, as bytes."""
    with tempfile.TemporaryDirectory() as folder:
        state = StateSettings(state_path=Path(folder) / "kot.db", tree="none")
        async with fleet(state=state) as target:
            await solve(
                target, PROBLEM, request_id="recorded", strategy=strategy, budget=BUDGET,
                concurrency=f"CONCURRENCY_MODEL_{concurrency}",
            )  # fmt: skip
        log = create_log(state, RedisSettings())
        records = await log.read("recorded")
        await log.close()
        return [encode(each) for each in records]


async def main():
    for strategy in STRATEGIES.names():
        for concurrency in ("LEVEL", "ASYNC"):
            lines = [base64.b64encode(each).decode() for each in await record(strategy, concurrency)]
            (HERE / f"{strategy}-{concurrency.lower()}.txt").write_text("\n".join(lines) + "\n")
            print(strategy, concurrency, len(lines), "records", time.strftime("%Y-%m-%d"))


if __name__ == "__main__":
    asyncio.run(main())
