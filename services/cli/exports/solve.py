"""One solve, as exports read it: what was asked for, its task, and its thoughts."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from services.cli.client import Client
from services.cli.wording import state_of
from services.core.errors import InvalidInput
from services.core.ports import TaskSelection
from services.core.task import Method, PromptStyle, Task, ThoughtRejected
from services.core.thought import State
from services.plugins import find_strategy, task_of
from services.rpc.convert import definition_from_proto, style_from_proto
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire


@dataclass(frozen=True, slots=True)
class StoredSolve:
    """A solve on a server."""

    client: Client
    description: wire.SolveDescription
    request: wire.SolveRequest
    style: PromptStyle
    """How its prompts for thoughts are written."""

    @classmethod
    async def find(cls, client: Client, solve_id: str) -> "StoredSolve":
        """Return the solve. Raises `UnknownSolve`."""
        found: wire.GetSolveResponse = await client.ask(client.stub.GetSolve(wire.GetSolveRequest(solve_id=solve_id)))
        return cls(client, found.solve, found.request, style_from_proto(found.prompt_style, PromptStyle.BARE))

    @property
    def solve_id(self) -> str:
        """Its id."""
        return self.description.solve_id

    @property
    def state(self) -> str:
        """Where it stands: RUNNING, PARKED, FAILED, or how it ended."""
        return state_of(self.description)

    async def thoughts(self) -> AsyncGenerator[wire.TreeThought, None]:
        """Yield its thoughts, in the order of discovery, parents before children."""
        async with aclosing(self.client.thoughts(self.solve_id)) as thoughts:
            async for thought in thoughts:
                yield thought

    def make_reader(self) -> "Reader":
        """Return what reads its steps. Raises `InvalidInput` if its task or strategy is not known here."""
        defined = self.request.HasField("definition")
        selection = TaskSelection(
            name="" if defined else self.description.task,
            definition=definition_from_proto(self.request.definition) if defined else None,
            style=self.style,
        )
        method = getattr(find_strategy(self.description.strategy).Policy, "method", None)
        return Reader(task_of(selection), self.style, self.description.problem, method)


@dataclass(frozen=True, slots=True)
class Reader:
    """Says which prompt a step answers."""

    task: Task
    style: PromptStyle
    problem: str
    method: Method | None
    """What the strategy asks for, if it always asks for the same."""

    def prompt(self, steps: tuple[str, ...], text: str) -> str | None:
        """Return the prompt that asks for a step after `steps`; None if this version of the task does not read it."""
        state = State(self.problem, steps)
        method = self.method or self._method(state, text)
        try:
            return self.task.propose_prompt(state, self.style, method).text if method else None
        except InvalidInput:
            return None

    def _method(self, state: State, text: str) -> Method | None:
        """Return what a step answers: one line is a step, unless it is none of the task's; then it ends a chain."""
        try:
            if "\n" not in text and self.task.parse_thought(state, text, trust=True).text == text:
                return Method.STEP
        except (ThoughtRejected, InvalidInput):
            pass
        try:
            return Method.CHAIN if self.task.parse_solution(state, text).text == text else None
        except (ThoughtRejected, InvalidInput):
            return None
