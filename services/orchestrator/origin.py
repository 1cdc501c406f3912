"""Where a thought came from: what models were asked, by which pods, when, and at what cost.

A solve's history says all of it but the prompts. These follow from the task and from the steps, so they are not kept
but written anew.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.core.errors import HistoryRefused
from services.core.history import Begun, Record, Resumed, Round, Told
from services.core.projection import Projection
from services.core.stores import Step, StoredThought
from services.core.task import ModelValidated, Votable
from services.core.thought import State, Usage
from services.core.tree import Evaluated, Event, Merged, Proposed, Validated
from services.orchestrator.plan import Plan


@dataclass(frozen=True, slots=True)
class Prompts:
    """What models were asked for a thought; empty where none was."""

    propose: str = ""
    evaluate: str = ""
    validate: str = ""


class Origin:
    """Follows one thought through the records of its solve; it takes each of them once, in order."""

    def __init__(self, solve_id: str, begun: Begun, thought_id: str) -> None:
        """Begin with the first record of the log."""
        self.thought_id = thought_id
        self.proposed: Proposed | None = None
        self.evaluated: Evaluated | None = None
        self.validated: Validated | None = None
        self.elapsed = 0.0
        """Seconds that the solve had run when it was told of the thought."""
        self.trace = begun.trace
        """Names the trace of what the thought was found in."""
        self.merged: list[Step] = []
        """Further ways to it."""
        self._projection = Projection(solve_id, begun)
        self._draws: defaultdict[tuple[str, int], list[Told]] = defaultdict(list)
        """What the draws of each thought have brought."""
        self._brought_by: list[Told] = []
        """What the draw has brought that brought this one."""
        self._texts: dict[tuple[str, str], str] = {}
        """How steps from one thought to another were worded."""

    def take(self, records: Iterable[Record]) -> None:
        """Add what comes next in the log. Raises `HistoryRefused` if it cannot come next."""
        for record in records:
            self._projection.take([record])
            match record:
                case Resumed(trace=trace) if self.proposed is None:
                    self.trace = trace
                case Round(told=told, elapsed=elapsed):
                    for each in told:
                        self._draws[each.thought_id, each.draw].append(each)
                        self._look_into(each, elapsed)

    @property
    def thought(self) -> StoredThought | None:
        """The thought; None if the solve has none of this id."""
        return self._projection.stored(self.thought_id) if self._projection.tree.get(self.thought_id) else None

    @property
    def usage(self) -> Usage:
        """What the whole expansion has cost so far that brought the thought."""
        return sum((told.usage for told in self._brought_by), Usage())

    def prompts(self, plan: Plan) -> Prompts:
        """Write anew what models were asked, by the plan of the solve.

        Raises `HistoryRefused` if the history is of a version that did not keep what was asked for.
        """
        if self.proposed is None:
            return Prompts()
        thought, method = self.proposed.thought, self._brought_by[0].method
        if method is None:
            raise HistoryRefused("the solve's history does not say whether a step was asked for or a whole solution")
        parent = State(plan.options.problem, self._projection.tree.steps(thought.parent_id or ""))
        answer = thought.answer if self.validated else None
        return Prompts(
            propose=plan.task.propose_prompt(parent, plan.options.task.style, method).text,
            evaluate=self._evaluate_prompt(plan, parent, thought.text),
            validate="" if answer is None else _validate_prompt(plan, answer),
        )

    def _look_into(self, told: Told, elapsed: float) -> None:
        for event in told.events:
            match event:
                case Proposed(thought):
                    self._texts[thought.parent_id or "", thought.id] = thought.text
                case Merged(thought_id, parent_id, text):
                    self._texts[parent_id, thought_id] = text
            if event.thought_id == self.thought_id:
                self._note(event, told, elapsed)

    def _note(self, event: Event, told: Told, elapsed: float) -> None:
        match event:
            case Proposed():
                self.proposed, self.elapsed = event, elapsed
                self._brought_by = self._draws[told.thought_id, told.draw]
            case Merged(_, parent_id, text):
                self.merged.append(Step(parent_id, self.thought_id, text, len(self.merged) + 1))
            case Evaluated():
                self.evaluated = event
            case Validated():
                self.validated = event

    def _evaluate_prompt(self, plan: Plan, parent: State, text: str) -> str:
        if self.evaluated is None:
            return ""
        if self.evaluated.value.votes is not None:
            return _vote_prompt(plan, parent, self._siblings())
        state = State(parent.problem, (*parent.steps, text))
        by_rule = not plan.options.rules.trusts and plan.task.value_by_rule(state)
        return "" if by_rule else plan.task.value_prompt(state, plan.options.value_task.style).text

    def _siblings(self) -> Sequence[str]:
        """Return what the same draw has brought, in order; nothing while more may come."""
        if not self._brought_by[-1].done:
            return ()
        parent_id = self._brought_by[0].thought_id
        return [self._texts[parent_id, child] for told in self._brought_by for child in told.children]


def _vote_prompt(plan: Plan, parent: State, choices: Sequence[str]) -> str:
    """Return what was asked about the choices: nothing, if there was none."""
    if len(choices) < 2 or not isinstance(plan.task, Votable):
        return ""
    return plan.task.vote_prompt(parent, choices, plan.options.value_task.style).text


def _validate_prompt(plan: Plan, answer: str) -> str:
    task, problem = plan.task, plan.options.problem
    if task.validate(problem, answer) is not None or not isinstance(task, ModelValidated):
        return ""
    return task.validate_prompt(problem, answer, plan.options.validate_task.style).text
