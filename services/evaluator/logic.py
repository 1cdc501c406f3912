"""From states to values: the task's rule where it settles the matter, the model's judgement where it does not.

The model says sure, likely or impossible (the value prompt of Yao et al. 2023, section 3): its own probabilities of the
three where the label is the first token, else the shares of sampled labels.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

from services.core.errors import KotError
from services.core.ports import (
    CompletionDone,
    CompletionRequest,
    EvaluateRequest,
    EvaluateUpdate,
    LanguageModel,
    SampleDone,
    TextDelta,
)
from services.core.seeds import derive_seed
from services.core.task import Prompt, Task
from services.core.thought import Label, State, Usage, Value
from services.rpc.streams import merge

SAMPLES = 3
"""Labels sampled where probabilities cannot be read; the paper's number."""


class ModelEvaluator:
    """An `Evaluator` that asks a language model."""

    def __init__(self, model: LanguageModel, find_task: Callable[[str], Task]) -> None:
        self._model = model
        self._find_task = find_task

    async def evaluate(self, batch: Sequence[EvaluateRequest]) -> AsyncGenerator[Sequence[EvaluateUpdate], None]:
        """Judge every state of the batch at the same time."""
        states = [
            self._evaluate(request, index, state) for request in batch for index, state in enumerate(request.states)
        ]
        async with aclosing(merge(states)) as ready:
            async for updates in ready:
                yield updates

    async def _evaluate(
        self, request: EvaluateRequest, index: int, state: State
    ) -> AsyncGenerator[EvaluateUpdate, None]:
        try:
            task = self._find_task(request.task.name)
            if label := task.value_by_rule(state):
                yield EvaluateUpdate(id=request.id, index=index, value=Value.certain(label))
                return
            prompt = task.value_prompt(state, request.task.style)
            value, usage = await self._ask(task, prompt, request)
        except KotError as error:
            yield EvaluateUpdate(id=request.id, index=index, error=error)
        else:
            yield EvaluateUpdate(id=request.id, index=index, value=value, usage=usage)

    async def _ask(self, task: Task, prompt: Prompt, request: EvaluateRequest) -> tuple[Value, Usage]:
        read_probabilities = bool(prompt.labels) and request.samples == 0
        samples = 1 if read_probabilities else request.samples or SAMPLES
        sampling = replace(request.sampling, max_tokens=1) if read_probabilities else request.sampling
        texts = [""] * samples
        probabilities: tuple[float, ...] = ()
        usage = Usage(model_calls=1)
        completion = CompletionRequest(
            prompt=prompt.text,
            samples=samples,
            sampling=sampling,
            seed=derive_seed(prompt.text, self._model.revision, sampling, samples, request.seed),
            stop=prompt.stop,
            labels=prompt.labels if read_probabilities else (),
        )
        async with aclosing(self._model.complete(completion)) as events:
            async for event in events:
                match event:
                    case TextDelta(sample, text):
                        texts[sample] += text
                    case SampleDone(_, tokens, _, found):
                        usage += Usage(completion_tokens=tokens)
                        probabilities = probabilities or found
                    case CompletionDone(tokens, cached):
                        usage += Usage(prompt_tokens=tokens, cache_hits=int(cached))
        if probabilities:
            return Value(**dict(zip(prompt.labels, probabilities, strict=True))), usage
        return _shares([task.parse_value(text) for text in texts]), usage


def _shares(labels: Sequence[Label | None]) -> Value:
    """Return each label's share of the samples; a sample without a label counts for none."""
    return Value(**{label.value: labels.count(label) / len(labels) for label in Label})
