"""The arithmetic of Knative's pod autoscaler (KPA), by concurrency, as knative/serving 1.23 does it.

How many pods are wanted is decided every two seconds from two averages of the requests in the system: over the stable
window, and over the panic window, a tenth of it. If the panic window alone wants twice the pods that are ready, the
autoscaler panics: until a whole stable window has passed without that, pods are only added. Verified against
`pkg/autoscaler/scaling/autoscaler.go`, `pkg/autoscaler/aggregation/bucketing.go`,
`pkg/reconciler/autoscaling/resources/target.go` and `pkg/reconciler/autoscaling/kpa/scaler.go` there. Times are seconds
on the caller's clock, which only goes forward.
"""

import math
from collections import deque
from dataclasses import dataclass

TICK_SECONDS = 2.0
"""How often it is decided."""
BUCKET_SECONDS = 1.0
"""How often pods and the activator report their concurrency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """How one service is scaled: Knative's annotations and `config-autoscaler`, with Knative's defaults."""

    container_concurrency: int
    """Requests that a pod runs at a time; more wait. At least 1."""
    target: float | None = None
    """The annotation `target`; `container_concurrency` if left out, or if that is less."""
    utilization: float = 0.7
    """`target-utilization-percentage`: the share of the target that is aimed at."""
    stable_seconds: float = 60.0
    panic_share: float = 0.1
    """`panic-window-percentage`: the panic window over the stable one."""
    panic_threshold: float = 2.0
    """`panic-threshold-percentage`: panic if the panic window wants so many times the pods that are ready."""
    max_up_rate: float = 1000.0
    """Pods wanted are at most so many times those that are ready."""
    max_down_rate: float = 2.0
    """Pods wanted are at least those that are ready over this."""
    grace_seconds: float = 30.0
    """`scale-to-zero-grace-period`: how long the last pod stays once the activator is in the path."""
    always_proxied: bool = False
    """`target-burst-capacity` -1: the activator is in the path always, so that the last pod need not stay for it."""
    retention_seconds: float = 0.0
    """`scale-to-zero-pod-retention-period`: how long the last pod stays at least, once nobody wants it."""
    down_delay_seconds: float = 0.0
    """`scale-down-delay`: there are as many pods as were wanted at any time within so long."""
    min_scale: int = 0
    max_scale: int = 0
    """0 is no limit."""
    start_seconds: float = 2.0
    """From wanting a pod to its being ready: scheduling, start of the process, probe. Knative has no such setting."""

    def __post_init__(self) -> None:
        """Refuse what no service can be scaled by."""
        if self.container_concurrency < 1 or (self.max_scale and self.max_scale < self.min_scale):
            raise ValueError("container_concurrency must be 1 or more, and max_scale 0 or no less than min_scale")

    @property
    def per_pod(self) -> float:
        """Requests in the system that one pod is wanted for."""
        wanted = self.container_concurrency if self.target is None else self.target
        return max(1.0, self.utilization * min(wanted, self.container_concurrency))

    @property
    def panic_seconds(self) -> float:
        """The panic window."""
        return self.stable_seconds * self.panic_share


class Window:
    """Averages what was reported over the last `seconds`; what is older counts no more.

    While less than a window has passed since the first report, only that time counts.
    """

    def __init__(self, seconds: float) -> None:
        self._size = math.ceil(seconds / BUCKET_SECONDS)
        self._values: deque[tuple[int, float]] = deque()
        self._first: int | None = None

    def record(self, now: float, concurrency: float) -> None:
        """Take the average concurrency of the bucket that ends now; reports come in order of time."""
        bucket = int(now / BUCKET_SECONDS)
        self._forget(bucket)
        if not self._values:
            self._first = bucket
        self._values.append((bucket, concurrency))

    def average(self, now: float) -> float | None:
        """Return the average; None if nothing was reported within the window."""
        bucket = int(now / BUCKET_SECONDS)
        self._forget(bucket)
        if not self._values or self._first is None:
            return None
        return sum(value for _, value in self._values) / min(bucket - self._first + 1, self._size)

    def _forget(self, bucket: int) -> None:
        while self._values and self._values[0][0] <= bucket - self._size:
            self._values.popleft()


class Autoscaler:
    """Decides how many pods one service should have."""

    def __init__(self, scaling: Scaling) -> None:
        self._scaling = scaling
        self._stable = Window(scaling.stable_seconds)
        self._panic = Window(scaling.panic_seconds)
        self._panicked_at: float | None = None
        self._most_in_panic = 0
        self._lately: deque[tuple[float, int]] = deque()
        """What was wanted when, while that may delay what is wanted less."""
        self._active_since: float | None = None
        self._idle_since: float | None = None

    @property
    def panics(self) -> bool:
        """Whether it is in panic mode."""
        return self._panicked_at is not None

    def record(self, now: float, concurrency: float) -> None:
        """Take the average number of requests in the system, waiting ones included, over the last bucket."""
        self._stable.record(now, concurrency)
        self._panic.record(now, concurrency)

    def decide(self, now: float, ready: int, wanted: int) -> int:
        """Return how many pods there should be, where `ready` serve and `wanted` were wanted last."""
        stable, panic = self._stable.average(now), self._panic.average(now)
        if stable is None:
            return wanted
        desired = self._delayed(now, self._desired(now, ready, stable, panic or 0.0))
        desired = max(desired, self._scaling.min_scale)
        if self._scaling.max_scale:
            desired = min(desired, self._scaling.max_scale)
        return self._or_one_for_a_while(now, desired, ready, wanted)

    def _desired(self, now: float, ready: int, stable: float, panic: float) -> int:
        scaling, at_least_one = self._scaling, max(1, ready)
        highest = math.ceil(scaling.max_up_rate * at_least_one)
        lowest = math.floor(at_least_one / scaling.max_down_rate)
        by_stable, by_panic = (math.ceil(each / scaling.per_pod) for each in (stable, panic))
        if by_panic / at_least_one >= scaling.panic_threshold:
            self._panicked_at = now
        elif self._panicked_at is not None and now > self._panicked_at + scaling.stable_seconds:
            self._panicked_at, self._most_in_panic = None, 0
        desired = min(max(by_stable, lowest), highest)
        if self._panicked_at is None:
            return desired
        self._most_in_panic = max(self._most_in_panic, desired, min(max(by_panic, lowest), highest))
        return self._most_in_panic

    def _delayed(self, now: float, desired: int) -> int:
        """Return the most that was wanted lately."""
        while self._lately and self._lately[0][0] <= now - self._scaling.down_delay_seconds:
            self._lately.popleft()
        self._lately.append((now, desired))
        return max(pods for _, pods in self._lately)

    def _or_one_for_a_while(self, now: float, desired: int, ready: int, wanted: int) -> int:
        """Keep a last pod until it was ready for a stable window, and then idle for the grace or its retention."""
        if ready == 0:
            self._active_since = None
        elif self._active_since is None or (desired > 0 and self._idle_since is not None):
            self._active_since = now
        if desired > 0 or wanted == 0:
            self._idle_since = None
            return desired
        if self._active_since is None:
            return wanted
        if now < self._active_since + self._scaling.stable_seconds:
            return 1
        if self._idle_since is None:
            self._idle_since = now
        grace = 0.0 if self._scaling.always_proxied else self._scaling.grace_seconds
        return 1 if now < self._idle_since + max(grace, self._scaling.retention_seconds) else 0
