"""From answers to verdicts: by the task's own rule, or, where it has none, by asking a language model."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

from services.core.completion import Completion
from services.core.errors import KotError
from services.core.ports import CompletionRequest, LanguageModel, TaskSelection, ValidateRequest, ValidateUpdate
from services.core.seeds import derive_seed
from services.core.task import ModelValidated, Task
from services.core.thought import Verdict
from services.rpc.streams import merge
from services.telemetry import names, tracing

LONGEST_QUOTE = 400
"""Characters of what the model says that an explanation repeats."""


class AnswerValidator:
    """A `Validator` that asks `model` where a task has no rule."""

    def __init__(self, model: LanguageModel, find_task: Callable[[TaskSelection], Task]) -> None:
        self._model = model
        self._find_task = find_task

    async def validate(self, batch: Sequence[ValidateRequest]) -> AsyncGenerator[Sequence[ValidateUpdate], None]:
        """Judge every answer of the batch: what a rule settles comes first."""
        ruled: list[ValidateUpdate] = []
        asked: list[AsyncGenerator[ValidateUpdate, None]] = []
        for request in batch:
            task = self._find_task(request.task)
            problem = task.normalize(request.problem)
            judged = task.validate(problem, request.answer)
            if judged is None:
                asked.append(self._ask(task, problem, request))
                continue
            verdict, explanation = judged
            with tracing.span(names.VALIDATE, request.trace, {names.VERDICT: str(verdict)}):
                ruled.append(ValidateUpdate(id=request.id, verdict=verdict, explanation=explanation))
        if ruled:
            yield ruled
        if asked:
            async with aclosing(merge(asked)) as ready:
                async for updates in ready:
                    yield updates

    async def _ask(self, task: Task, problem: str, request: ValidateRequest) -> AsyncGenerator[ValidateUpdate, None]:
        """Ask the model within a span of its own."""
        with tracing.span(names.VALIDATE, request.trace) as span:
            update = await self._asked(task, problem, replace(request, trace=span.trace))
            if update.error:
                span.fail(update.error.reason, str(update.error))
            else:
                span.note({names.VERDICT: str(update.verdict)})
            yield update

    async def _asked(self, task: Task, problem: str, request: ValidateRequest) -> ValidateUpdate:
        if not isinstance(task, ModelValidated):
            raise TypeError(f"task {task.name} has neither a rule for its answers nor a prompt")
        completion = Completion()
        try:
            prompt = task.validate_prompt(problem, request.answer, request.task.style)
            wanted = CompletionRequest(
                prompt=prompt.text,
                samples=1,
                sampling=request.sampling,
                seed=derive_seed(prompt.text, request.sampling, 1, request.seed),
                stop=prompt.stop,
                model=request.model,
                fresh=request.fresh,
                trace=request.trace,
            )
            await completion.read(self._model, wanted)
        except KotError as error:
            return ValidateUpdate(id=request.id, error=error, usage=completion.usage)
        text = "".join(completion.texts.values())
        verdict = task.parse_verdict(text)
        said = " ".join(text.split())[:LONGEST_QUOTE]
        return ValidateUpdate(
            id=request.id,
            # What is not said to be right is not.
            verdict=verdict or Verdict.IMPOSSIBLE,
            explanation=f"the model says: {said}" if verdict else f"the model gives no verdict: {said}",
            usage=completion.usage,
        )
