"""A solve as its client sees it: the server's tree, rebuilt from the events that it streams."""

from services.core.thought import Dropped, Thought
from services.core.tree import Expanded, Tree
from services.rpc.convert import event_from_proto
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire


class Mirror:
    """Takes the messages of one solve; holds what they add up to."""

    def __init__(self, problem: str) -> None:
        self.tree = Tree(Thought.root(problem))
        self.progress = wire.Progress()
        self.dropped = Dropped()
        """Lines of the model that became no thoughts."""
        self.awaited: set[str] = set()
        """Stages that are waking up."""
        self.strategy = ""
        """The strategy that solves: the one that was asked for, or picked."""
        self.result: wire.SolveResult | None = None

    def take(self, message: wire.SolveResponse) -> None:
        """Add one message."""
        match message.WhichOneof("event"):
            case "accepted":
                root = message.accepted
                self.strategy = root.strategy
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
            event = event_from_proto(message)
            if event is not None:
                self.tree.apply(event)
            if isinstance(event, Expanded):
                self.dropped += event.dropped
