"""Examples to train on: the right steps of a solve, and preferences among siblings."""

from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field

from services.cli.exports.solve import Reader, StoredSolve
from services.cli.wording import thought_state_of
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire


@dataclass(slots=True)
class Unread:
    """Counts the steps that this version of their task does not read."""

    steps: int = 0


@dataclass(slots=True)
class _Family:
    """A thought, and those that were first found from it."""

    steps: tuple[str, ...]
    """From the root to it."""
    children: list[wire.TreeThought] = field(default_factory=list)


async def right_steps(solve: StoredSolve, unread: Unread) -> AsyncGenerator[dict[str, object], None]:
    """Yield the steps to the answer, each with the prompt that asked for it."""
    reader = solve.make_reader()
    steps: tuple[str, ...] = ()
    async for thought in solve.thoughts():
        if not (thought.on_answer_path and thought.parent_id):
            continue
        prompt = reader.prompt(steps, thought.text)
        if prompt is None:
            unread.steps += 1
        else:
            yield {
                "prompt": prompt,
                "completion": thought.text,
                **_origin(solve, steps),
                "thought_id": thought.thought_id,
            }
        steps = (*steps, thought.text)


async def preferences(
    solve: StoredSolve, margin: float | None, unread: Unread
) -> AsyncGenerator[dict[str, object], None]:
    """Yield pairs of siblings: one on the way to the answer is preferred to one that is not.

    With a margin, of the rest too: one that was scored higher than another by so much. Without, only what lies beside
    the way to the answer is kept in memory.
    """
    reader = solve.make_reader()
    on_path = {thought.thought_id async for thought in solve.thoughts() if thought.on_answer_path}
    families: dict[str, _Family] = {}
    async for thought in solve.thoughts():
        mother = families.get(thought.parent_id)
        steps: tuple[str, ...] = ()
        if mother:
            mother.children.append(thought)
            steps = (*mother.steps, thought.text)
        if margin is not None or thought.thought_id in on_path:
            families[thought.thought_id] = _Family(steps)
    for family in families.values():
        for pair in _pairs(solve, reader, family, margin, unread):
            yield pair


def _pairs(
    solve: StoredSolve, reader: Reader, family: _Family, margin: float | None, unread: Unread
) -> Iterator[dict[str, object]]:
    prompts = {child.thought_id: reader.prompt(family.steps, child.text) for child in family.children}
    unread.steps += sum(prompt is None for prompt in prompts.values())
    for chosen in family.children:
        for rejected in family.children:
            reason = _why(chosen, rejected, margin)
            prompt = prompts[chosen.thought_id]
            if reason is None or prompt is None or prompt != prompts[rejected.thought_id]:
                continue
            yield {
                "prompt": prompt,
                "chosen": chosen.text,
                "rejected": rejected.text,
                "reason": reason,
                **_origin(solve, family.steps),
                "chosen_thought_id": chosen.thought_id,
                "rejected_thought_id": rejected.thought_id,
                "chosen_score": _score(chosen),
                "rejected_score": _score(rejected),
                "rejected_status": thought_state_of(rejected),
            }


def _why(chosen: wire.TreeThought, rejected: wire.TreeThought, margin: float | None) -> str | None:
    """Return why one is preferred to the other; None if it is not.

    An answer that is right too is no worse, and what failed was not judged.
    """
    if rejected.on_answer_path or rejected.status in (wire.THOUGHT_STATUS_ANSWER, wire.THOUGHT_STATUS_FAILED):
        return None
    if chosen.on_answer_path:
        return "answer_path"
    scores = _score(chosen), _score(rejected)
    if margin is None or scores[0] is None or scores[1] is None:
        return None
    return "score" if scores[0] > scores[1] and scores[0] - scores[1] >= margin else None


def _score(thought: wire.TreeThought) -> float | None:
    return thought.score if thought.HasField("value") else None


def _origin(solve: StoredSolve, steps: tuple[str, ...]) -> dict[str, object]:
    return {
        "solve_id": solve.solve_id,
        "task": solve.description.task,
        "problem": solve.description.problem,
        "steps": list(steps),
    }
