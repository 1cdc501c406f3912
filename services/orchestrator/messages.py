"""From a solve's history to what its clients receive."""

import hashlib
from collections.abc import Iterator

from services.core.history import Awaited, Begun, Ended, Parked, Record, Resumed, Round
from services.core.stores import LogHead, Step, StoredThought
from services.core.task import ModelValidated, PromptStyle, Task
from services.core.thought import State, Thought, Usage
from services.core.tree import Expanded, Merged, Proposed, Status
from services.orchestrator.origin import Origin, Prompts
from services.rpc.convert import event_to_proto, usage_to_proto, value_to_proto
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.rpc.history import FAILED


class Messages:
    """Turns one solve's records, from the first on, into messages, in the detail that a client asked for."""

    def __init__(self, solve_id: str, detail: wire.EventDetail) -> None:
        self._solve_id = solve_id
        self._detail = detail
        self._progress = wire.Progress(nodes=1)
        self._usage = Usage()

    def of(self, record: Record) -> Iterator[wire.SolveResponse]:
        """Yield the messages of one record; its end is the result alone if nothing comes after it."""
        match record:
            case Begun():
                root = Thought.root(record.problem)
                self._progress.best = root.text
                accepted = wire.SolveAccepted(
                    solve_id=self._solve_id,
                    problem=root.text,
                    root_id=root.id,
                    strategy=record.strategy,
                    pod=record.pod,
                    trace=record.trace,
                )
                yield wire.SolveResponse(accepted=accepted)
            case Awaited(stage=stage):
                yield wire.SolveResponse(awaited=wire.StageAwaited(stage=stage))
            case Resumed(pod=pod, trace=trace):
                yield wire.SolveResponse(taken_up=wire.SolveTakenUp(pod=pod, trace=trace))
            case Round():
                yield from self._of_round(record)
            case Ended() | Parked():
                pass

    def result(self, ended: Ended) -> wire.SolveResponse:
        """Return the last message."""
        self._progress.usage.CopyFrom(usage_to_proto(ended.usage))
        result = wire.SolveResult(
            solve_id=self._solve_id,
            status=f"SOLVE_STATUS_{ended.status}",
            answer=ended.answer,
            steps=ended.steps,
            usage=usage_to_proto(ended.usage),
            elapsed_seconds=ended.elapsed,
            progress=self._progress,
        )
        return wire.SolveResponse(result=result)

    def _of_round(self, record: Round) -> Iterator[wire.SolveResponse]:
        events = [event for told in record.told for event in told.events]
        for event in events:
            match event:
                case Proposed(thought):
                    self._progress.nodes += 1
                    self._progress.depth = max(self._progress.depth, thought.depth)
                case Merged():
                    self._progress.merged += 1
                case Expanded(usage=usage):
                    self._usage += usage
        self._progress.best = record.best
        self._progress.away[:] = record.away
        if self._detail == wire.EVENT_DETAIL_RESULT:
            return
        if self._detail == wire.EVENT_DETAIL_ALL:
            yield wire.SolveResponse(thoughts=wire.ThoughtEvents(events=map(event_to_proto, events)))
        self._progress.usage.CopyFrom(usage_to_proto(self._usage))
        progress = wire.Progress()
        progress.CopyFrom(self._progress)
        yield wire.SolveResponse(progress=progress)


def request_hash(request: wire.SolveRequest) -> str:
    """Return what tells a request that is sent again from another one; how much is streamed of it does not matter."""
    same = wire.SolveRequest()
    same.CopyFrom(request)
    same.ClearField("event_detail")
    return hashlib.blake2b(same.SerializeToString(deterministic=True), digest_size=16).hexdigest()


def describe(head: LogHead) -> wire.SolveDescription:
    """Describe a solve by its log's first and last record."""
    begun, last = head.first, head.last
    description = wire.SolveDescription(
        solve_id=head.solve_id,
        problem=begun.problem,
        task=begun.task,
        strategy=begun.strategy,
        state=wire.SOLVE_STATE_RUNNING if head.leased else wire.SOLVE_STATE_PARKED,
    )
    description.begun.FromMicroseconds(int(begun.begun_at * 1e6))
    if isinstance(last, Ended | Parked):
        description.usage.CopyFrom(usage_to_proto(last.usage))
        description.elapsed_seconds = last.elapsed
    match last:
        case Ended(status=status, message=message) if status == FAILED:
            description.state, description.message = wire.SOLVE_STATE_FAILED, message
        case Ended(status=status, answer=answer):
            description.state, description.answer = wire.SOLVE_STATE_ENDED, answer
            description.MergeFrom(wire.SolveDescription(status=f"SOLVE_STATUS_{status}"))
        case Parked(why=why):
            description.message = why
    return description


def describe_task(task: Task, style: PromptStyle) -> wire.TaskDescription:
    """Describe a task, with what it asks models about its example."""
    problem = task.normalize(task.example)
    begun = State(problem, ())
    prompts = wire.TaskPrompts(
        propose=task.propose_prompt(begun, style).text,
        evaluate=task.value_prompt(begun, style).text,
        validate=task.validate_prompt(problem, "", style).text if isinstance(task, ModelValidated) else "",
    )
    return wire.TaskDescription(
        name=task.name, summary=task.summary, example=task.example, depth=task.depth, prompts=prompts
    )


_STATUSES = {
    Status.OPEN: wire.THOUGHT_STATUS_OPEN,
    Status.PRUNED: wire.THOUGHT_STATUS_PRUNED,
    Status.FAILED: wire.THOUGHT_STATUS_FAILED,
    Status.REJECTED: wire.THOUGHT_STATUS_REJECTED,
    Status.ANSWER: wire.THOUGHT_STATUS_ANSWER,
}


def thought_to_proto(thought: StoredThought, merged: list[Step]) -> wire.TreeThought:
    """Write a thought of a stored tree, and the further ways that lead to it."""
    return wire.TreeThought(
        thought_id=thought.id,
        parent_id=thought.parent_id or "",
        depth=thought.depth,
        text=thought.text,
        answer=thought.answer,
        value=value_to_proto(thought.value) if thought.value else None,
        score=thought.value.score if thought.value else 0.0,
        status=_STATUSES[thought.status],
        note=thought.note,
        draws=thought.draws,
        usage=usage_to_proto(thought.usage),
        on_answer_path=thought.on_answer_path,
        merged=[wire.ThoughtMerged(parent_id=step.parent_id, text=step.text) for step in merged],
    )


def origin_to_proto(thought: StoredThought, origin: Origin, prompts: Prompts, left_out: str) -> wire.GetThoughtResponse:
    """Write a thought and where it came from; `left_out` says why there are no prompts."""
    by = {
        "proposed": (origin.proposed, prompts.propose),
        "evaluated": (origin.evaluated, prompts.evaluate),
        "validated": (origin.validated, prompts.validate),
    }
    reports = {name: wire.StageReport(prompt=prompt, pod=event.pod) for name, (event, prompt) in by.items() if event}
    return wire.GetThoughtResponse(
        thought=thought_to_proto(thought, origin.merged),
        elapsed_seconds=origin.elapsed,
        expansion_usage=usage_to_proto(origin.usage),
        trace=origin.trace,
        prompts_left_out=left_out,
        **reports,
    )
