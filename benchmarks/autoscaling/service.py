"""A service behind an activator: requests wait until a pod has room, pods come and go as the autoscaler decides.

A pod runs `container_concurrency` requests at a time. Where none has room, requests wait in one queue, first come first
served, as behind an activator that is always in the path; pods get them by least load. A pod that has to go takes no
more and stays until what it runs has ended.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from autoscaling.clock import Clock
from autoscaling.kpa import BUCKET_SECONDS, TICK_SECONDS, Autoscaler, Scaling


@dataclass(eq=False, slots=True)
class Pod:
    """One pod."""

    began: float
    running: int = 0
    ready: bool = False
    leaving: bool = False


@dataclass(eq=False, slots=True)
class Request:
    """One request: it waits, runs on a pod, and ends; it may end while it waits."""

    service: "Service"
    begin: "Begin"
    came: float
    pod: Pod | None = None
    ended: bool = False

    def end(self) -> None:
        """Make room; nothing happens if it has ended before."""
        if not self.ended:
            self.ended = True
            self.service.left(self)


Begin = Callable[[Request], None]
"""What a request does once a pod runs it."""


@dataclass(slots=True)
class Sample:
    """A service at one moment."""

    time: float
    ready: int
    starting: int
    in_system: int
    waiting: int


@dataclass(eq=False)
class Service:
    """One service; with `fixed` pods it is not scaled."""

    clock: Clock
    scaling: Scaling
    fixed: int | None = None
    pods: list[Pod] = field(default_factory=list)
    """Those that are wanted, the oldest first, and those that leave."""
    samples: list[Sample] = field(default_factory=list)
    """One a second."""
    requests: int = 0
    longest_wait: float = 0.0
    pod_seconds: float = 0.0
    """Of pods that are gone."""

    def __post_init__(self) -> None:
        """Begin with the least pods, which are ready."""
        self._autoscaler = Autoscaler(self.scaling)
        self._waiting: deque[Request] = deque()
        self._dispatching = False
        self._in_system = 0
        self._request_seconds = 0.0
        self._counted_to = self.clock.now
        for _ in range(self.scaling.min_scale if self.fixed is None else self.fixed):
            self.pods.append(Pod(self.clock.now, ready=True))
        self._wanted = len(self.pods)
        self.clock.every(BUCKET_SECONDS, self._report)
        if self.fixed is None:
            self.clock.every(TICK_SECONDS, self._tick)

    def enter(self, begin: Begin) -> Request:
        """Take a request; `begin` gets it when a pod runs it, which may be at once, and has it ended some time."""
        request = Request(self, begin, self.clock.now)
        self._count(1)
        self.requests += 1
        self._waiting.append(request)
        if self._wanted == 0 and self.fixed is None:
            # The activator does not wait for the next report, nor the autoscaler for its tick.
            self._autoscaler.record(self.clock.now, 1)
            self._tick()
        self._dispatch()
        return request

    def left(self, request: Request) -> None:
        """Give the room of a request to the next."""
        self._count(-1)
        if request.pod is None:
            return  # the queue drops it when its turn comes
        request.pod.running -= 1
        if request.pod.leaving and request.pod.running == 0:
            self._remove(request.pod)
        self._dispatch()

    def pod_seconds_until_now(self) -> float:
        """Return how long pods were there, from being wanted to their end."""
        return self.pod_seconds + sum(self.clock.now - pod.began for pod in self.pods)

    def _dispatch(self) -> None:
        """Give rooms to those that wait; what begins may end at once, which makes no second round of this."""
        if self._dispatching:
            return
        self._dispatching = True
        while self._waiting:
            if self._waiting[0].ended:
                self._waiting.popleft()
                continue
            free = [pod for pod in self.pods if pod.ready and not pod.leaving]
            pod = min(free, key=lambda pod: pod.running, default=None)
            if pod is None or pod.running >= self.scaling.container_concurrency:
                break
            request = self._waiting.popleft()
            request.pod = pod
            pod.running += 1
            self.longest_wait = max(self.longest_wait, self.clock.now - request.came)
            request.begin(request)
        self._dispatching = False

    def _count(self, change: int) -> None:
        self._request_seconds += self._in_system * (self.clock.now - self._counted_to)
        self._counted_to = self.clock.now
        self._in_system += change

    def _report(self) -> None:
        """Tell the autoscaler the average of the last second."""
        self._count(0)
        self._autoscaler.record(self.clock.now, self._request_seconds / BUCKET_SECONDS)
        self._request_seconds = 0.0
        running = sum(pod.running for pod in self.pods)
        ready = sum(pod.ready for pod in self.pods)
        self.samples.append(
            Sample(self.clock.now, ready, len(self.pods) - ready, self._in_system, self._in_system - running)
        )

    def _tick(self) -> None:
        ready = sum(pod.ready and not pod.leaving for pod in self.pods)
        wanted = self._autoscaler.decide(self.clock.now, ready, self._wanted)
        for _ in range(wanted - self._wanted):
            self._start()
        staying = [pod for pod in self.pods if not pod.leaving]
        # Those that are not ready go first, then the youngest.
        staying.sort(key=lambda pod: (not pod.ready, pod.began))
        for pod in staying[wanted:]:
            pod.leaving = True
            if pod.running == 0:
                self._remove(pod)
        self._wanted = wanted

    def _start(self) -> None:
        pod = Pod(self.clock.now)
        self.pods.append(pod)

        def serve() -> None:
            if not pod.leaving:
                pod.ready = True
                self._dispatch()

        self.clock.after(self.scaling.start_seconds, serve)

    def _remove(self, pod: Pod) -> None:
        self.pods.remove(pod)
        self.pod_seconds += self.clock.now - pod.began
