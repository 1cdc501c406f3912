"""Trees in Neo4j: `(:Solve)-[:ROOT]->(:Thought)-[:LEADS_TO]->(:Thought)`, to be explored with Cypher.

A thought has a `LEADS_TO` from each of its parents, its own one with the order 0. Thoughts and steps on the path to the
answer have `on_answer_path`.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from services.core.errors import InvalidInput, StoreUnavailable, StoreUnusable
from services.core.stores import Step, StoredSolve, StoredThought
from services.core.thought import Usage, Value
from services.core.tree import Status
from services.settings import Neo4jSettings, StateSettings

if TYPE_CHECKING:
    from neo4j import AsyncDriver, AsyncManagedTransaction

BATCH = 1000
"""Thoughts or steps of one statement."""

_SCHEMA = (
    "CREATE CONSTRAINT kot_solve IF NOT EXISTS FOR (s:Solve) REQUIRE s.id IS UNIQUE",
    "CREATE CONSTRAINT kot_thought IF NOT EXISTS FOR (t:Thought) REQUIRE (t.solve_id, t.id) IS UNIQUE",
    "CREATE INDEX kot_thought_number IF NOT EXISTS FOR (t:Thought) ON (t.solve_id, t.number)",
)
# The first SET locks the solve, so that its position is compared with no other writer between.
_PUT_SOLVE = """
    MERGE (s:Solve {id: $solve_id}) ON CREATE SET s.position = 0 SET s.begun_at = $solve.begun_at
    WITH s WHERE s.position <= $position
    SET s += $solve, s.position = $position RETURN s.position AS position"""
_PUT_THOUGHTS = """
    UNWIND $rows AS row MERGE (t:Thought {solve_id: $solve_id, id: row.id}) SET t += row.properties"""
_PUT_ROOT = """
    MATCH (s:Solve {id: $solve_id}) UNWIND $rows AS row
    MATCH (t:Thought {solve_id: $solve_id, id: row.id}) MERGE (s)-[:ROOT]->(t)"""
_PUT_STEPS = """
    UNWIND $rows AS row MATCH (t:Thought {solve_id: $solve_id, id: row.id})
    MATCH (p:Thought {solve_id: $solve_id, id: row.parent}) MERGE (p)-[l:LEADS_TO {order: row.order}]->(t)
    SET l.text = row.text, l.on_answer_path = row.on_answer_path"""

_GET_SOLVE = "MATCH (s:Solve {id: $solve_id}) RETURN properties(s) AS solve"
_GET_THOUGHTS = """
    UNWIND range($first, $last) AS number MATCH (t:Thought {solve_id: $solve_id, number: number})
    OPTIONAL MATCH (p:Thought)-[l:LEADS_TO]->(t)
    RETURN number, properties(t) AS thought, collect([l.order, p.id, l.text]) AS steps ORDER BY number"""
_GET_PATH = """
    MATCH path = (:Thought {solve_id: $solve_id, id: $thought_id})<-[:LEADS_TO*0.. {order: 0}]-(:Thought {number: 0})
    RETURN [t IN nodes(path) | properties(t)] AS thoughts"""

_FORM = "is none such as neo4j://localhost:7687; the password goes to NEO4J_PASSWORD or NEO4J_PASSWORD_FILE"

T = TypeVar("T")


def create(_state: StateSettings, neo4j: Neo4jSettings) -> "Neo4jTrees":
    """Return the store at `NEO4J_URI`; it connects when it is first used.

    Raises `InvalidInput` if its settings are wrong or the extra is missing.
    """
    return Neo4jTrees(neo4j)


class Neo4jTrees:
    """A `TreeStore`. Each call takes at most `NEO4J_TIMEOUT`."""

    def __init__(self, settings: Neo4jSettings) -> None:
        self._settings = settings
        self._driver = _driver(settings)
        self._preparing = asyncio.Lock()
        self._prepared = False

    async def solve(self, solve_id: str) -> StoredSolve | None:
        """Return the solve as it was last written; None if it is unknown."""
        found = await self._read(_GET_SOLVE, solve_id=solve_id)
        return _solve(found[0]["solve"]) if found else None

    async def position(self, solve_id: str) -> int:
        """Return how many records of the solve's log are in it; 0 if it does not know the solve."""
        found = await self._read(_GET_SOLVE, solve_id=solve_id)
        return int(found[0]["solve"]["position"]) if found else 0

    async def write(
        self, solve: StoredSolve, position: int, thoughts: Sequence[StoredThought], steps: Sequence[Step]
    ) -> None:
        """Add or replace thoughts and add steps, in one transaction."""
        statements: list[tuple[str, list[dict[str, object]]]] = [
            (_PUT_THOUGHTS, [{"id": thought.id, "properties": _properties(thought)} for thought in thoughts]),
            (_PUT_ROOT, [{"id": thought.id} for thought in thoughts if thought.parent_id is None]),
            (_PUT_STEPS, [_own_step(thought) for thought in thoughts if thought.parent_id is not None]),
            (_PUT_STEPS, [_further_step(step) for step in steps]),
        ]

        async def work(transaction: "AsyncManagedTransaction") -> None:
            properties = asdict(solve)
            solve_id = properties["id"] = properties.pop("solve_id")
            told = await transaction.run(_PUT_SOLVE, solve_id=solve_id, solve=properties, position=position)
            if await told.single() is None:
                return
            for statement, rows in statements:
                for first in range(0, len(rows), BATCH):
                    told = await transaction.run(statement, solve_id=solve_id, rows=rows[first : first + BATCH])
                    await told.consume()

        async def put() -> None:
            async with self._driver.session(database=self._settings.database) as session:
                await session.execute_write(work)

        await self._in_time(lambda: _again_if_beaten(put))

    async def thoughts(self, solve_id: str) -> AsyncGenerator[tuple[Sequence[StoredThought], Sequence[Step]], None]:
        """Yield the tree in batches, each as the database has it then."""
        first = 0
        while found := await self._read(_GET_THOUGHTS, solve_id=solve_id, first=first, last=first + BATCH - 1):
            first += BATCH
            thoughts: list[StoredThought] = []
            further: list[Step] = []
            for record in found:
                properties = record["thought"]
                # Of the root, the one is nothing.
                ways = sorted((order, parent, text) for order, parent, text in record["steps"] if parent is not None)
                thoughts.append(_thought(properties, ways[0][1] if ways else None))
                further += [Step(parent, properties["id"], text, order) for order, parent, text in ways[1:]]
            yield thoughts, further

    async def path(self, solve_id: str, thought_id: str) -> Sequence[StoredThought]:
        """Return the thoughts from the root to this one; none if it is unknown."""
        found = await self._read(_GET_PATH, solve_id=solve_id, thought_id=thought_id)
        thoughts: list[StoredThought] = []
        for properties in reversed(found[0]["thoughts"] if found else []):
            thoughts.append(_thought(properties, thoughts[-1].id if thoughts else None))
        return thoughts

    async def close(self) -> None:
        """Close the connections."""
        await self._driver.close()

    async def _read(self, query: str, **parameters: object) -> list[dict[str, Any]]:
        async def get() -> list[dict[str, Any]]:
            found = await self._driver.execute_query(query, parameters, database_=self._settings.database, routing_="r")
            return [record.data() for record in found.records]

        return await self._in_time(get)

    async def _in_time(self, work: Callable[[], Awaitable[T]]) -> T:
        with _translated(self._settings):
            async with asyncio.timeout(self._settings.timeout):
                await self._prepare()
                return await work()

    async def _prepare(self) -> None:
        """Make constraints and indexes, once."""
        async with self._preparing:
            if not self._prepared:
                for statement in _SCHEMA:
                    await self._driver.execute_query(statement, database_=self._settings.database)
                self._prepared = True


def _driver(settings: Neo4jSettings) -> "AsyncDriver":
    try:
        from neo4j import AsyncGraphDatabase
        from neo4j.exceptions import ConfigurationError
    except ImportError as error:
        raise _wrong("needs another package: pip install 'kube-of-thoughts[neo4j]'") from error
    if not settings.uri:
        raise _wrong("must be set: KOT_TREE is neo4j")
    if not settings.uri.startswith(("neo4j", "bolt")):
        raise _wrong(_FORM)
    password = _password(settings)
    try:
        return AsyncGraphDatabase.driver(
            settings.uri,
            auth=(settings.username, password) if password else None,
            connection_timeout=settings.timeout,
            connection_acquisition_timeout=settings.timeout,
            # Whether to wait for one that is away, who calls decides.
            max_transaction_retry_time=0,
            notifications_min_severity="OFF",
        )
    except (ConfigurationError, ValueError) as error:
        raise _wrong(_FORM) from error


def _password(settings: Neo4jSettings) -> str:
    if path := settings.password_file:
        try:
            return path.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInput(
                f"no password can be read from NEO4J_PASSWORD_FILE, {path}", field="NEO4J_PASSWORD_FILE"
            ) from error
    return settings.password.get_secret_value()


def _wrong(what: str) -> InvalidInput:
    return InvalidInput(f"NEO4J_URI {what}", field="NEO4J_URI")


async def _again_if_beaten(write: Callable[[], Awaitable[None]]) -> None:
    """Write again, a few times, if other writers were in the way."""
    from neo4j.exceptions import TransientError

    retrying = AsyncRetrying(
        retry=retry_if_exception_type(TransientError),
        stop=stop_after_attempt(5),
        wait=wait_random_exponential(multiplier=0.02, max=1),
        reraise=True,
    )
    await retrying(write)


@contextmanager
def _translated(settings: Neo4jSettings) -> Iterator[None]:
    """Raise errors of the driver as those of a store; none of them shows a password."""
    from neo4j.exceptions import AuthError, ClientError, ConfigurationError, DriverError, Neo4jError

    where = f"Neo4j at {settings.uri}"
    try:
        yield
    except TimeoutError as error:
        raise StoreUnavailable(f"{where} has not answered for {settings.timeout:g} s") from error
    except AuthError as error:
        raise StoreUnusable(
            f"{where} refuses {settings.username!r}: check NEO4J_USERNAME, NEO4J_PASSWORD and NEO4J_PASSWORD_FILE"
        ) from error
    except ConfigurationError as error:
        raise StoreUnusable(f"{where} cannot be used: check NEO4J_URI") from error
    except ClientError as error:
        if error.is_retryable():
            raise StoreUnavailable(f"{where} does not take it for now ({error.code})") from error
        advice = ": check NEO4J_DATABASE" if "Database" in (error.code or "") else ""
        raise StoreUnusable(f"{where} refuses what we ask of {settings.database!r} ({error.code}){advice}") from error
    except (DriverError, Neo4jError, OSError) as error:
        raise StoreUnavailable(f"{where} cannot be reached or is not ready ({type(error).__name__})") from error


def _solve(properties: dict[str, Any]) -> StoredSolve:
    return StoredSolve(
        solve_id=properties["id"],
        **{name: properties[name] for name in ("problem", "task", "strategy", "begun_at", "status", "answer")},
    )


def _own_step(thought: StoredThought) -> dict[str, object]:
    return {
        "id": thought.id,
        "parent": thought.parent_id,
        "order": 0,
        "text": thought.text,
        "on_answer_path": thought.on_answer_path,
    }


def _further_step(step: Step) -> dict[str, object]:
    return {
        "id": step.thought_id,
        "parent": step.parent_id,
        "order": step.order,
        "text": step.text,
        "on_answer_path": False,
    }


def _properties(thought: StoredThought) -> dict[str, object]:
    """Return what a thought's node has; a property that is None it has not."""
    value = thought.value
    return {
        "number": thought.number,
        "depth": thought.depth,
        "text": thought.text,
        "key": thought.key,
        "answer": thought.answer,
        "sure": value and value.sure,
        "likely": value and value.likely,
        "impossible": value and value.impossible,
        "votes": value and value.votes,
        "score": value and value.score,
        "status": thought.status.value,
        "note": thought.note,
        "draws": thought.draws,
        "on_answer_path": thought.on_answer_path,
        **asdict(thought.usage),
    }


def _thought(properties: dict[str, Any], parent_id: str | None) -> StoredThought:
    shares: dict[str, Any] = {name: properties.get(name) for name in asdict(Value())}
    value = Value(**shares) if "sure" in properties else None
    usage = Usage(**{name: properties[name] for name in asdict(Usage())})
    return StoredThought(
        **{name: properties[name] for name in ("id", "number", "depth", "text", "key", "note", "draws")},
        parent_id=parent_id,
        answer=properties.get("answer"),
        value=value,
        status=Status(properties["status"]),
        usage=usage,
        on_answer_path=properties["on_answer_path"],
    )
