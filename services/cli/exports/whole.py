"""Whole trees: a line for each thought, with its solve."""

from collections.abc import AsyncGenerator

from services.cli.exports.solve import StoredSolve
from services.cli.wording import thought_state_of, usage_of
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.rpc.gen.kubeofthoughts.v1 import thought_pb2


async def records(solve: StoredSolve) -> AsyncGenerator[dict[str, object], None]:
    """Yield the thoughts of a solve, in the order of discovery."""
    described = solve.description
    shared = {
        "solve_id": solve.solve_id,
        "problem": described.problem,
        "task": described.task,
        "strategy": described.strategy,
        "solve_status": solve.state,
    }
    number = 0
    async for thought in solve.thoughts():
        yield {**shared, "number": number, **_of(thought)}
        number += 1


def _of(thought: wire.TreeThought) -> dict[str, object]:
    judged = thought.HasField("value")
    return {
        "thought_id": thought.thought_id,
        "parent_id": thought.parent_id or None,
        "depth": thought.depth,
        "text": thought.text,
        "answer": thought.answer if thought.HasField("answer") else None,
        "status": thought_state_of(thought),
        "note": thought.note or None,
        "score": thought.score if judged else None,
        "value": _value(thought.value) if judged else None,
        "draws": thought.draws,
        "on_answer_path": thought.on_answer_path,
        "usage": usage_of(thought.usage),
        "merged": [{"parent_id": way.parent_id, "text": way.text} for way in thought.merged],
    }


def _value(value: thought_pb2.Value) -> dict[str, float]:
    if value.HasField("votes"):
        return {"votes": value.votes}
    return {"sure": value.sure, "likely": value.likely, "impossible": value.impossible}
