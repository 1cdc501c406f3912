"""From states to proposals: renders the prompt, draws samples, parses lines as they stream, drops the useless."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from services.core.completion import Bill
from services.core.errors import KotError
from services.core.ports import (
    CompletionEvent,
    CompletionRequest,
    LanguageModel,
    ProposeRequest,
    ProposeUpdate,
    SampleDone,
    TaskSelection,
    TextDelta,
)
from services.core.seeds import derive_seed
from services.core.task import IllegalThought, MalformedThought, Method, Prompt, Task, defaults_of
from services.core.thought import Dropped, Proposal, Usage
from services.rpc.streams import merge
from services.telemetry import names, tracing
from services.telemetry.tracing import Attributes


class Generator:
    """A `Proposer` that asks a language model."""

    def __init__(self, model: LanguageModel, find_task: Callable[[TaskSelection], Task]) -> None:
        self._model = model
        self._find_task = find_task

    async def propose(self, batch: Sequence[ProposeRequest]) -> AsyncGenerator[Sequence[ProposeUpdate], None]:
        """Serve every request of the batch at the same time."""
        draws = [self._propose(request) if request.trace else self._draw(request, "") for request in batch]
        async with aclosing(merge(draws)) as ready:
            async for updates in ready:
                yield _combined(updates)

    async def _propose(self, request: ProposeRequest) -> AsyncGenerator[ProposeUpdate, None]:
        """Draw within a span of its own."""
        attributes: Attributes = {
            names.METHOD: str(request.method),
            names.DRAW: request.draw,
            names.SAMPLES: request.samples,
        }
        with tracing.span(names.PROPOSE, request.trace, attributes) as span:
            proposals, dropped = 0, Dropped()
            async with aclosing(self._draw(request, span.trace)) as updates:
                async for update in updates:
                    proposals, dropped = proposals + len(update.proposals), dropped + update.dropped
                    if update.error:
                        span.fail(update.error.reason, str(update.error))
                    yield update
            span.note(
                {names.PROPOSALS: proposals, names.DROPPED: dropped.malformed + dropped.illegal + dropped.duplicate}
            )

    async def _draw(self, request: ProposeRequest, trace: str) -> AsyncGenerator[ProposeUpdate, None]:
        error, usage = None, Usage()
        try:
            task = self._find_task(request.task)
            prompt = task.propose_prompt(request.state, request.task.style, request.method)
            reader, bill = _Reader(task, prompt, request), Bill()
            completion = CompletionRequest(
                prompt=prompt.text,
                samples=request.samples,
                sampling=request.sampling,
                seed=derive_seed(prompt.text, request.sampling, request.samples, request.draw, request.seed),
                stop=prompt.stop,
                model=request.model,
                fresh=request.fresh,
                trace=trace,
            )
            try:
                async with aclosing(self._model.complete(completion)) as events:
                    async for event in events:
                        if update := reader.take(event, bill.charge(event)):
                            yield update
            finally:
                usage = bill.close()
        except KotError as failure:
            error = failure
        yield ProposeUpdate(id=request.id, usage=usage, done=True, error=error)


def _combined(updates: Sequence[ProposeUpdate]) -> list[ProposeUpdate]:
    """Make one update of all that there are of a request: a message of several thoughts costs little more than one."""
    by_id: dict[str, list[ProposeUpdate]] = {}
    for update in updates:
        by_id.setdefault(update.id, []).append(update)
    return [
        ProposeUpdate(
            id=request_id,
            proposals=tuple(proposal for update in parts for proposal in update.proposals),
            dropped=sum((update.dropped for update in parts), Dropped()),
            usage=sum((update.usage for update in parts), Usage()),
            done=parts[-1].done,
            error=parts[-1].error,
        )
        for request_id, parts in by_id.items()
    ]


class _Reader:
    """Turns the events of one completion into updates: lines of sample i come out after those of sample i - 1."""

    def __init__(self, task: Task, prompt: Prompt, request: ProposeRequest) -> None:
        self._task = task
        self._request = request
        self._whole = prompt.whole or request.method is not Method.STEP
        self._most_lines = defaults_of(task, request.task.style).lines
        self._unread: dict[int, str] = {}
        self._lines: dict[int, list[str]] = {}
        self._done: set[int] = set()
        self._next = 0
        self._taken = 0
        self._known: set[str] = set()
        self._again: dict[str, Dropped] = {}
        """What each text that was read counts as if it is said again; models repeat themselves a lot."""

    def take(self, event: CompletionEvent, usage: Usage) -> ProposeUpdate | None:
        """Return what the event, which has cost `usage`, brings; None if it brings nothing yet."""
        match event:
            case TextDelta(sample, text):
                text = self._unread.get(sample, "") + text
                # A step is a line, or all that its sample says where the prompt asked for that; a solution always is.
                lines = [text] if self._whole else text.split("\n")
                self._unread[sample] = lines.pop()
                self._lines.setdefault(sample, []).extend(filter(str.strip, lines))
            case SampleDone(sample):
                self._lines.setdefault(sample, []).extend(filter(str.strip, [self._unread.pop(sample, "")]))
                self._done.add(sample)
        proposals, dropped = self._parse(self._release())
        if not proposals and dropped == Dropped() and usage == Usage():
            return None
        return ProposeUpdate(id=self._request.id, proposals=tuple(proposals), dropped=dropped, usage=usage)

    def _release(self) -> list[str]:
        released: list[str] = []
        most = self._most_lines
        while True:
            lines = self._lines.pop(self._next, [])
            released += lines[: most - self._taken]
            self._taken = min(most, self._taken + len(lines))
            if self._next not in self._done:
                return released
            self._next += 1
            self._taken = 0

    def _parse(self, texts: list[str]) -> tuple[list[Proposal], Dropped]:
        proposals: list[Proposal] = []
        dropped = Dropped()
        for text in texts:
            if text in self._again:
                dropped += self._again[text]
                continue
            try:
                proposal = self._read(text)
            except MalformedThought:
                again = Dropped(malformed=1)
                dropped += again
            except IllegalThought:
                again = Dropped(illegal=1)
                dropped += again
            else:
                again = Dropped(duplicate=1)
                if proposal.text in self._known:
                    dropped += again
                elif len(self._known) < self._request.max_thoughts:
                    self._known.add(proposal.text)
                    proposals.append(proposal)
                else:
                    again = Dropped()
            self._again[text] = again
        return proposals, dropped

    def _read(self, text: str) -> Proposal:
        if self._request.method is Method.STEP:
            return self._task.parse_thought(self._request.state, text, trust=self._request.task.trust_arithmetic)
        return self._task.parse_solution(self._request.state, text)
