"""What a log costs: seconds until an append is durable, of one solve alone and of a hundred at once.

A record is one round of a search, about a kilobyte. Redis is measured if `--redis` says where it is. Its settings are
its own: `redis-server --appendonly yes` keeps what the log promises. SQLite is measured twice, as it is and with each
commit waiting for the disk.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from common import Figures, print_table, write_json

from services.adapters import sqlite_file
from services.adapters.log import create_log
from services.core.stores import Lease, SolveLog
from services.rpc.history import encode
from services.settings import RedisSettings, StateSettings
from services.testing.histories import begun
from services.testing.solve_log_suite import rounds

RECORD = rounds(1, "x" * 900)


async def appended(log: SolveLog, lease: Lease, length: int, number: int) -> list[float]:
    """Append one record after the other; return how many seconds each took."""
    seconds = []
    for i in range(number):
        started = time.perf_counter()
        await log.append(lease, length + i, RECORD)
        seconds.append(time.perf_counter() - started)
    return seconds


def in_milliseconds(name: str, seconds: list[float]) -> dict[str, float]:
    """Return the median and the 95th percentile."""
    percentiles = statistics.quantiles(seconds, n=20)
    return {f"{name}, median ms": statistics.median(seconds) * 1000, f"{name}, p95 ms": percentiles[-1] * 1000}


async def measure(open_log: Callable[[], SolveLog], solves: int, records: int) -> dict[str, float]:
    """Measure one log, after a warm-up."""
    log = open_log()
    run = uuid4().hex
    leases = [await log.begin(f"{run}-{i}", begun()) for i in range(solves + 1)]
    await appended(log, leases[0], 1, 100)
    alone = await appended(log, leases[0], 101, records)
    started = time.perf_counter()
    together = await asyncio.gather(*(appended(log, lease, 1, records // 10) for lease in leases[1:]))
    taken = time.perf_counter() - started
    await log.close()
    return {
        **in_milliseconds("alone", alone),
        **in_milliseconds(f"{solves} at once", [seconds for each in together for seconds in each]),
        f"{solves} at once, records/s": sum(map(len, together)) / taken,
    }


def opener(log: str, folder: Path, redis: str) -> Callable[[], SolveLog]:
    """Return what opens a log."""
    state = StateSettings(log=log, state_path=folder / "kot.db")
    return lambda: create_log(state, RedisSettings(redis_url=redis, redis_timeout=10))


def main() -> None:
    """Measure every log."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--redis", default="", help="redis://HOST:6379/0 or unix:///PATH")
    parser.add_argument("--folder", help="where SQLite's file lies; a temporary folder")
    parser.add_argument("--solves", type=int, default=100)
    parser.add_argument("--records", type=int, default=1000, help="appends of the solve that is alone")
    parser.add_argument("--runs", type=int, default=5, help="each figure is the median of so many")
    parser.add_argument("--json")
    arguments = parser.parse_args()

    found: dict[str, Figures] = {"record": {"bytes": len(encode(RECORD[0]))}}
    kinds = [("memory", "NORMAL"), ("sqlite", "NORMAL"), ("sqlite", "FULL")]
    kinds += [("redis", "NORMAL")] if arguments.redis else []
    for log, sqlite_file.SYNCHRONOUS in kinds:
        name = f"{log}, synchronous={sqlite_file.SYNCHRONOUS}" if log == "sqlite" else log
        runs = []
        for _ in range(arguments.runs):
            with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
                open_log = opener(log, Path(folder), arguments.redis)
                runs.append(asyncio.run(measure(open_log, arguments.solves, arguments.records)))
        found[name] = {figure: statistics.median(run[figure] for run in runs) for figure in runs[0]}
        print_table(name, found[name])
    write_json(arguments.json, found)


if __name__ == "__main__":
    main()
