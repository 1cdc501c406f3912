"""From states to values: the task's rule where it settles the matter, the model's judgement where it does not.

The model says sure, likely or impossible (the value prompt of Yao et al. 2023, section 3): its own probabilities of the
three where the label is the first token, else the shares of sampled labels.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

from services.core.completion import Completion
from services.core.errors import InvalidInput, KotError
from services.core.ports import CompletionRequest, EvaluateRequest, EvaluateUpdate, LanguageModel, TaskSelection
from services.core.seeds import derive_seed
from services.core.task import Prompt, Task
from services.core.thought import Label, State, Value
from services.rpc.streams import merge


class ModelEvaluator:
    """An `Evaluator` that asks a language model."""

    def __init__(self, model: LanguageModel, find_task: Callable[[TaskSelection], Task]) -> None:
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
        completion = Completion()
        try:
            task = self._find_task(request.task)
            label = None if request.by_model else task.value_by_rule(state)
            if label:
                yield EvaluateUpdate(id=request.id, index=index, value=Value.certain(label))
                return
            prompt = task.value_prompt(state, request.task.style)
            await completion.read(self._model, _completion(prompt, request))
        except KotError as error:
            yield EvaluateUpdate(id=request.id, index=index, error=error, usage=completion.usage)
        else:
            value = _read_value(task, prompt, completion)
            yield EvaluateUpdate(id=request.id, index=index, value=value, usage=completion.usage)


def _completion(prompt: Prompt, request: EvaluateRequest) -> CompletionRequest:
    """Ask for labels, or, with no samples wanted, for the probabilities of the first token."""
    if request.samples == 0 and not prompt.labels:
        raise InvalidInput("this prompt style does not begin with a label: samples are needed", field="samples")
    samples = request.samples or 1
    sampling = request.sampling if request.samples else replace(request.sampling, max_tokens=1)
    return CompletionRequest(
        prompt=prompt.text,
        samples=samples,
        sampling=sampling,
        seed=derive_seed(prompt.text, sampling, samples, request.seed),
        stop=prompt.stop,
        labels=() if request.samples else prompt.labels,
        model=request.model,
        fresh=request.fresh,
    )


def _read_value(task: Task, prompt: Prompt, completion: Completion) -> Value:
    """Return the probabilities that were read, else each label's share of the samples."""
    if completion.probabilities:
        return Value(**dict(zip(prompt.labels, completion.probabilities, strict=True)))
    return _shares([task.parse_value(text) for text in completion.texts.values()])


def _shares(labels: Sequence[Label | None]) -> Value:
    """Return each label's share of the samples; a sample without a label counts for none."""
    return Value(**{label.value: labels.count(label) / len(labels) for label in Label})
