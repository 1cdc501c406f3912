"""A solve as its client sees it: the server's tree, rebuilt from the events that it streams."""

from services.core.thought import Dropped, Thought, Verdict
from services.core.tree import Evaluated, Event, Expanded, Failed, Merged, Proposed, Pruned, Tree, Validated
from services.rpc.convert import dropped_from_proto, usage_from_proto, value_from_proto
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.rpc.gen.kubeofthoughts.v1 import thought_pb2
from services.rpc.status import from_failure


class Mirror:
    """Takes the messages of one solve; holds what they add up to."""

    def __init__(self, problem: str) -> None:
        self.tree = Tree(Thought.root(problem))
        self.progress = wire.Progress()
        self.dropped = Dropped()
        """Lines of the model that became no thoughts."""
        self.awaited: set[str] = set()
        """Stages that are waking up."""
        self.result: wire.SolveResult | None = None

    def take(self, message: wire.SolveResponse) -> None:
        """Add one message."""
        match message.WhichOneof("event"):
            case "accepted":
                root = message.accepted
                self.tree = Tree(Thought(root.root_id, None, depth=0, text=root.problem, key=""))
            case "awaited":
                self.awaited.add(message.awaited.stage)
            case "thoughts":
                self._grow(message.thoughts)
            case "progress":
                self.progress = message.progress
            case "result":
                self.result = message.result
                self.progress = message.result.progress

    def _grow(self, thoughts: wire.ThoughtEvents) -> None:
        self.awaited.clear()
        for message in thoughts.events:
            event = _event_from_proto(message)
            if event is not None:
                self.tree.apply(event)
            if isinstance(event, Expanded):
                self.dropped += event.dropped


def _event_from_proto(message: wire.ThoughtEvent) -> Event | None:
    """Read an event; None if it is newer than this client. Keys stay with the server: a thought's id stands in."""
    subject = message.thought_id
    match message.WhichOneof("event"):
        case "proposed":
            born = message.proposed
            answer = born.answer if born.HasField("answer") else None
            return Proposed(Thought(subject, born.parent_id, born.depth, born.text, key=subject, answer=answer))
        case "merged":
            return Merged(subject, message.merged.parent_id, message.merged.text)
        case "evaluated":
            return Evaluated(subject, value_from_proto(message.evaluated.value))
        case "validated":
            certain = message.validated.verdict == thought_pb2.VERDICT_CERTAIN
            verdict = Verdict.CERTAIN if certain else Verdict.IMPOSSIBLE
            return Validated(subject, verdict, message.validated.explanation)
        case "pruned":
            return Pruned(subject, message.pruned.reason)
        case "expanded":
            expanded = message.expanded
            dropped, usage = dropped_from_proto(expanded.dropped), usage_from_proto(expanded.usage)
            return Expanded(subject, expanded.draw, dropped, usage)
        case "failed":
            error = from_failure(message.failed.failure)
            return Failed(subject, error.reason, str(error))
        case _:
            return None
