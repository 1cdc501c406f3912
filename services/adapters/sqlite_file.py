"""A SQLite file that stores share: one thread writes for each, in group commits; another one reads.

What was written outlives the death of the process, at any moment. A cut of the power may undo the last writes, those
that the system had not yet written to the disk (Linux does within about 30 s), never what was before them.
"""

import asyncio
import errno
import os
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from sqlite3 import Connection
from threading import Thread
from typing import Any, TypeVar

from services.core.errors import StoreUnavailable, StoreUnusable

Migration = Sequence[str]
"""Statements that take a store's tables from one version to the next."""

BUSY_SECONDS = 5.0
"""How long another process may hold the file."""
PATIENCE_SECONDS = 15.0
"""How long a read or a write may take, with all that it waits for."""
SYNCHRONOUS = "NORMAL"
"""NORMAL leaves it to the system when a commit is written to the disk; FULL waits for it, each time."""
GROUP = 1000
"""At most so many writes in one commit."""

_OURS = 0x4B6F5431
"""The file's `application_id`."""
_VERSIONS = "CREATE TABLE IF NOT EXISTS schema (store TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID"
_PRIMARY_CODE = 0xFF
_FULL = {sqlite3.SQLITE_FULL}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_BROKEN_FOR_NOW = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PROTOCOL}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_FORBIDDEN = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}

T = TypeVar("T")


@dataclass(slots=True)
class _Write:
    work: Callable[[Connection], Any]
    done: Future[Any] = field(default_factory=Future)
    outcome: Any = None
    error: Exception | None = None

    def tell(self) -> None:
        if self.error is not None:
            self.done.set_exception(self.error)
        else:
            self.done.set_result(self.outcome)


class SqliteFile:
    """One store's part of the file: its tables, named `store`_..., are at the version `len(migrations)`.

    Made and migrated if needed, for this user alone. Several stores and processes may have it open. Raises
    `StoreUnusable` if the file is damaged, of a later version, or may not be written; `StoreUnavailable` if there is
    no room, or another process holds it for too long. So do `read` and `write`.
    """

    def __init__(self, path: Path, store: str, migrations: Sequence[Migration]) -> None:
        self._path = path
        with _translated(path):
            _make(path)
            self._writing = _connect(path)
            try:
                _migrate(self._writing, path, store, migrations)
                self._reading = _connect(path)
            except BaseException:
                self._writing.close()
                raise
        self._reading.execute("PRAGMA query_only = ON")
        self._closed = False
        self._reader = ThreadPoolExecutor(1, thread_name_prefix=f"{store}-read")
        self._writes: SimpleQueue[_Write | None] = SimpleQueue()
        self._writer = Thread(target=self._write_until_closed, name=f"{store}-write", daemon=True)
        self._writer.start()

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` returns, once it is committed; if it raises, nothing of it is.

        It runs in the writer's thread and in a transaction, which it leaves open. After a `StoreUnavailable` it may
        be committed all the same.
        """
        self._refuse_if_closed()
        write = _Write(work)
        self._writes.put(write)
        outcome: T = await self._in_time(asyncio.wrap_future(write.done))
        return outcome

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` returns; it runs in the reader's thread, and sees one state of the file."""
        self._refuse_if_closed()
        return await self._in_time(asyncio.wrap_future(self._reader.submit(self._read, work)))

    async def close(self) -> None:
        """Commit what is queued, and close the file."""
        if self._closed:
            return
        self._closed = True
        self._writes.put(None)
        await asyncio.to_thread(self._writer.join)
        await asyncio.to_thread(self._reader.shutdown)
        self._reading.close()
        self._writing.close()

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise StoreUnavailable(f"{self._path} is closed")

    async def _in_time(self, outcome: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await outcome
        except TimeoutError as error:
            raise StoreUnavailable(f"{self._path} has not answered for {PATIENCE_SECONDS:.0f} s") from error

    def _read(self, work: Callable[[Connection], T]) -> T:
        with _translated(self._path):
            self._reading.execute("BEGIN")
            try:
                return work(self._reading)
            finally:
                _roll_back(self._reading)

    def _write_until_closed(self) -> None:
        last = False
        while not last:
            queued = list(_taken(self._writes))
            last = None in queued
            group = [write for write in queued if write is not None and write.done.set_running_or_notify_cancel()]
            if group:
                self._commit(group)
            for write in group:
                write.tell()

    def _commit(self, group: Sequence[_Write]) -> None:
        """Make one transaction of a group; a write that fails is undone alone, if the file can still be written."""
        try:
            with _translated(self._path):
                self._writing.execute("BEGIN IMMEDIATE")
                for write in group:
                    self._run(write)
                self._writing.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - the thread goes on, and who waits is told
            for write in group:
                write.error = write.error or error
        finally:
            _roll_back(self._writing)

    def _run(self, write: _Write) -> None:
        self._writing.execute("SAVEPOINT one")
        try:
            with _translated(self._path):
                write.outcome = write.work(self._writing)
        except Exception as error:
            write.error = error
            if not self._writing.in_transaction:
                raise
            self._writing.execute("ROLLBACK TO one")
        self._writing.execute("RELEASE one")


def _taken(writes: "SimpleQueue[_Write | None]") -> Iterator[_Write | None]:
    """Yield what is queued, at least one, and at most a group."""
    yield writes.get()
    with suppress(Empty):
        for _ in range(GROUP - 1):
            yield writes.get_nowait()


def _make(path: Path) -> None:
    """Make the file and its folder, for this user alone; SQLite's own files beside it get the same rights.

    A file that is there is not opened: to close it would give back the locks that another store of this process has on
    it (https://sqlite.org/howtocorrupt.html, section 2.2), and the next process to leave would take the log from it.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _connect(path: Path) -> Connection:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        _use_write_ahead_log(connection)
        connection.execute(f"PRAGMA synchronous = {SYNCHRONOUS}")
    except BaseException:
        connection.close()
        raise
    return connection


def _use_write_ahead_log(connection: Connection) -> None:
    """Readers and the writer do not wait for each other then. SQLite does not wait for the change itself; we do."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if _code(error) not in _BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _migrate(connection: Connection, path: Path, store: str, migrations: Sequence[Migration]) -> None:
    if _is_ours(connection, path) and _version(connection, path, store, len(migrations)) == len(migrations):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        if not _is_ours(connection, path):
            connection.execute(f"PRAGMA application_id = {_OURS}")
        connection.execute(_VERSIONS)
        for migration in migrations[_version(connection, path, store, len(migrations)) :]:
            for statement in migration:
                connection.execute(statement)
        connection.execute("INSERT OR REPLACE INTO schema VALUES (?, ?)", (store, len(migrations)))
        connection.execute("COMMIT")
    finally:
        _roll_back(connection)


def _is_ours(connection: Connection, path: Path) -> bool:
    """Return whether a store has been here; False of a new file. Raises `StoreUnusable` if it is somebody else's."""
    [application] = connection.execute("PRAGMA application_id").fetchone()
    if application == _OURS:
        return True
    if application or connection.execute("SELECT count(*) FROM sqlite_master").fetchone() != (0,):
        raise StoreUnusable(f"{path} is another program's database; name another file in KOT_STATE_PATH")
    return False


def _version(connection: Connection, path: Path, store: str, known: int) -> int:
    row = connection.execute("SELECT version FROM schema WHERE store = ?", (store,)).fetchone()
    version: int = row[0] if row else 0
    if version > known:
        raise StoreUnusable(
            f"{path} has the {store} in version {version}, and this program knows up to {known}: "
            "use a later one, or name another file in KOT_STATE_PATH"
        )
    return version


def _roll_back(connection: Connection) -> None:
    if connection.in_transaction:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        code = _code(error)
        if code in _DAMAGED:
            raise StoreUnusable(
                f"{path} is damaged ({error}): move it away, or save what can be read with `sqlite3 {path} .recover`"
            ) from error
        if code in _FORBIDDEN:
            raise StoreUnusable(f"{path} cannot be written ({error}); name another file in KOT_STATE_PATH") from error
        if code in _FULL:
            raise StoreUnavailable(f"there is no room for {path} ({error})") from error
        if code in _BUSY:
            raise StoreUnavailable(f"another process has held {path} for over {BUSY_SECONDS:.0f} s") from error
        if code in _BROKEN_FOR_NOW:
            raise StoreUnavailable(f"{path} cannot be read or written for now ({error})") from error
        if code == sqlite3.SQLITE_ERROR:
            raise StoreUnusable(f"{path} has other tables than this program made ({error}): move it away") from error
        raise
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StoreUnavailable(f"there is no room for {path} ({error.strerror})") from error
        raise StoreUnusable(f"{path} cannot be made ({error.strerror}); name another in KOT_STATE_PATH") from error


def _code(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code; 0 for an error of the driver."""
    return int(getattr(error, "sqlite_errorcode", 0)) & _PRIMARY_CODE
