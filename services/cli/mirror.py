"""A solve as its client sees it: the server's tree, rebuilt from the events that it streams."""

from services.core.thought import Dropped, Thought
from services.core.tree import Expanded, Tree
from services.rpc.convert import event_from_proto
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire


class Mirror:
    """Takes the messages of one solve; holds what they add up to.

    A stream that is begun again tells all from the beginning: what was known of the tree and of the progress stays
    until the new stream has come as far.
    """

    def __init__(self, problem: str) -> None:
        self.solve_id = ""
        """Empty until the server has taken the solve on."""
        self.tree = Tree(Thought.root(problem))
        self.progress = wire.Progress()
        self.dropped = Dropped()
        """Lines of the model that became no thoughts."""
        self.awaited: set[str] = set()
        """Services that are waited for."""
        self.strategy = ""
        """The strategy that solves: the one that was asked for, or picked."""
        self.result: wire.SolveResult | None = None
        self._told = self.tree
        """The tree as far as the stream has told it."""

    def take(self, message: wire.SolveResponse) -> None:
        """Add one message."""
        match message.WhichOneof("event"):
            case "accepted":
                self._begin(message.accepted)
            case "awaited":
                self.awaited.add(message.awaited.stage)
            case "thoughts":
                self._grow(message.thoughts)
            case "progress":
                if message.progress.nodes >= self.progress.nodes:
                    self.progress = message.progress
            case "result":
                self.result = message.result
                self.progress = message.result.progress
                self.tree = self._told
        if len(self._told) >= len(self.tree):
            self.tree = self._told

    def _begin(self, root: wire.SolveAccepted) -> None:
        self.solve_id, self.strategy = root.solve_id, root.strategy
        self._told = Tree(Thought(root.root_id, None, depth=0, text=root.problem, key=""))
        self.dropped = Dropped()
        self.awaited.clear()

    def _grow(self, thoughts: wire.ThoughtEvents) -> None:
        self.awaited.clear()
        for message in thoughts.events:
            event = event_from_proto(message)
            if event is not None:
                self._told.apply(event)
            if isinstance(event, Expanded):
                self.dropped += event.dropped
