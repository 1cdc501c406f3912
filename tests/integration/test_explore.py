"""Every query of docs/explore.md finds what it says, in a tree that is known."""

import re
import sqlite3
from pathlib import Path

import pytest
from graph_server import DATABASE, PASSWORD, graph_server

from services.adapters.tree.neo4j import Neo4jTrees
from services.adapters.tree.sqlite import SqliteTrees
from services.core.errors import Reason
from services.core.history import Ended, Round, Told
from services.core.thought import Dropped, Proposal, Thought, Usage, Value, Verdict
from services.core.tree import Evaluated, Expanded, Failed, Merged, Proposed, Pruned, Validated
from services.testing.histories import begun
from services.testing.tree_store_suite import all_changes, write

GRAPH = "arcadedb-embedded is missing: pip install -e '.[graph]', then make test-all"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "explore.md"
QUERY = re.compile(r"^## (.+?)$|^```(cypher|sql)\n(.+?)^```", re.MULTILINE | re.DOTALL)

PROBLEM = "4 5 6 10"
ROOT = Thought.root(PROBLEM)
FIVE = ROOT.child(Proposal(text="10 - 5 = 5", key="4 5 6"))
SIX = ROOT.child(Proposal(text="10 - 4 = 6", key="5 6 6"))
SUM = ROOT.child(Proposal(text="10 + 6 = 16", key="4 5 16"))
TEN = FIVE.child(Proposal(text="4 + 6 = 10", key="5 10"))
LONG = SIX.child(Proposal(text="6 + 6 = 12", key="5 12"))
WRONG = FIVE.child(Proposal(text="5 * 4 + 6 = 26", key="26", answer="26"))
RIGHT = SIX.child(Proposal(text="6 * 5 - 6 = 24", key="24", answer="(10 - 4) * 5 - 6"))
CALL = Usage(model_calls=1, completion_tokens=10, dollars=0.25)

HISTORY = [
    begun(PROBLEM),
    Round(
        told=(
            Told(
                thought_id=ROOT.id,
                draw=0,
                children=(FIVE.id, SIX.id, SUM.id),
                events=(
                    Proposed(FIVE),
                    Evaluated(FIVE.id, Value(likely=1.0)),
                    Proposed(SIX),
                    Evaluated(SIX.id, Value(sure=1.0)),
                    Proposed(SUM),
                    Evaluated(SUM.id, Value(impossible=1.0)),
                    Pruned(SUM.id, "not among the best 2"),
                    Expanded(ROOT.id, 0, Dropped(), CALL + CALL),
                ),
            ),
        ),
        best=SIX.id,
        elapsed=1.0,
    ),
    Round(
        told=(
            Told(
                thought_id=FIVE.id,
                draw=0,
                children=(TEN.id, WRONG.id),
                events=(
                    Proposed(TEN),
                    Evaluated(TEN.id, Value(likely=0.5)),
                    Pruned(TEN.id, "not among the best 2"),
                    Proposed(WRONG),
                    Validated(WRONG.id, Verdict.IMPOSSIBLE, "it is 26"),
                    Expanded(FIVE.id, 0, Dropped(), CALL),
                ),
            ),
            Told(
                thought_id=SIX.id,
                draw=0,
                children=(TEN.id, LONG.id, RIGHT.id),
                events=(
                    Merged(TEN.id, SIX.id, "5 + 5 = 10"),
                    Proposed(LONG),
                    Failed(LONG.id, Reason.PROMPT_TOO_LONG, "2000 of 1024"),
                    Proposed(RIGHT),
                    Validated(RIGHT.id, Verdict.CERTAIN, ""),
                    Expanded(SIX.id, 0, Dropped(), CALL),
                ),
            ),
        ),
        best=RIGHT.id,
        elapsed=2.0,
    ),
    Ended(status="SOLVED", answer="(10 - 4) * 5 - 6", best=RIGHT.id),
]
SOLVES = ("first", "second")
PARAMETERS = {"solve_id": "first", "id": WRONG.id, "problem": PROBLEM}

FOUND = {
    "The latest solves": [("first", PROBLEM, "SOLVED", RIGHT.answer), ("second", PROBLEM, "SOLVED", RIGHT.answer)],
    "The answers": [("first", RIGHT.id, RIGHT.answer, True), ("second", RIGHT.id, RIGHT.answer, True)],
    "The steps to the chosen answer": [(0, PROBLEM, None), (1, SIX.text, 1.0), (2, RIGHT.text, None)],
    "The walk back from any thought to the root": [
        (2, WRONG.text, "rejected"),
        (1, FIVE.text, "open"),
        (0, PROBLEM, "open"),
    ],
    "The most pruned states": [("4 5 16", 2, 0.0), ("5 10", 2, 0.25)],
    "Why branches ended": [
        ("pruned", "not among the best 2", 2),
        ("failed", "PROMPT_TOO_LONG: 2000 of 1024", 1),
        ("rejected", "it is 26", 1),
    ],
    "Cost by level": [(0, 1, 2, 20, 0.5), (1, 3, 2, 20, 0.5), (2, 4, 0, 0, 0.0)],
    "Merged branches": [(TEN.id, "5 10", 2)],
    "Steps that lead to answers": [(SIX.text, 2)],
}


def queries(language):
    """The queries of the page in this language, by the heading that they stand under."""
    found, heading = {}, ""
    for title, written_in, text in QUERY.findall(PAGE.read_text()):
        heading = title or heading
        if written_in == language:
            assert heading not in found
            found[heading] = text
    return found


async def put(store):
    for solve_id in SOLVES:
        for changes in all_changes(solve_id, HISTORY, [2, 3]):
            await write(store, changes)
    await store.close()


def test_the_page_has_a_result_for_every_query():
    assert queries("cypher").keys() == FOUND.keys()
    assert queries("sql").keys() <= FOUND.keys()
    assert len(queries("sql")) > 6


@pytest.fixture
async def path(tmp_path):
    path = tmp_path / "kot.db"
    await put(SqliteTrees(path))
    return path


@pytest.mark.parametrize(("heading", "query"), queries("sql").items())
def test_sql(path, heading, query):
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        assert connection.execute(query, PARAMETERS).fetchall() == FOUND[heading]
    finally:
        connection.close()


def test_sql_looks_things_up_and_scans_no_other_solve(path):
    """What asks for one solve, or one thought, must not read all the others."""
    connection = sqlite3.connect(path)
    try:
        for heading, query in queries("sql").items():
            if ":solve_id" in query:
                plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}", PARAMETERS)]
                scans = [step for step in plan if re.search(r"SCAN (thought|tree_thought|parent|tree_step)\b", step)]
                assert not scans, (heading, plan)
    finally:
        connection.close()


@pytest.fixture(scope="module")
def server():
    pytest.importorskip("arcadedb_embedded", reason=GRAPH)
    with graph_server() as server:
        yield server


@pytest.mark.heavy
async def test_cypher(server):
    from neo4j import AsyncGraphDatabase

    await put(Neo4jTrees(server.settings(timeout=60)))
    async with AsyncGraphDatabase.driver(server.settings().uri, auth=("root", PASSWORD)) as driver:
        for heading, query in queries("cypher").items():
            found = await driver.execute_query(query, PARAMETERS, database_=DATABASE)
            assert [tuple(record.values()) for record in found.records] == FOUND[heading], heading
        shape = "MATCH (s:Solve {id: 'first'})-[:ROOT]->(r)-[l:LEADS_TO {on_answer_path: true}]->(a)-[m]->(b) RETURN *"
        found = await driver.execute_query(shape, database_=DATABASE)
        marked = [record["b"]["id"] for record in found.records if record["m"]["on_answer_path"]]
        assert marked == [RIGHT.id]
