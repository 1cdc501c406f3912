"""From answers to verdicts, by the task's own rule."""

from collections.abc import AsyncGenerator, Callable, Sequence

from services.core.ports import ValidateRequest, ValidateUpdate
from services.core.task import Task


class RuleValidator:
    """A `Validator` for tasks whose rule a program can check."""

    def __init__(self, find_task: Callable[[str], Task]) -> None:
        self._find_task = find_task

    async def validate(self, batch: Sequence[ValidateRequest]) -> AsyncGenerator[Sequence[ValidateUpdate], None]:
        """Judge every answer of the batch."""
        yield [self._validate(request) for request in batch]

    def _validate(self, request: ValidateRequest) -> ValidateUpdate:
        task = self._find_task(request.task.name)
        verdict, explanation = task.validate(task.normalize(request.problem), request.answer)
        return ValidateUpdate(id=request.id, verdict=verdict, explanation=explanation)
