"""A model that is asked for the same thing once: of what was asked before, and of what is being asked right now.

A *flight* is one request under way. Within a process everybody who asks for the same joins it and reads its events as
they come. Between processes the first one claims the request in the cache, and the others look again until its answer
is there, or its claim has run out because it died: then one of them asks the model.
"""

import asyncio
import math
import secrets
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from hashlib import blake2b
from typing import Any

import structlog

from services.core.errors import DeadlineExceeded
from services.core.ports import CallBegun, CompletionDone, CompletionEvent, CompletionRequest, LanguageModel
from services.core.stores import Cache, Turn
from services.rpc import deadline
from services.rpc.completions import decode, encode

Put = Callable[[CompletionEvent], None]

VERSION = 1
"""Of what a key is made of."""
SHORTEST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.01, 0.25
"""How long who waits for another process waits before it looks again: a quarter of what it has waited so far."""
RENEWALS = 3
"""How often a claim is renewed while it lasts."""


def cache_key(model: LanguageModel, request: CompletionRequest) -> str:
    """Return the same key for all that is interchangeable, and only for that: 32 hexadecimal digits."""
    sampling = request.sampling
    parts = (
        *(VERSION, model.name, model.revision, request.prompt, request.samples, request.seed),
        *(sampling.temperature, sampling.top_k, sampling.top_p, sampling.max_tokens),
        *(request.stop, request.labels),
    )
    return blake2b(repr(parts).encode(), digest_size=16).hexdigest()


class CachedModel:
    """A `LanguageModel` that asks `model` what `cache` does not have and nobody is asking it yet.

    Complete answers are kept, and no others. A call that fails fails for all who wait for it in this process, also if
    the failure may pass: to try again is up to them, later, and not to each of them at once. A call goes on until the
    last who waits for it has left. `cache` must not raise; see `Guarded`.
    """

    def __init__(self, model: LanguageModel, cache: Cache) -> None:
        self.name = model.name
        self.revision = model.revision
        self._model = model
        self._cache = cache
        self._flights: dict[str, _Flight] = {}
        self._releases: set[asyncio.Task[None]] = set()

    async def complete(self, request: CompletionRequest) -> AsyncGenerator[CompletionEvent, None]:
        """Draw the samples, or repeat what was drawn. Begins with `CallBegun`, as soon as it is known who pays.

        Raises `DeadlineExceeded` shortly before the caller's own deadline, besides what the model raises.
        """
        if request.fresh:
            yield CallBegun(cached=False)
            source = self._model.complete(request)
        else:
            source = self._shared(request)
        async with aclosing(source) as events:
            async for event in events:
                yield event

    async def close(self) -> None:
        """Close the model; the cache belongs to whoever made it."""
        await self._model.close()
        if self._releases:
            await asyncio.wait(self._releases)

    async def _shared(self, request: CompletionRequest) -> AsyncGenerator[CompletionEvent, None]:
        """Join the flight of this request, or begin it."""
        key = cache_key(self._model, request)
        flight = self._flights.get(key)
        joins = flight is not None
        if flight is None:
            flight = self._flights[key] = _Flight(lambda put: self._fly(key, request, put), request.trace)
        flight.readers += 1
        try:
            if joins:
                yield CallBegun(cached=True, paid_by=flight.trace)
            async with aclosing(flight.read()) as events:
                async for event in events:
                    if not (joins and isinstance(event, CallBegun)):
                        yield event
        finally:
            flight.readers -= 1
            if flight.readers == 0 and not flight.task.done():
                self._forget(key, flight.task)
                flight.task.cancel()
                await asyncio.wait({flight.task})

    async def _fly(self, key: str, request: CompletionRequest, put: Put) -> None:
        """Put the answer that is kept, or ask the model and keep what it says."""
        # The first asker's deadline is not that of the others; each has its own, where it reads.
        deadline.lift()
        claim = secrets.token_hex(8)
        settled = False
        try:
            if known := await self._known(key, claim):
                for event in known:
                    put(event)
                settled = True
                return
            put(CallBegun(cached=False))
            events = await self._ask(key, claim, request, put)
            if events and isinstance(events[-1], CompletionDone):
                await self._cache.keep(key, claim, encode(events, request.trace))
                settled = True
        finally:
            # Whoever asks from now on looks into the cache.
            self._forget(key, asyncio.current_task())
            if not settled:
                self._release_soon(key, claim)

    async def _known(self, key: str, claim: str) -> list[CompletionEvent]:
        """Return the answer that is kept, or that another process makes meanwhile; nothing, once it is our turn."""
        now = asyncio.get_running_loop().time
        begun = now()
        while isinstance(found := await self._cache.look(key, claim), Turn):
            if found is Turn.OURS:
                return []
            await asyncio.sleep(min(max((now() - begun) / 4, SHORTEST_WAIT_SECONDS), LONGEST_WAIT_SECONDS))
        try:
            return decode(found)
        except ValueError as error:
            structlog.get_logger().warning("cache_damaged", key=key, message=str(error))
            return []

    async def _ask(self, key: str, claim: str, request: CompletionRequest, put: Put) -> list[CompletionEvent]:
        """Ask the model, put and return what it says; the claim is held meanwhile."""
        events = []
        renewing = asyncio.create_task(self._renew(key, claim))
        try:
            async with aclosing(self._model.complete(request)) as answer:
                async for event in answer:
                    events.append(event)
                    put(event)
        finally:
            renewing.cancel()
        return events

    async def _renew(self, key: str, claim: str) -> None:
        while True:
            await asyncio.sleep(self._cache.claim_seconds / RENEWALS)
            await self._cache.renew(key, claim)

    def _release_soon(self, key: str, claim: str) -> None:
        """Release the claim, but let nobody who leaves wait for it."""
        task = asyncio.create_task(self._cache.release(key, claim))
        self._releases.add(task)
        task.add_done_callback(self._releases.discard)

    def _forget(self, key: str, task: asyncio.Task[Any] | None) -> None:
        """Let nobody join this flight any more."""
        if key in self._flights and self._flights[key].task is task:
            del self._flights[key]


class _Flight:
    """One request under way, and what has come of it; it ends with `task`, which must be cancelled with `readers` 0.

    `trace` names the call of who began it.
    """

    def __init__(self, fly: Callable[[Put], Coroutine[Any, Any, None]], trace: str) -> None:
        self.readers = 0
        self.trace = trace
        self.task = asyncio.create_task(fly(self._put))
        self.task.add_done_callback(self._land)
        self._events: list[CompletionEvent] = []
        self._news = asyncio.Event()

    async def read(self) -> AsyncGenerator[CompletionEvent, None]:
        """Yield all events, from the first on. Raises what the flight fails with, `DeadlineExceeded` before."""
        position = 0
        while True:
            while position < len(self._events):
                yield self._events[position]
                position += 1
            if self.task.done():
                self.task.result()
                return
            seconds = deadline.time_left(math.inf)
            try:
                async with asyncio.timeout(None if seconds == math.inf else seconds):
                    await self._news.wait()
            except TimeoutError:
                raise DeadlineExceeded("the model was not done in time") from None

    def _put(self, event: CompletionEvent) -> None:
        self._events.append(event)
        self._wake()

    def _land(self, task: asyncio.Task[None]) -> None:
        self._wake()
        if not task.cancelled():
            # Who reads to the end is told the failure; whoever left does not miss it.
            task.exception()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
