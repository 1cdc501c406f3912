"""A file of stores that several processes have open: none takes anything from another when it leaves."""

import asyncio
import subprocess
import sys

from services.adapters.sqlite_file import SqliteFile

LOOKS_AND_LEAVES = """
import sqlite3, sys
file = sqlite3.connect(sys.argv[1])
print(file.execute("SELECT count(*) FROM one_thing").fetchone()[0])
file.close()
"""


def look(path):
    """Return how many things another process sees; it is the last to leave if SQLite knows of nobody else."""
    seen = subprocess.run(
        [sys.executable, "-c", LOOKS_AND_LEAVES, path], capture_output=True, encoding="utf-8", timeout=30, check=True
    )
    return int(seen.stdout)


async def test_the_log_stays_while_two_stores_of_a_process_have_the_file_open(tmp_path):
    path = tmp_path / "kot.db"
    one = SqliteFile(path, "one", [["CREATE TABLE one_thing (name TEXT)"]])
    # What is opened second must not give back the locks of the first.
    other = SqliteFile(path, "other", [["CREATE TABLE other_thing (name TEXT)"]])
    ahead = path.with_name("kot.db-wal")
    try:
        first = ahead.stat().st_ino
        for count in range(3):
            assert await asyncio.to_thread(look, path) == count
            assert ahead.stat().st_ino == first
            await one.write(lambda connection: connection.execute("INSERT INTO one_thing VALUES ('a')"))
    finally:
        await one.close()
        await other.close()
    assert look(path) == 3
