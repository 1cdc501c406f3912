"""What stands before a pod on Knative, as far as a server notices it: a route, revisions that scale, pods with queues.

The limits and what they answer are those of Knative Serving's queue-proxy and activator; a real process is behind.
"""

import asyncio
import os
import signal
import sys
from collections import Counter, deque
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from h2.errors import ErrorCodes
from h2.events import DataReceived, ResponseReceived, StreamReset, TrailersReceived
from h2wire import Wire
from processes import free_port

TAG = b"knative-serving-tag"
QUEUE_FACTOR = 10
"""A pod's queue has room for so many times what runs in it."""
PROBE_SECONDS = 0.05
PATIENCE_SECONDS = 90
"""A process that is told to end has ended by then: more than its calls have for that."""


class Exchange:
    """One call: from the client's stream to a pod's, and back. `Revision` gives it a pod, or none."""

    def __init__(self, route, caller, headers):
        self.headers = {name.decode(): value.decode("latin-1") for name, value in headers}
        self.over = asyncio.Event()
        self.pod = None
        self._route = route
        self._caller = caller
        self._headers = headers
        self._held = []
        """What the client has sent before there was a pod; its window bounds it."""
        self._there = None
        self._answered = False
        self._timer = asyncio.get_running_loop().call_later(route.timeout, self._expire)

    def forward(self, wire):
        """Go on to a pod."""
        self._there = wire.begin(self._headers, self.from_pod)
        held, self._held = self._held, []
        for event in held:
            self._pass(event, self._caller, self._there)

    def from_caller(self, event):
        """Take what the client sends; it may go away any time."""
        if self.over.is_set():
            return
        if event is None or isinstance(event, StreamReset):
            if self._there:
                self._there.reset(ErrorCodes.CANCEL if event is None else event.error_code)
            self._end()
        elif self._there:
            self._pass(event, self._caller, self._there)
        else:
            self._held.append(event)

    def from_pod(self, event):
        """Take what the pod answers; it may break off any time."""
        if self.over.is_set():
            return
        if event is None and not self._answered:
            self.refuse(502, "the pod is gone")
        elif event is None:
            self._break_off(ErrorCodes.INTERNAL_ERROR)
        elif isinstance(event, StreamReset):
            self._break_off(event.error_code)
        else:
            self._answered = True
            self._pass(event, self._there, self._caller)
            if event.stream_ended:
                self._end()

    def refuse(self, status, text):
        """Answer as a proxy does, in plain HTTP."""
        self._route.refusals[status] += 1
        self._caller.send(headers=[(b":status", str(status).encode()), (b"content-type", b"text/plain; charset=utf-8")])
        self._caller.send(data=f"{text}\n".encode(), end=True)
        self._end()

    def _expire(self):
        if self._there:
            self._there.reset()
        if self._answered:
            self._break_off(ErrorCodes.INTERNAL_ERROR)
        else:
            self.refuse(504, "request timeout")

    def _break_off(self, code):
        self._route.refusals["reset"] += 1
        self._caller.reset(code)
        self._end()

    def _end(self):
        self._timer.cancel()
        self.over.set()
        if self._there:
            # A server that has answered may reset its stream, to say that it needs no more of the request.
            self._there.forget()
        if self.pod:
            self.pod.left(self)

    @staticmethod
    def _pass(event, source, sink):
        match event:
            case DataReceived(data=data, stream_ended=end):
                sink.send(data=data, end=end is not None, sent=lambda: source.heard(event))
            case (
                ResponseReceived(headers=headers, stream_ended=end)
                | TrailersReceived(headers=headers, stream_ended=end)
            ):
                sink.send(headers=headers, end=end is not None)


class Pod:
    """A process, and its queue: `concurrency` calls run, ten times as many wait, the others are refused."""

    def __init__(self, revision, process, port, log):
        self.process = process
        self.log = log
        self.target = f"127.0.0.1:{port}"
        self.routed = False
        """Whether it serves and is sent calls."""
        self.running = set()
        self.waiting = deque()
        self.most_running = 0
        self._revision = revision
        self._wire = None
        self.busy = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def load(self):
        """Calls that run and wait."""
        return len(self.running) + len(self.waiting)

    @property
    def has_place(self):
        """Whether another call can run."""
        return len(self.running) < self._revision.concurrency

    def take(self, exchange):
        """Run a call, have it wait, or refuse it."""
        limit = self._revision.concurrency
        exchange.pod = self
        self._idle.clear()
        self.busy.set()
        if not limit or self.has_place:
            self._run(exchange)
        elif len(self.waiting) < QUEUE_FACTOR * limit:
            self.waiting.append(exchange)
        else:
            exchange.pod = None
            exchange.refuse(503, "pending request queue full")

    def left(self, exchange):
        """Let the next one run."""
        if exchange in self.running:
            self.running.remove(exchange)
            if self.waiting:
                self._run(self.waiting.popleft())
        elif exchange in self.waiting:
            self.waiting.remove(exchange)
        if not self.load:
            self._idle.set()
            self.busy.clear()
        self._revision.let_through()

    def _run(self, exchange):
        self.running.add(exchange)
        self.most_running = max(self.most_running, len(self.running))
        if self._wire.leaves or self._wire.lost.is_set():
            exchange.refuse(502, "the pod takes no more")
        else:
            exchange.forward(self._wire)

    async def serves(self):
        """Wait until the process says that it serves, as a probe asks; route to it from then on. False if it ends."""
        ended = asyncio.create_task(self.process.wait())
        async with grpc.aio.insecure_channel(self.target, options=[("grpc.max_reconnect_backoff_ms", 50)]) as channel:
            check = health_pb2_grpc.HealthStub(channel).Check
            while not ended.done():
                with suppress(grpc.aio.AioRpcError):
                    answer = await check(health_pb2.HealthCheckRequest(), timeout=1)
                    if answer.status == health_pb2.HealthCheckResponse.SERVING:
                        break
                await asyncio.sleep(PROBE_SECONDS)
        if ended.done():
            return False
        ended.cancel()
        host, _, port = self.target.partition(":")
        _, self._wire = await asyncio.get_running_loop().create_connection(Wire, host, int(port))
        self.routed = True
        return True

    async def drain(self, quiet):
        """End it as Knative does: no more calls, `quiet` seconds without any, then SIGTERM; returns its exit code.

        With None it is told as soon as it has a call in flight.
        """
        self.routed = False
        if quiet is not None:
            await self._idle.wait()
            await asyncio.sleep(quiet)
        self._revision.told_to_end(self)
        self.process.send_signal(signal.SIGTERM)
        return await self.ended()

    async def ended(self):
        """Wait for its end."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await self.process.wait()
        except TimeoutError:
            raise AssertionError(f"{self._revision.name} has not ended: {self.log.read_text()}") from None


@dataclass
class Revision:
    """Pods of one configuration; the first call starts one if there is none."""

    name: str
    module: str
    folder: Path
    environment: dict[str, str]
    concurrency: int = 0
    """Calls that run in a pod at a time; 0 is no limit."""
    bursts: bool = True
    """Whether the activator stays in the way, as it does by default while pods are few: it holds what has no place."""
    command: tuple[str, ...] = (sys.executable, "-m")
    told_to_end: object = lambda pod: None
    """Called with a pod before it is sent SIGTERM."""
    pods: list[Pod] = field(default_factory=list)
    heard: list[dict[str, str]] = field(default_factory=list)
    """The headers of its calls."""
    started: list[float] = field(default_factory=list)
    """When its pods were started, in the loop's time."""
    served: list[float] = field(default_factory=list)
    """When they served."""
    _alive: list[Pod] = field(default_factory=list)
    """Those that are told to end, too."""
    _held: deque = field(default_factory=deque)
    _tasks: set = field(default_factory=set)

    def take(self, exchange):
        """Give a call to the pod that has the fewest; hold it while there is none, as the activator does."""
        self.heard.append(exchange.headers)
        if pod := self._place():
            pod.take(exchange)
            return
        self._held.append(exchange)
        if not self.pods:
            self._spawn(self.start())

    def let_through(self):
        """Give what is held to pods that have a place for it."""
        while self._held and (pod := self._place()):
            exchange = self._held.popleft()
            if not exchange.over.is_set():
                pod.take(exchange)

    def _place(self):
        pods = [pod for pod in self.pods if pod.routed and (not self.concurrency or not self.bursts or pod.has_place)]
        return min(pods, key=lambda pod: pod.load, default=None)

    async def start(self):
        """Start a pod and wait until it serves."""
        port = free_port()
        clean = {key: value for key, value in os.environ.items() if not key.startswith("KOT_")}
        own = {"PORT": str(port), "KOT_HOST": "127.0.0.1", "K_REVISION": self.name, "K_SERVICE": self.module}
        path = self.folder / f"{self.name}-{port}.log"
        with path.open("w") as log:
            process = await asyncio.create_subprocess_exec(
                *self.command, self.module, env=clean | own | self.environment, stdout=log, stderr=log
            )
        pod = Pod(self, process, port, path)
        self.pods.append(pod)
        self._alive.append(pod)
        self._spawn(self._outlive(pod))
        now = asyncio.get_running_loop().time
        self.started.append(now())
        assert await pod.serves(), path.read_text()
        self.served.append(now())
        self.let_through()
        return pod

    async def scale(self, count, *, quiet=0.0):
        """Have so many pods; returns the exit codes of those that were one too many."""
        while len(self.pods) < count:
            await self.start()
        return [await self._end(pod, quiet) for pod in self.pods[count:]]

    async def restart(self, *, quiet=0.0):
        """Replace the oldest pod by a new one, which serves before the other is told to end; returns the exit code."""
        oldest = self.pods[0]
        await self.start()
        return await self._end(oldest, quiet)

    async def _end(self, pod, quiet):
        if quiet is None:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await pod.busy.wait()
        self.pods.remove(pod)
        return await pod.drain(quiet)

    async def _outlive(self, pod):
        """Start another when a pod that served ends, and nobody has told it to."""
        await pod.process.wait()
        self._alive.remove(pod)
        if pod in self.pods:
            self.pods.remove(pod)
            if pod.routed:
                await self.start()

    def _spawn(self, work):
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self):
        """Kill what is left."""
        for task in self._tasks:
            task.cancel()
        for pod in list(self._alive):
            with suppress(ProcessLookupError):
                pod.process.kill()
            await pod.process.wait()


class Route:
    """The address of a service: each call goes to the revision of its tag, or to the default one."""

    def __init__(self, revision, *, timeout=300.0, **tagged):
        self.revision = revision
        self.tagged = {name.encode(): other for name, other in tagged.items()}
        self.timeout = timeout
        """Seconds that a call may take from its beginning, waiting for a pod and its streams included."""
        self.refusals = Counter()
        """By status; `reset` where the answer had begun."""
        self.port = free_port()
        self._wires = []

    @property
    def target(self):
        return f"127.0.0.1:{self.port}"

    def accept(self, caller, headers):
        """Begin a call."""
        exchange = Exchange(self, caller, headers)
        self.tagged.get(dict(headers).get(TAG), self.revision).take(exchange)
        return exchange.from_caller

    def connected(self):
        """Begin a connection."""
        wire = Wire(self.accept)
        self._wires.append(wire)
        return wire

    @asynccontextmanager
    async def serving(self):
        """Serve while the context lasts; in the end no process is left."""
        server = await asyncio.get_running_loop().create_server(self.connected, "127.0.0.1", self.port)
        try:
            yield self
        finally:
            server.close()
            for wire in self._wires:
                wire.abort()
            for revision in {id(each): each for each in (self.revision, *self.tagged.values())}.values():
                await revision.close()
