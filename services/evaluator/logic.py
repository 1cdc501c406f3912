"""From states to values: the task's rule where it settles the matter, the model's judgement where it does not.

The model says sure, likely or impossible (the value prompt of Yao et al. 2023, section 3): its own probabilities of the
three where the label is the first token, else the shares of sampled labels.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

from services.core.errors import InvalidInput, KotError
from services.core.ports import (
    CompletionDone,
    CompletionEvent,
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
        tally = _Tally()
        try:
            task = self._find_task(request.task.name)
            label = None if request.by_model else task.value_by_rule(state)
            if label:
                yield EvaluateUpdate(id=request.id, index=index, value=Value.certain(label))
                return
            prompt = task.value_prompt(state, request.task.style)
            async with aclosing(self._model.complete(_completion(prompt, request))) as events:
                tally.usage = Usage(model_calls=1)
                async for event in events:
                    tally.take(event)
        except KotError as error:
            yield EvaluateUpdate(id=request.id, index=index, error=error, usage=tally.usage)
        else:
            value = _read_value(task, prompt, tally)
            yield EvaluateUpdate(id=request.id, index=index, value=value, usage=tally.usage)


class _Tally:
    """What one completion says and costs."""

    def __init__(self) -> None:
        self.texts: dict[int, str] = {}
        self.probabilities: tuple[float, ...] = ()
        self.usage = Usage()

    def take(self, event: CompletionEvent) -> None:
        match event:
            case TextDelta(sample, text):
                self.texts[sample] = self.texts.get(sample, "") + text
            case SampleDone(sample, tokens, _, probabilities):
                self.texts.setdefault(sample, "")
                self.probabilities = self.probabilities or probabilities
                self.usage += Usage(completion_tokens=tokens)
            case CompletionDone(tokens, cached):
                self.usage += Usage(prompt_tokens=tokens, cache_hits=int(cached))


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
    )


def _read_value(task: Task, prompt: Prompt, tally: _Tally) -> Value:
    """Return the probabilities that were read, else each label's share of the samples."""
    if tally.probabilities:
        return Value(**dict(zip(prompt.labels, tally.probabilities, strict=True)))
    return _shares([task.parse_value(text) for text in tally.texts.values()])


def _shares(labels: Sequence[Label | None]) -> Value:
    """Return each label's share of the samples; a sample without a label counts for none."""
    return Value(**{label.value: labels.count(label) / len(labels) for label in Label})
