"""The other services, as the orchestrator sees them: batches over gRPC, which only this retries.

A batch whose stage cannot be reached is sent again, without the requests that are done. What a broken call had
proposed comes again then; thoughts have derived ids, so nothing is counted twice but what was really spent twice.
"""

import asyncio
import math
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, TypedDict, TypeVar

import grpc
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from services.adapters.places import Places
from services.core.errors import KotError, Overloaded, WorkerUnavailable
from services.core.ports import (
    EvaluateRequest,
    EvaluateUpdate,
    ProposeRequest,
    ProposeUpdate,
    ValidateRequest,
    ValidateUpdate,
)
from services.core.thought import Dropped
from services.rpc import convert, release
from services.rpc.channel import CALLS_PER_CONNECTION, dial, wake
from services.rpc.deadline import time_left
from services.rpc.gen.kubeofthoughts.v1.evaluator_service_pb2_grpc import EvaluatorServiceStub
from services.rpc.gen.kubeofthoughts.v1.generator_service_pb2_grpc import GeneratorServiceStub
from services.rpc.gen.kubeofthoughts.v1.validator_service_pb2_grpc import ValidatorServiceStub
from services.rpc.status import from_rpc_error
from services.telemetry import instruments, metrics

Update = TypeVar("Update")

ASLEEP_SECONDS = 30.0
"""A stage that has said nothing for so long may have been scaled to zero; platforms wait for twice as long at least."""
_FIRST_WAIT_SECONDS = 0.1
_LONGEST_WAIT_SECONDS = 2.0


class CallSettings(TypedDict):
    """How a stage is called, as `_Stage` takes it."""

    timeout: float
    attempts: int
    calls: int
    absence: float


@dataclass(slots=True, eq=False)
class _Connection:
    """A channel with a connection of its own, the method that is called there, and how many calls it has."""

    channel: grpc.aio.Channel
    method: Callable[..., Any]
    calls: int = 0


class _Stage(ABC):
    """One service: its channels, deadline and retries, and how many calls it gets at a time, first come first served.

    However many solves there are, a stage is not asked more than it takes: what has no place waits here. A call that it
    refuses while others of ours are there is one too many, and has the next place; that is no attempt. Before a call is
    tried again, the stage is waited for, `absence` seconds at most: it may be that its only worker starts anew. So too
    before a call when it has none and nothing was heard of it for long: to wake up is no part of a call's time.
    """

    name: str

    def __init__(self, target: str, *, timeout: float, attempts: int, calls: int, absence: float = 0.0) -> None:
        self._target = target
        self._absence = absence
        self._timeout = timeout
        self._attempts = attempts
        self._places = Places(calls)
        self._heard = -math.inf
        """When it last said something, in the loop's time."""
        channels = [dial(target, apart=True) for _ in range(math.ceil(calls / CALLS_PER_CONNECTION))]
        self._connections = [_Connection(channel, self._method(channel)) for channel in channels]

    async def wake(self, timeout: float) -> None:
        """Wait until the service serves, at most `timeout` seconds; `WorkerUnavailable` if it does not."""
        await wake(self._connections[0].channel, f"the {self.name} at {self._target}", timeout)
        self._heard = asyncio.get_running_loop().time()

    async def close(self) -> None:
        """Close the channels."""
        for connection in self._connections:
            await connection.channel.close()

    @abstractmethod
    def _method(self, channel: grpc.aio.Channel) -> Callable[..., Any]:
        """Return what a batch is sent with."""

    async def _call(
        self, messages: Callable[[], Iterable[Any]], read: Callable[[Any, str], Update]
    ) -> AsyncGenerator[list[Update], None]:
        """Send a batch and yield its updates; `messages` gives what is still to be sent at each attempt."""
        retrying = AsyncRetrying(
            retry=retry_if_exception_type((WorkerUnavailable, Overloaded)),
            stop=stop_after_attempt(self._attempts),
            wait=wait_random_exponential(multiplier=_FIRST_WAIT_SECONDS, max=_LONGEST_WAIT_SECONDS),
            before_sleep=lambda _: metrics.add(instruments.RETRIES, of=self.name),
            reraise=True,
        )
        async for attempt in retrying:
            if self._absence and (self._asleep() or attempt.retry_state.attempt_number > 1):
                await self.wake(self._absence)
            with attempt:
                async with aclosing(self._attempt(messages, read)) as ready:
                    async for updates in ready:
                        yield updates

    async def _attempt(
        self, messages: Callable[[], Iterable[Any]], read: Callable[[Any, str], Update]
    ) -> AsyncGenerator[list[Update], None]:
        """Send the batch until it is not refused, or refused though the stage has nothing else of ours."""
        refused = answered = False
        while not answered:
            async with self._place(first=refused) as method:
                timeout = time_left(self._timeout)
                call = method(iter(list(messages())), timeout=timeout, metadata=release.metadata())
                try:
                    async for message in call:
                        answered = True
                        self._heard = asyncio.get_running_loop().time()
                        yield [read(update, message.pod) for update in message.updates]
                    self._places.grow()
                    return
                except (grpc.aio.AioRpcError, asyncio.CancelledError) as error:
                    failure = self._failure(error)
                    refused = isinstance(failure, WorkerUnavailable | Overloaded) and not answered
                    if not refused or not self._places.shrink():
                        raise failure from error
                finally:
                    call.cancel()

    def _failure(self, error: grpc.aio.AioRpcError | asyncio.CancelledError) -> KotError:
        """Return what a call failed with; raises a cancellation that is meant for this task.

        gRPC cancels a call itself if its requests cannot be sent any more, and that looks the same.
        """
        peer = f"the {self.name} at {self._target}"
        if isinstance(error, grpc.aio.AioRpcError):
            return from_rpc_error(error, peer)
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise error
        return WorkerUnavailable(f"{peer}: the connection broke while requests were sent")

    def _asleep(self) -> bool:
        """Tell whether it may have been scaled to zero: no platform does that to what has a call."""
        busy = any(connection.calls for connection in self._connections)
        return not busy and asyncio.get_running_loop().time() - self._heard > ASLEEP_SECONDS

    @asynccontextmanager
    async def _place(self, *, first: bool) -> AsyncGenerator[Callable[..., Any], None]:
        """Wait for a place, and keep it while the context lasts; gives the method on a connection that has room."""
        begun = time.perf_counter()
        await self._places.take(first=first)
        connection = next(each for each in self._connections if each.calls < CALLS_PER_CONNECTION)
        connection.calls += 1
        try:
            metrics.add(instruments.STAGE_WAIT, time.perf_counter() - begun, stage=self.name)
            with metrics.timed(instruments.STAGE_DURATION, instruments.STAGE_RUNNING, stage=self.name):
                yield connection.method
        finally:
            connection.calls -= 1
            self._places.free()


class RemoteProposer(_Stage):
    """A `Proposer` behind `GeneratorService`."""

    name = "generator"

    def _method(self, channel: grpc.aio.Channel) -> Callable[..., Any]:
        method: Callable[..., Any] = GeneratorServiceStub(channel).Generate
        return method

    async def propose(self, batch: Sequence[ProposeRequest]) -> AsyncGenerator[Sequence[ProposeUpdate], None]:
        """Send the batch in one call. What a request has dropped is told when it is done: a broken call counts none."""
        waiting = {request.id: convert.propose_request_to_proto(request) for request in batch}
        dropped: dict[str, Dropped] = {}

        def begin() -> Iterable[Any]:
            dropped.clear()
            return waiting.values()

        def counted(update: ProposeUpdate) -> ProposeUpdate:
            so_far = dropped.get(update.id, Dropped()) + update.dropped
            if update.done:
                waiting.pop(update.id, None)
                return replace(update, dropped=so_far)
            dropped[update.id] = so_far
            return replace(update, dropped=Dropped())

        async with aclosing(self._call(begin, convert.propose_update_from_proto)) as ready:
            async for updates in ready:
                yield [counted(update) for update in updates]


class RemoteEvaluator(_Stage):
    """An `Evaluator` behind `EvaluatorService`."""

    name = "evaluator"

    def _method(self, channel: grpc.aio.Channel) -> Callable[..., Any]:
        method: Callable[..., Any] = EvaluatorServiceStub(channel).Evaluate
        return method

    async def evaluate(self, batch: Sequence[EvaluateRequest]) -> AsyncGenerator[Sequence[EvaluateUpdate], None]:
        """Send the batch in one call. Judged states of a broken call are judged again."""
        messages = [convert.evaluate_request_to_proto(request) for request in batch]
        async with aclosing(self._call(lambda: messages, convert.evaluate_update_from_proto)) as ready:
            async for updates in ready:
                yield updates


class RemoteValidator(_Stage):
    """A `Validator` behind `ValidatorService`."""

    name = "validator"

    def _method(self, channel: grpc.aio.Channel) -> Callable[..., Any]:
        method: Callable[..., Any] = ValidatorServiceStub(channel).Validate
        return method

    async def validate(self, batch: Sequence[ValidateRequest]) -> AsyncGenerator[Sequence[ValidateUpdate], None]:
        """Send the batch in one call."""
        waiting = {request.id: convert.validate_request_to_proto(request) for request in batch}
        async with aclosing(self._call(waiting.values, convert.validate_update_from_proto)) as ready:
            async for updates in ready:
                for update in updates:
                    waiting.pop(update.id, None)
                yield updates
