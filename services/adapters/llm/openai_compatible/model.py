"""The model: sends requests, tries again what may pass, and hands events on as they come."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

import aiohttp
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)

from services.adapters.llm.openai_compatible.endpoint import Endpoint
from services.adapters.llm.openai_compatible.limits import RateLimits
from services.adapters.llm.openai_compatible.refusals import Temporary, refusal
from services.adapters.llm.openai_compatible.stream import Answer, Habits, data_lines
from services.core.errors import DeadlineExceeded, ModelUnusable, WorkerUnavailable
from services.core.ports import CompletionDone, CompletionEvent, CompletionRequest
from services.rpc.deadline import time_left
from services.rpc.streams import produced

Put = Callable[[CompletionEvent], Awaitable[None]]

ATTEMPTS = 3
"""How often a request is tried. Retries between the services live in `adapters/stages.py`, but those send a batch again
when a stage cannot be reached; that one of its requests was refused by a busy provider is told inside the batch, where
they do not look. So the two do not multiply, and few attempts are enough here: what fails has its turn again later."""
CONNECT_SECONDS = 10.0
"""A server that does not take a connection within this cannot be reached."""
LONGEST_REFUSAL = 1 << 16
"""Bytes of a refusal that are read."""

_CLOSED = "the model is closed"
_jitter = wait_random_exponential(multiplier=0.5, max=8)


class OpenAIModel:
    """A `LanguageModel` on a server. The server says nothing of its weights: `revision` is where, and its name."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        samples_per_request: int,
        timeout: float,
        limits: RateLimits,
    ) -> None:
        self.name = endpoint.model
        self.revision = f"{endpoint.url} {endpoint.model}"
        self._endpoint = endpoint
        self._samples_per_request = samples_per_request
        self._timeout = timeout
        self._limits = limits
        self._habits = Habits()
        self._session: aiohttp.ClientSession | None = None
        self._timeouts: set[asyncio.Timeout] = set()
        self._closed = False

    async def complete(self, request: CompletionRequest) -> AsyncGenerator[CompletionEvent, None]:
        """Draw the samples, in as many requests at a time as it takes; what the prompts of all cost is counted."""
        most = self._samples_per_request or request.samples

        async def ask(put: Put) -> None:
            try:
                async with asyncio.TaskGroup() as group:
                    calls = [
                        group.create_task(self._call(_part(request, first, most), first, put))
                        for first in range(0, request.samples, most)
                    ]
            except ExceptionGroup as failures:
                # Requests that failed together failed of one thing; any of them says what.
                raise failures.exceptions[0] from None
            await put(CompletionDone(sum(call.result() for call in calls)))

        async with aclosing(produced(ask)) as ready:
            async for events in ready:
                for event in events:
                    yield event

    async def close(self) -> None:
        """Close the connections; calls in flight fail."""
        self._closed = True
        for timeout in self._timeouts:
            # Connections that are closed under their readers would leave them waiting.
            if not timeout.expired():
                timeout.reschedule(asyncio.get_running_loop().time())
        if self._session is not None:
            await self._session.close()
        await self._limits.close()

    async def _call(self, request: CompletionRequest, first: int, put: Put) -> int:
        """Draw samples from `first` on with one request and return the tokens of its prompt."""
        seconds = time_left(self._timeout)
        deadline = asyncio.get_running_loop().time() + seconds
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(Temporary),
            stop=stop_after_attempt(ATTEMPTS) | stop_before_delay(seconds),
            wait=_wait,
            reraise=True,
        )
        try:
            async for attempt in retrying:
                with attempt:
                    reserved = await self._limits.admit(request, deadline)
                    async with self._until(deadline):
                        answer = await self._attempt(request, first, put)
                    await self._limits.correct(reserved, answer.prompt_tokens + answer.completion_tokens)
                    return answer.prompt_tokens
        except Temporary as temporary:
            raise temporary.error from None
        except TimeoutError:
            if self._closed:
                raise ModelUnusable(_CLOSED) from None
            raise DeadlineExceeded(f"{self._endpoint.base_url} was not done in time") from None
        raise AssertionError("the last attempt returns or raises")

    @asynccontextmanager
    async def _until(self, deadline: float) -> AsyncGenerator[None, None]:
        """Leave with `TimeoutError` at the deadline, or when the model is closed."""
        async with asyncio.timeout_at(deadline) as timeout:
            self._timeouts.add(timeout)
            try:
                yield
            finally:
                self._timeouts.discard(timeout)

    async def _attempt(self, request: CompletionRequest, first: int, put: Put) -> Answer:
        begun = False
        answer = Answer(self._endpoint, request, self._habits)
        try:
            async with self._opened().post(
                self._endpoint.url, json=self._endpoint.payload(request), allow_redirects=False
            ) as response:
                await self._check(response, request.prompt)
                async with aclosing(data_lines(response.content.iter_any())) as lines:
                    async for line in lines:
                        for event in answer.take(line):
                            begun = True
                            await put(replace(event, sample=first + event.sample))
                        if answer.complete:
                            break
            for end in answer.finish():
                await put(replace(end, sample=first + end.sample))
        except (aiohttp.ClientError, OSError, WorkerUnavailable) as error:
            lost = self._lost(error)
            # What was handed on cannot be taken back, so a broken answer is not asked for again.
            raise (lost if begun else Temporary(lost)) from None
        return answer

    async def _check(self, response: aiohttp.ClientResponse, prompt: str) -> None:
        """Raise what the server refuses with, or that this is no stream of events."""
        if response.status == 200 and response.content_type not in {"text/html", "application/json"}:
            return
        body = b""
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > LONGEST_REFUSAL:
                break
        raise refusal(self._endpoint, prompt, response.status, response.headers, body)

    def _lost(self, error: Exception) -> WorkerUnavailable:
        if isinstance(error, WorkerUnavailable):
            return error
        # Errors of the client hold the request's headers, hence neither their `repr` nor a chain to them.
        told = (error.strerror if isinstance(error, OSError) else str(error)) or type(error).__name__
        return WorkerUnavailable(
            f"{self._endpoint.base_url} (KOT_OPENAI_BASE_URL) cannot be reached: {self._endpoint.without_key(told)}"
        )

    def _opened(self) -> aiohttp.ClientSession:
        """Return the session, which needs a running loop to be made."""
        if self._closed:
            raise ModelUnusable(_CLOSED)
        if self._session is None:
            self._session = aiohttp.ClientSession(
                headers=self._endpoint.headers(),
                # As many connections as there are calls: a pool with a limit would make streams wait for streams.
                connector=aiohttp.TCPConnector(limit=0),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
                trust_env=True,
            )
        return self._session


def _part(request: CompletionRequest, first: int, most: int) -> CompletionRequest:
    return replace(request, samples=min(most, request.samples - first), seed=request.seed + first)


def _wait(state: RetryCallState) -> float:
    """Return what the server asks for, and on top of it a random time that doubles, so that callers do not meet."""
    failed = state.outcome.exception() if state.outcome else None
    return (failed.retry_after if isinstance(failed, Temporary) else 0.0) + _jitter(state)
