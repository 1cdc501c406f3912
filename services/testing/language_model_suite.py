"""The contract of a language model. To hold a backend of your own to it, write a test file such as this one:

from contextlib import asynccontextmanager
from services.testing.language_model_suite import LanguageModelSuite
from my_package.my_backend import create

class TestMyBackend(LanguageModelSuite):
    prompt = "Once upon a time"
    too_long = "word " * 100_000

    @asynccontextmanager
    async def opened(self):
        yield create(...)
"""  # noqa: D400, D415 - ends in an example
# ruff: noqa: S101 - a suite asserts

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, field, replace

from services.core.errors import PromptTooLong
from services.core.ports import (
    CallBegun,
    CompletionDone,
    CompletionEvent,
    CompletionRequest,
    LanguageModel,
    SampleDone,
    Sampling,
    TextDelta,
)

PATIENCE_SECONDS = 30
"""After this a model is taken to hang."""


@dataclass(slots=True)
class Completion:
    """What one call brought, put together."""

    events: list[CompletionEvent]
    texts: dict[int, str] = field(default_factory=dict)
    ends: dict[int, SampleDone] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for event in self.events:
            match event:
                case CallBegun():
                    assert event is self.events[0], "a call begins once, first"
                case TextDelta(sample, text):
                    assert sample not in self.ends, "no text comes after a sample's end"
                    self.texts[sample] = self.texts.get(sample, "") + text
                case SampleDone(sample):
                    assert sample not in self.ends, "a sample ends once"
                    self.ends[sample] = event


async def complete(model: LanguageModel, request: CompletionRequest) -> Completion:
    """Make one call and read it to its end."""
    async with asyncio.timeout(PATIENCE_SECONDS), aclosing(model.complete(request)) as events:
        return Completion([event async for event in events])


class LanguageModelSuite:
    """Set `prompt` and `opened`; the others where the defaults do not fit."""

    prompt: str
    """A text whose continuations have different lengths, of more than three tokens each."""
    label_prompt: str = ""
    """A text that is continued by one of `labels`; empty if the model gives no probabilities."""
    labels: Sequence[str] = ("sure", "likely", "impossible")
    stop: str = "="
    """A text that comes up in the continuations of `prompt`."""
    too_long: str = ""
    """A prompt that does not fit; empty if there is no such."""
    many: int = 70
    """More samples than the engine decodes at a time."""
    counts_do_not_matter: bool = False
    """Whether sample i is the same however many samples are drawn with it."""
    knows_its_weights: bool = True
    """Whether it has a revision; what it says is kept in no cache if not."""

    def opened(self) -> AbstractAsyncContextManager[LanguageModel]:
        """Open the model for one test."""
        raise NotImplementedError

    def _request(self, **changes: object) -> CompletionRequest:
        request = CompletionRequest(prompt=self.prompt, samples=8, sampling=Sampling(max_tokens=64), seed=7)
        return replace(request, **changes)  # type: ignore[arg-type]

    async def test_it_says_which_model_it_is(self) -> None:
        """Cache keys contain name and revision."""
        async with self.opened() as model:
            assert model.name
            assert bool(model.revision) == self.knows_its_weights

    async def test_every_sample_ends_once_and_the_call_ends_last(self) -> None:
        """For one sample, several, and more than the engine decodes at a time."""
        async with self.opened() as model:
            for samples in (1, 5, self.many):
                done = await complete(model, self._request(samples=samples))
                assert sorted(done.ends) == list(range(samples))
                assert all(0 <= sample < samples for sample in done.texts)
                ends = [event for event in done.events if isinstance(event, CompletionDone)]
                assert ends == [done.events[-1]]
                assert ends[0].prompt_tokens > 0

    async def test_tokens_are_counted_for_each_sample(self) -> None:
        """Each sample has its own count, its end included; equal texts have equal counts."""
        async with self.opened() as model:
            done = await complete(model, self._request(samples=16))
            counts = [done.ends[sample].completion_tokens for sample in range(16)]
            assert all(1 <= count <= 64 for count in counts)
            assert len(set(counts)) > 1, "continuations of different lengths have different counts"
            by_text: dict[str, set[int]] = {}
            for sample, text in done.texts.items():
                by_text.setdefault(text, set()).add(counts[sample])
            assert all(len(found) == 1 for found in by_text.values())

    async def test_the_same_request_gives_the_same_text(self) -> None:
        """Seeds and caches rest on it. The engine may have served another request in between."""
        async with self.opened() as model:
            first = await complete(model, self._request(samples=1))
            await complete(model, self._request(samples=1, seed=8))
            assert (await complete(model, self._request(samples=1))).texts == first.texts

    async def test_another_seed_gives_other_samples(self) -> None:
        """Draws are independent."""
        async with self.opened() as model:
            one = await complete(model, self._request())
            other = await complete(model, self._request(seed=10_007))
            assert one.texts != other.texts

    async def test_samples_do_not_depend_on_how_many_are_drawn(self) -> None:
        """Where the engine promises it."""
        if not self.counts_do_not_matter:
            return
        async with self.opened() as model:
            few = await complete(model, self._request(samples=2))
            many = await complete(model, self._request(samples=self.many))
            assert few.texts == {sample: many.texts[sample] for sample in few.texts}

    async def test_a_sample_is_cut_at_its_largest_length_and_says_so(self) -> None:
        """`truncated` tells a cut from an end."""
        async with self.opened() as model:
            cut = await complete(model, self._request(sampling=Sampling(max_tokens=2)))
            assert all(end.truncated and end.completion_tokens == 2 for end in cut.ends.values())
            whole = await complete(model, self._request())
            assert not any(end.truncated for end in whole.ends.values())
            assert all(len(cut.texts[sample]) < len(whole.texts[sample]) for sample in cut.texts)

    async def test_a_stop_text_ends_a_sample_and_is_not_part_of_it(self) -> None:
        """The text before it is."""
        async with self.opened() as model:
            whole = await complete(model, self._request())
            assert any(self.stop in text for text in whole.texts.values())
            stopped = await complete(model, self._request(stop=("\n\n", self.stop)))
            assert not any(self.stop in text for text in stopped.texts.values())
            assert not any(end.truncated for end in stopped.ends.values())

    async def test_label_probabilities_follow_the_labels(self) -> None:
        """In their order, at most 1 in all; none come if none are asked for."""
        if not self.label_prompt:
            return
        async with self.opened() as model:
            request = self._request(prompt=self.label_prompt, samples=1, labels=tuple(self.labels))
            forwards = (await complete(model, request)).ends[0].label_probabilities
            request = replace(request, labels=tuple(reversed(self.labels)))
            backwards = (await complete(model, request)).ends[0].label_probabilities
            assert len(forwards) == len(self.labels)
            assert all(0 <= probability <= 1 for probability in forwards)
            assert 0 < sum(forwards) <= 1 + 1e-9
            assert all(abs(a - b) < 0.05 for a, b in zip(forwards, reversed(backwards), strict=True))
            unasked = await complete(model, replace(request, labels=()))
            assert unasked.ends[0].label_probabilities == ()

    async def test_a_prompt_that_does_not_fit_is_refused(self) -> None:
        """`PromptTooLong`, and the model goes on serving."""
        if not self.too_long:
            return
        async with self.opened() as model:
            refusal = None
            try:
                await complete(model, self._request(prompt=self.too_long))
            except PromptTooLong as error:
                refusal = error
            assert refusal is not None, "the prompt was taken"
            assert str(refusal)
            assert (await complete(model, self._request(samples=1))).ends

    async def test_leaving_early_stops_the_work(self) -> None:
        """Many calls are left at their first event; the next one is served as if they had not been."""
        async with self.opened() as model:
            for seed in range(20):
                request = self._request(samples=self.many, seed=seed)
                async with asyncio.timeout(PATIENCE_SECONDS), aclosing(model.complete(request)) as events:
                    await anext(events)
            assert (await complete(model, self._request(samples=1))).ends
            await self.assert_idle(model)

    async def test_cancelling_the_task_stops_the_work(self) -> None:
        """Wherever the call stands: waiting for the engine, or in it."""
        async with self.opened() as model:
            requests = [self._request(samples=self.many, seed=seed) for seed in range(20)]
            calls = [asyncio.create_task(complete(model, request)) for request in requests]
            await asyncio.sleep(0.05)
            for call in calls:
                call.cancel()
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            assert all(isinstance(outcome, asyncio.CancelledError | Completion) for outcome in outcomes)
            assert (await complete(model, self._request(samples=1))).ends
            await self.assert_idle(model)

    async def test_many_calls_at_once_are_all_served(self) -> None:
        """And none gets what belongs to another."""
        async with self.opened() as model:
            requests = [self._request(samples=1 + seed % 5, seed=seed) for seed in range(40)]
            completions = await asyncio.gather(*(complete(model, request) for request in requests))
            for request, completion in zip(requests, completions, strict=True):
                assert sorted(completion.ends) == list(range(request.samples))

    async def assert_idle(self, model: LanguageModel) -> None:
        """Assert that nothing of a left call goes on; a backend that can tell overrides this."""
