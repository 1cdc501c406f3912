"""From states to values: the task's rule where it settles the matter, the model's judgement where it does not.

The model says sure, likely or impossible (the value prompt of Yao et al. 2023, section 3): its own probabilities of the
three where the label is the first token, else the shares of sampled labels. Or it sees a group of siblings and
says which is the most promising (the vote prompt there): a state's worth is its share of the sampled votes.
"""

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial

from services.core.completion import Completion
from services.core.errors import InvalidInput, KotError
from services.core.ports import CompletionRequest, EvaluateRequest, EvaluateUpdate, LanguageModel, TaskSelection
from services.core.seeds import derive_seed
from services.core.task import MOST_CHOICES, EvaluationMethod, Prompt, Task, Votable
from services.core.thought import Label, State, Usage, Value
from services.rpc.streams import merge
from services.telemetry import names, tracing


class ModelEvaluator:
    """An `Evaluator` that asks a language model."""

    def __init__(self, model: LanguageModel, find_task: Callable[[TaskSelection], Task]) -> None:
        self._model = model
        self._find_task = find_task

    async def evaluate(self, batch: Sequence[EvaluateRequest]) -> AsyncGenerator[Sequence[EvaluateUpdate], None]:
        """Judge every state and every group of the batch at the same time. Raises `InvalidInput` for an empty group."""
        if not all(request.states for request in batch):
            raise InvalidInput("there are no states to judge", field="states")
        judged = [judging for request in batch for judging in self._judge(request)]
        async with aclosing(merge(judged)) as ready:
            async for updates in ready:
                yield updates

    def _judge(self, request: EvaluateRequest) -> Iterator[AsyncGenerator[EvaluateUpdate, None]]:
        traces = request.traces or ("",) * len(request.states)
        if request.method is EvaluationMethod.VOTE:
            judgings = [partial(self._vote, request)]
        else:
            judgings = [partial(self._evaluate, request, index, state) for index, state in enumerate(request.states)]
        for judge, trace in zip(judgings, traces, strict=False):
            yield _recorded(trace, request.method, judge) if trace else judge("")

    async def _vote(self, request: EvaluateRequest, trace: str) -> AsyncGenerator[EvaluateUpdate, None]:
        completion = Completion()
        shares: Sequence[float] = ()
        error = None
        try:
            task = _votable(self._find_task(request.task))
            parent, choices = _siblings(request)
            prompt = task.vote_prompt(parent, choices, request.task.style)
            if len(choices) == 1:
                shares = [1.0]
            else:
                await completion.read(self._model, _completion(prompt, request, trace))
                votes = [task.parse_vote(text, len(choices)) for text in completion.texts.values()]
                shares = vote_shares(votes, len(choices))
        except KotError as failure:
            error = failure
        for index in range(len(request.states)):
            yield EvaluateUpdate(
                id=request.id,
                index=index,
                value=None if error else Value(votes=shares[index]),
                usage=completion.usage if index == 0 else Usage(),
                error=error,
            )

    async def _evaluate(
        self, request: EvaluateRequest, index: int, state: State, trace: str
    ) -> AsyncGenerator[EvaluateUpdate, None]:
        completion = Completion()
        try:
            task = self._find_task(request.task)
            label = None if request.by_model else task.value_by_rule(state)
            if label:
                yield EvaluateUpdate(id=request.id, index=index, value=Value.certain(label))
                return
            prompt = task.value_prompt(state, request.task.style)
            await completion.read(self._model, _completion(prompt, request, trace))
        except KotError as error:
            yield EvaluateUpdate(id=request.id, index=index, error=error, usage=completion.usage)
        else:
            value = _read_value(task, prompt, completion)
            yield EvaluateUpdate(id=request.id, index=index, value=value, usage=completion.usage)


async def _recorded(
    trace: str, method: EvaluationMethod, judge: Callable[[str], AsyncGenerator[EvaluateUpdate, None]]
) -> AsyncGenerator[EvaluateUpdate, None]:
    """Judge within a span of its own."""
    with tracing.span(names.EVALUATE, trace, {names.METHOD: str(method)}) as span:
        async with aclosing(judge(span.trace)) as updates:
            async for update in updates:
                if update.error:
                    span.fail(update.error.reason, str(update.error))
                elif update.value:
                    span.note({names.SCORE: update.value.score})
                yield update


def _votable(task: Task) -> Votable:
    if not isinstance(task, Votable):
        raise InvalidInput(f"task {task.name} has no prompt for votes: its states are judged by value", field="method")
    return task


def _siblings(request: EvaluateRequest) -> tuple[State, list[str]]:
    """Return the state that a vote's states go on from, and their last steps; `InvalidInput` for other groups."""
    if len(request.states) > MOST_CHOICES:
        raise InvalidInput(f"a vote is about {MOST_CHOICES} states at most, not {len(request.states)}", field="states")
    if not request.samples:
        raise InvalidInput("votes are sampled: at least one is needed", field="samples")
    parents = {State(state.problem, state.steps[:-1]) for state in request.states}
    if len(parents) > 1 or not all(state.steps for state in request.states):
        raise InvalidInput("a vote is about states that differ in their last steps alone", field="states")
    return parents.pop(), [state.steps[-1] for state in request.states]


def _completion(prompt: Prompt, request: EvaluateRequest, trace: str) -> CompletionRequest:
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
        trace=trace,
    )


def _read_value(task: Task, prompt: Prompt, completion: Completion) -> Value:
    """Return the probabilities that were read, else each label's share of the samples."""
    if completion.probabilities:
        return Value(**dict(zip(prompt.labels, completion.probabilities, strict=True)))
    return _shares([task.parse_value(text) for text in completion.texts.values()])


def vote_shares(votes: Sequence[int | None], count: int) -> list[float]:
    """Return the share of the votes that each of `count` choices got; a vote is a choice's number, from 1.

    A vote that names no choice counts for none, so that the shares are 1 in all at most.
    """
    return [votes.count(number) / len(votes) for number in range(1, count + 1)]


def _shares(labels: Sequence[Label | None]) -> Value:
    """Return each label's share of the samples; a sample without a label counts for none."""
    return Value(**{label.value: labels.count(label) / len(labels) for label in Label})
