"""A log in a SQLite file: what a single machine has by default. Its processes may share one file.

It keeps every solve; to forget them, remove the file. Leases run by the machine's clock.
"""

import time
from collections.abc import Sequence
from sqlite3 import Connection

from services.adapters.log._refusals import duplicate, held, lost, unknown
from services.adapters.sqlite_file import Migration, SqliteFile
from services.core.errors import StoreUnusable
from services.core.history import Begun, Record
from services.core.stores import Lease, LogHead
from services.rpc.history import decode, encode
from services.settings import RedisSettings, StateSettings

MIGRATIONS: Sequence[Migration] = (
    (
        # `number` is the order in which solves began; `expires` is 0 if the lease was released.
        """CREATE TABLE log_solve (
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            length INTEGER NOT NULL,
            token INTEGER NOT NULL,
            expires REAL NOT NULL,
            is_to_end INTEGER NOT NULL DEFAULT 0
        )""",
        """CREATE TABLE log_record (
            solve INTEGER NOT NULL REFERENCES log_solve (number),
            number INTEGER NOT NULL,
            record BLOB NOT NULL,
            PRIMARY KEY (solve, number)
        )""",
    ),
)
_RECORDS = "SELECT record FROM log_record WHERE solve = ? AND number >= ? ORDER BY number LIMIT ?"
_HEADS = """
    SELECT id, length, first.record, last.record, expires FROM log_solve
    JOIN log_record AS first ON first.solve = log_solve.number AND first.number = 0
    JOIN log_record AS last ON last.solve = log_solve.number AND last.number = length - 1
"""


def create(state: StateSettings, redis: RedisSettings) -> "SqliteLog":  # noqa: ARG001 - every log is created alike
    """Return the log in the file of the settings; `StoreUnusable` and `StoreUnavailable` say what is wrong with it."""
    return SqliteLog(SqliteFile(state.state_path, "log", MIGRATIONS), state.lease_seconds)


class SqliteLog:
    """A `SolveLog` in a file. What was appended at the same time is committed at once."""

    durable = True

    def __init__(self, file: SqliteFile, lease_seconds: float) -> None:
        self.lease_seconds = lease_seconds
        self._file = file

    async def begin(self, solve_id: str, begun: Begun) -> Lease:
        """Open a log."""
        record = encode(begun)

        def insert(connection: Connection) -> Lease:
            if connection.execute("SELECT 1 FROM log_solve WHERE id = ?", (solve_id,)).fetchone():
                raise duplicate(solve_id)
            solve = connection.execute(
                "INSERT INTO log_solve (id, length, token, expires) VALUES (?, 1, 1, ?)", (solve_id, self._expiry())
            ).lastrowid
            connection.execute("INSERT INTO log_record VALUES (?, 0, ?)", (solve, record))
            return Lease(solve_id, 1)

        return await self._file.write(insert)

    async def claim(self, solve_id: str) -> Lease:
        """Take the lease, if nobody has it."""

        def take(connection: Connection) -> Lease:
            row = connection.execute("SELECT token, expires FROM log_solve WHERE id = ?", (solve_id,)).fetchone()
            if row is None:
                raise unknown(solve_id)
            token, expires = row
            if expires > time.time():
                raise held(solve_id)
            connection.execute(
                "UPDATE log_solve SET token = ?, expires = ? WHERE id = ?", (token + 1, self._expiry(), solve_id)
            )
            return Lease(solve_id, token + 1)

        return await self._file.write(take)

    async def renew(self, lease: Lease) -> bool:
        """Hold the lease for longer."""

        def prolong(connection: Connection) -> bool:
            row = connection.execute(
                "UPDATE log_solve SET expires = ? WHERE id = ? AND token = ? RETURNING is_to_end",
                (self._expiry(), lease.solve_id, lease.token),
            ).fetchone()
            if row is None:
                raise lost(lease)
            return bool(row[0])

        return await self._file.write(prolong)

    async def ask_to_end(self, solve_id: str) -> None:
        """Have the holder told."""

        def ask(connection: Connection) -> None:
            changed = connection.execute("UPDATE log_solve SET is_to_end = expires > 0 WHERE id = ?", (solve_id,))
            if not changed.rowcount:
                raise unknown(solve_id)

        await self._file.write(ask)

    async def release(self, lease: Lease) -> None:
        """Give the lease back; its token is void from now on."""

        def free(connection: Connection) -> None:
            connection.execute(
                "UPDATE log_solve SET token = token + 1, expires = 0, is_to_end = 0 WHERE id = ? AND token = ?",
                (lease.solve_id, lease.token),
            )

        await self._file.write(free)

    async def append(self, lease: Lease, length: int, records: Sequence[Record]) -> None:
        """Add records, once."""
        encoded = [encode(record) for record in records]

        def insert(connection: Connection) -> None:
            row = connection.execute(
                "SELECT number, length FROM log_solve WHERE id = ? AND token = ?", (lease.solve_id, lease.token)
            ).fetchone()
            if row is None:
                raise lost(lease)
            solve, found = row
            if found != length and not _has(connection, solve, found, length, encoded):
                raise lost(lease)
            if found == length:
                rows = [(solve, number, record) for number, record in enumerate(encoded, length)]
                connection.executemany("INSERT INTO log_record VALUES (?, ?, ?)", rows)
            connection.execute(
                "UPDATE log_solve SET length = ?, expires = ? WHERE number = ?",
                (length + len(encoded), self._expiry(), solve),
            )

        await self._file.write(insert)

    async def read(self, solve_id: str, after: int = 0, limit: int = 1000) -> Sequence[Record]:
        """Return records from number `after` on."""

        def select(connection: Connection) -> list[Record]:
            solve = _number(connection, solve_id)
            return [decode(record) for (record,) in connection.execute(_RECORDS, (solve, after, limit))]

        return await self._file.read(select)

    async def head(self, solve_id: str) -> LogHead:
        """Return where a log stands."""

        def select(connection: Connection) -> LogHead:
            row = connection.execute(f"{_HEADS} WHERE id = ?", (solve_id,)).fetchone()
            if row is None:
                raise unknown(solve_id)
            return _head(*row)

        return await self._file.read(select)

    async def heads(self, limit: int, before: str = "") -> Sequence[LogHead]:
        """Return the newest logs."""

        def select(connection: Connection) -> list[LogHead]:
            older, bound = ("WHERE log_solve.number < ?", (_number(connection, before),)) if before else ("", ())
            rows = connection.execute(f"{_HEADS} {older} ORDER BY log_solve.number DESC LIMIT ?", (*bound, limit))
            return [_head(*row) for row in rows]

        return await self._file.read(select)

    async def close(self) -> None:
        """Close the file."""
        await self._file.close()

    def _expiry(self) -> float:
        return time.time() + self.lease_seconds


def _number(connection: Connection, solve_id: str) -> int:
    row = connection.execute("SELECT number FROM log_solve WHERE id = ?", (solve_id,)).fetchone()
    if row is None:
        raise unknown(solve_id)
    number: int = row[0]
    return number


def _has(connection: Connection, solve: int, found: int, length: int, records: Sequence[bytes]) -> bool:
    """Return whether these records are what follows the first `length`: they were sent before."""
    if found != length + len(records):
        return False
    return [record for (record,) in connection.execute(_RECORDS, (solve, length, len(records)))] == list(records)


def _head(solve_id: str, length: int, first: bytes, last: bytes, expires: float) -> LogHead:
    begun = decode(first)
    if not isinstance(begun, Begun):
        raise StoreUnusable(f"the log of solve {solve_id!r} does not begin with its request")
    return LogHead(solve_id, length, begun, decode(last), expires > time.time())
