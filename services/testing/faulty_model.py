"""Models that misbehave, and are watched while they do: shipped fakes for the tests of all that stands on a model."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from enum import StrEnum

from services.adapters.llm.scripted import Script, ScriptedModel
from services.adapters.mortal import ModelDied
from services.core.errors import ModelFailed, Overloaded
from services.core.ports import CompletionEvent, CompletionRequest
from services.tasks.game24.script import answer as play


class Fault(StrEnum):
    """How a call goes wrong."""

    NONE = "none"
    """It does not."""
    RAISES = "raises"
    """The engine reports an error."""
    OVERLOADED = "overloaded"
    """The engine takes no more work."""
    BREAKS = "breaks"
    """A defect: an exception that is no error of the domain."""
    HANGS = "hangs"
    """Nothing ever comes."""
    DIES = "dies"
    """The engine is gone for good."""
    SILENT = "silent"
    """The call ends without a single event."""
    NOTHING = "nothing"
    """Every sample is empty."""
    GARBAGE = "garbage"
    """Every sample is nonsense, with numbers and signs in it."""
    REPEATS = "repeats"
    """Every sample says the same."""
    ENDLESS = "endless"
    """Every sample goes on until it is cut."""


_SCRIPTS: dict[Fault, Script] = {
    Fault.NOTHING: lambda _prompt, _seed: "",
    Fault.GARBAGE: lambda _prompt, seed: f"\0 {seed} + = (left: \ufffd)\n\n\n-1/0 sure? (left:\nAnswer:",
    Fault.REPEATS: lambda prompt, _seed: play(prompt, 0),
    Fault.ENDLESS: lambda _prompt, _seed: "1 + " * 10_000,
}


class FaultyModel:
    """A `LanguageModel` that follows its script, the player of the Game of 24, where `choose` wants no fault.

    With `delay`, every call waits so many seconds first. `started`, `finished` and `in_flight` count calls: one that
    was cancelled or failed has started, has not finished and is not in flight.
    """

    name = "faulty"
    revision = "1"

    def __init__(
        self,
        choose: Callable[[CompletionRequest], Fault] = lambda _request: Fault.NONE,
        *,
        script: Script = play,
        delay: float = 0.0,
    ) -> None:
        self.started = 0
        self.finished = 0
        self.in_flight = 0
        self._choose = choose
        self._delay = delay
        self._models = {fault: ScriptedModel(text) for fault, text in {Fault.NONE: script, **_SCRIPTS}.items()}

    async def complete(self, request: CompletionRequest) -> AsyncGenerator[CompletionEvent, None]:
        """Draw the samples, or fail as chosen."""
        self.started += 1
        self.in_flight += 1
        try:
            await asyncio.sleep(self._delay)
            async with aclosing(self._events(self._choose(request), request)) as events:
                async for event in events:
                    yield event
            self.finished += 1
        finally:
            self.in_flight -= 1

    async def close(self) -> None:
        """Hold nothing, release nothing."""

    async def _events(self, fault: Fault, request: CompletionRequest) -> AsyncGenerator[CompletionEvent, None]:
        match fault:
            case Fault.RAISES:
                raise ModelFailed("a planted failure")
            case Fault.OVERLOADED:
                raise Overloaded("a planted overload")
            case Fault.BREAKS:
                raise ZeroDivisionError("a planted defect")
            case Fault.HANGS:
                await asyncio.Event().wait()
            case Fault.DIES:
                raise ModelDied("a planted death")
            case Fault.SILENT:
                return
            case _:
                async with aclosing(self._models[fault].complete(request)) as events:
                    async for event in events:
                        yield event
