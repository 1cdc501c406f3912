"""Trees in the sqlite stores' file, to be explored with any client of SQLite: views `solves`, `thoughts` and `steps`.

A thought's row is numbered by its solve and its place in it, so that a tree lies together in the file, is read in order
without an index, and a parent is found by its row.
"""

from collections.abc import AsyncGenerator, Sequence
from functools import partial
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from services.adapters.sqlite_file import SqliteFile
from services.core.stores import Step, StoredSolve, StoredThought
from services.core.thought import Usage, Value
from services.core.tree import Status
from services.settings import Neo4jSettings, StateSettings

BATCH = 1000
"""Thoughts that are read at a time."""

_ROWS = 1 << 32
"""A solve's thoughts have the rows from its number times this; so many fit."""

_TABLES = [
    """CREATE TABLE tree_solve (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, position INTEGER NOT NULL, problem TEXT NOT NULL,
        task TEXT NOT NULL, strategy TEXT NOT NULL, begun_at REAL NOT NULL, status TEXT NOT NULL, answer TEXT NOT NULL
    )""",
    f"""CREATE TABLE tree_thought (
        row INTEGER PRIMARY KEY, id TEXT NOT NULL, parent INTEGER, depth INTEGER NOT NULL, text TEXT NOT NULL,
        key TEXT NOT NULL, answer TEXT, sure REAL, likely REAL, impossible REAL, votes REAL, score REAL,
        status TEXT NOT NULL, note TEXT NOT NULL, draws INTEGER NOT NULL, model_calls INTEGER NOT NULL,
        prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, cache_hits INTEGER NOT NULL,
        dollars REAL NOT NULL, on_answer_path INTEGER NOT NULL, solve INTEGER AS (row / {_ROWS}) VIRTUAL
    )""",
    "CREATE UNIQUE INDEX tree_thought_by_id ON tree_thought (solve, id)",
    """CREATE TABLE tree_step (
        thought INTEGER NOT NULL, place INTEGER NOT NULL, parent INTEGER NOT NULL, text TEXT NOT NULL,
        PRIMARY KEY (thought, place)
    ) WITHOUT ROWID""",
    """CREATE VIEW solves AS SELECT
        id AS solve_id, position, problem, task, strategy, begun_at, status, answer
    FROM tree_solve""",
    f"""CREATE VIEW thoughts AS SELECT
        tree_solve.id AS solve_id, thought.id, thought.row % {_ROWS} AS number, parent.id AS parent_id, thought.depth,
        thought.text, thought.key, thought.answer, thought.sure, thought.likely, thought.impossible,
        thought.votes, thought.score, thought.status, thought.note, thought.draws, thought.model_calls,
        thought.prompt_tokens, thought.completion_tokens, thought.cache_hits, thought.dollars, thought.on_answer_path
    FROM tree_solve JOIN tree_thought AS thought ON thought.solve = tree_solve.number
    LEFT JOIN tree_thought AS parent ON parent.row = thought.parent""",  # noqa: S608 - made of constants
    """CREATE VIEW steps AS SELECT
        tree_solve.id AS solve_id, parent.id AS parent_id, thought.id AS thought_id, thought.text, 0 AS place
    FROM tree_solve JOIN tree_thought AS thought ON thought.solve = tree_solve.number
    JOIN tree_thought AS parent ON parent.row = thought.parent
    UNION ALL SELECT tree_solve.id, parent.id, thought.id, tree_step.text, tree_step.place
    FROM tree_solve JOIN tree_thought AS thought ON thought.solve = tree_solve.number
    JOIN tree_step ON tree_step.thought = thought.row JOIN tree_thought AS parent ON parent.row = tree_step.parent""",
]

_PUT_SOLVE = """
    INSERT INTO tree_solve (id, position, problem, task, strategy, begun_at, status, answer)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET position = excluded.position, status = excluded.status, answer = excluded.answer
    WHERE excluded.position >= tree_solve.position
    RETURNING number"""
_PUT_THOUGHT = """
    INSERT INTO tree_thought (
        row, id, parent, depth, text, key, answer, sure, likely, impossible, votes, score, status, note, draws,
        model_calls, prompt_tokens, completion_tokens, cache_hits, dollars, on_answer_path
    ) VALUES (
        ?, ?, (SELECT row FROM tree_thought WHERE solve = ? AND id = ?), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
        ?, ?
    )
    ON CONFLICT (row) DO UPDATE SET
        sure = excluded.sure, likely = excluded.likely, impossible = excluded.impossible, votes = excluded.votes,
        score = excluded.score, status = excluded.status, note = excluded.note, draws = excluded.draws,
        model_calls = excluded.model_calls,
        prompt_tokens = excluded.prompt_tokens, completion_tokens = excluded.completion_tokens,
        cache_hits = excluded.cache_hits, dollars = excluded.dollars, on_answer_path = excluded.on_answer_path"""
_PUT_STEP = """
    INSERT OR REPLACE INTO tree_step (thought, place, parent, text)
    SELECT thought.row, ?, parent.row, ? FROM tree_thought AS thought, tree_thought AS parent
    WHERE thought.solve = ? AND thought.id = ? AND parent.solve = ? AND parent.id = ?"""

_THOUGHT = f"""
    thought.id, thought.row % {_ROWS}, parent.id, thought.depth, thought.text, thought.key, thought.answer,
    thought.sure, thought.likely, thought.impossible, thought.votes, thought.status, thought.note, thought.draws,
    thought.model_calls, thought.prompt_tokens, thought.completion_tokens, thought.cache_hits, thought.dollars,
    thought.on_answer_path"""
_GET_SOLVE = "SELECT id, problem, task, strategy, begun_at, status, answer FROM tree_solve WHERE id = ?"
_GET_THOUGHTS = f"""
    SELECT {_THOUGHT} FROM tree_thought AS thought LEFT JOIN tree_thought AS parent ON parent.row = thought.parent
    WHERE thought.row BETWEEN ? AND ? ORDER BY thought.row LIMIT ?"""  # noqa: S608 - made of constants
_GET_STEPS = """
    SELECT parent.id, thought.id, step.text, step.place FROM tree_step AS step
    JOIN tree_thought AS thought ON thought.row = step.thought JOIN tree_thought AS parent ON parent.row = step.parent
    WHERE step.thought BETWEEN ? AND ? ORDER BY step.thought, step.place"""
_GET_PATH = f"""
    WITH RECURSIVE path (row, above) AS (
        SELECT tree_thought.row, 0 FROM tree_solve JOIN tree_thought ON tree_thought.solve = tree_solve.number
        WHERE tree_solve.id = ? AND tree_thought.id = ?
        UNION ALL
        SELECT parent, above + 1 FROM path JOIN tree_thought USING (row) WHERE parent IS NOT NULL
    )
    SELECT {_THOUGHT} FROM path JOIN tree_thought AS thought USING (row)
    LEFT JOIN tree_thought AS parent ON parent.row = thought.parent ORDER BY above DESC"""  # noqa: S608 - made of constants


def create(state: StateSettings, _neo4j: Neo4jSettings) -> "SqliteTrees":
    """Open the file at `KOT_STATE_PATH`; raises as `SqliteFile` does."""
    return SqliteTrees(state.state_path)


class SqliteTrees:
    """A `TreeStore`."""

    def __init__(self, path: Path) -> None:
        self._file = SqliteFile(path, "tree", [_TABLES])

    async def solve(self, solve_id: str) -> StoredSolve | None:
        """Return the solve as it was last written; None if it is unknown."""
        row = await self._file.read(lambda connection: connection.execute(_GET_SOLVE, (solve_id,)).fetchone())
        return row and StoredSolve(
            solve_id=row[0], problem=row[1], task=row[2], strategy=row[3], begun_at=row[4], status=row[5], answer=row[6]
        )

    async def position(self, solve_id: str) -> int:
        """Return how many records of the solve's log are in it; 0 if it does not know the solve."""
        found = await self._find(solve_id)
        return found[1] if found else 0

    async def write(
        self, solve: StoredSolve, position: int, thoughts: Sequence[StoredThought], steps: Sequence[Step]
    ) -> None:
        """Add or replace thoughts and add steps, in one transaction."""
        await self._file.write(lambda connection: _write(connection, solve, position, thoughts, steps))

    async def thoughts(self, solve_id: str) -> AsyncGenerator[tuple[Sequence[StoredThought], Sequence[Step]], None]:
        """Yield the tree in batches, each as the file has it then."""
        found = await self._find(solve_id)
        if found is None:
            return
        first = 0
        while batch := await self._file.read(partial(_read, solve=found[0], first=first)):
            yield batch
            first = batch[0][-1].number + 1

    async def path(self, solve_id: str, thought_id: str) -> Sequence[StoredThought]:
        """Return the thoughts from the root to this one; none if it is unknown."""
        rows = await self._file.read(
            lambda connection: connection.execute(_GET_PATH, (solve_id, thought_id)).fetchall()
        )
        return [_thought(row) for row in rows]

    async def close(self) -> None:
        """Write what is queued, and close the file."""
        await self._file.close()

    async def _find(self, solve_id: str) -> tuple[int, int] | None:
        """Return the solve's number and position."""
        query = "SELECT number, position FROM tree_solve WHERE id = ?"
        found: tuple[int, int] | None = await self._file.read(
            lambda connection: connection.execute(query, (solve_id,)).fetchone()
        )
        return found


def _write(
    connection: Connection,
    solve: StoredSolve,
    position: int,
    thoughts: Sequence[StoredThought],
    steps: Sequence[Step],
) -> None:
    written = connection.execute(
        _PUT_SOLVE,
        (
            solve.solve_id,
            position,
            solve.problem,
            solve.task,
            solve.strategy,
            solve.begun_at,
            solve.status,
            solve.answer,
        ),
    ).fetchone()
    if written is None:
        return
    [number] = written
    connection.executemany(_PUT_THOUGHT, [_row(number, thought) for thought in thoughts])
    connection.executemany(
        _PUT_STEP, [(step.order, step.text, number, step.thought_id, number, step.parent_id) for step in steps]
    )


def _row(solve: int, thought: StoredThought) -> tuple[object, ...]:
    value, usage = thought.value, thought.usage
    return (
        solve * _ROWS + thought.number,
        thought.id,
        solve,
        thought.parent_id,
        thought.depth,
        thought.text,
        thought.key,
        thought.answer,
        value and value.sure,
        value and value.likely,
        value and value.impossible,
        value and value.votes,
        value and value.score,
        thought.status.value,
        thought.note,
        thought.draws,
        usage.model_calls,
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.cache_hits,
        usage.dollars,
        thought.on_answer_path,
    )


def _read(connection: Connection, *, solve: int, first: int) -> tuple[list[StoredThought], list[Step]] | None:
    """Return the thoughts of a solve from this number on, a batch, and the steps to them; None if there are none."""
    begin = solve * _ROWS
    rows = connection.execute(_GET_THOUGHTS, (begin + first, begin + _ROWS - 1, BATCH))
    thoughts = [_thought(row) for row in rows]
    if not thoughts:
        return None
    steps = connection.execute(_GET_STEPS, (begin + first, begin + thoughts[-1].number))
    return thoughts, [Step(*step) for step in steps]


def _thought(row: Sequence[Any]) -> StoredThought:
    return StoredThought(
        id=row[0],
        number=row[1],
        parent_id=row[2],
        depth=row[3],
        text=row[4],
        key=row[5],
        answer=row[6],
        value=None if row[7] is None else Value(*row[7:11]),
        status=Status(row[11]),
        note=row[12],
        draws=row[13],
        usage=Usage(*row[14:19]),
        on_answer_path=bool(row[19]),
    )
