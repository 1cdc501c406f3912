"""Every metric, once: its name, what it counts, and by which labels.

The values of labels come from small sets: no ids, no texts. Prometheus shows `kot.solve.duration`, in seconds, as
`kot_solve_duration_seconds`, and the counter `kot.solves` as `kot_solves_total`.
"""

from dataclasses import dataclass
from enum import StrEnum

# Labels.
TASK = "task"
"""The task's name; `custom` for one that came with its solve."""
STRATEGY = "strategy"
STATUS = "status"
"""How a solve ended here: a `SolveStatus`, `FAILED`, `PARKED`, or `LEFT`, without a last record."""
STAGE = "stage"
"""`generator`, `evaluator` or `validator`."""
MODEL = "model"
"""With the orchestrator, a name that its settings have, `default`, or `other`; with a worker, the model's own name."""
OUTCOME = "outcome"
REASON = "reason"
"""Why a line became no thought, or the reason of an error."""
DIRECTION = "direction"
"""`prompt` or `completion`."""
CACHED = "cached"
"""`yes` if the answer came from a cache."""
STORE = "store"
OF = "of"
"""What was tried again: a stage, or the `log`."""

ROUTE = "route"
"""What has handled a request of the page: the name of a handler, `static`, or `none`."""
CODE = "code"
"""The status of an HTTP response."""

CUSTOM = "custom"
DEFAULT = "default"
OTHER = "other"
PARKED = "PARKED"
LEFT = "LEFT"


class Kind(StrEnum):
    """How a metric changes."""

    COUNTER = "counter"
    """It only grows."""
    LEVEL = "level"
    """It grows and shrinks."""
    HISTOGRAM = "histogram"
    """It has many values, counted by size."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Metric:
    """One metric; `bounds` are those of a histogram's buckets, in its unit."""

    name: str
    kind: Kind
    unit: str
    labels: tuple[str, ...]
    about: str
    bounds: tuple[float, ...] = ()


_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64)


# Of solves, by the orchestrator that runs them.
SOLVES = Metric(
    name="kot.solves",
    kind=Kind.COUNTER,
    unit="{solve}",
    labels=(TASK, STRATEGY, STATUS),
    about="Solves that ended here, or were left; one that is taken up again counts again",
)
SOLVES_RUNNING = Metric(
    name="kot.solves.running", kind=Kind.LEVEL, unit="{solve}", labels=(TASK, STRATEGY), about="Solves that run here"
)
SOLVE_DURATION = Metric(
    name="kot.solve.duration",
    kind=Kind.HISTOGRAM,
    unit="s",
    labels=(TASK, STRATEGY, STATUS),
    about="Seconds from a solve's beginning to its end, pauses left out; with status SOLVED, to its answer",
    bounds=_SECONDS,
)
THOUGHTS = Metric(
    name="kot.thoughts",
    kind=Kind.COUNTER,
    unit="{thought}",
    labels=(TASK, STRATEGY, OUTCOME),
    about="Thoughts: each as proposed, and again as whatever else became of it",
)
DROPPED = Metric(
    name="kot.dropped",
    kind=Kind.COUNTER,
    unit="{line}",
    labels=(TASK, STRATEGY, REASON),
    about="Lines of a model that became no thought",
)
STORES_AWAY = Metric(
    name="kot.stores.away",
    kind=Kind.LEVEL,
    unit="{store}",
    labels=(STORE,),
    about="Solves that go on without the bus or the tree store; of the cache, whether reading and writing are left out",
)

# What solves spend, by the orchestrator, which knows prices.
MODEL_CALLS = Metric(
    name="kot.model.calls", kind=Kind.COUNTER, unit="{call}", labels=(TASK, STAGE, MODEL), about="Calls of models"
)
CACHE_HITS = Metric(
    name="kot.cache.hits",
    kind=Kind.COUNTER,
    unit="{call}",
    labels=(TASK, STAGE, MODEL),
    about="Calls that a cache answered",
)
TOKENS = Metric(
    name="kot.tokens",
    kind=Kind.COUNTER,
    unit="{token}",
    labels=(TASK, STAGE, MODEL, DIRECTION),
    about="Tokens that models read and wrote",
)
DOLLARS = Metric(
    name="kot.dollars",
    kind=Kind.COUNTER,
    unit="{dollar}",
    labels=(TASK, STAGE, MODEL),
    about="What models charged, at the prices of KOT_PRICES",
)

# Of an orchestrator's calls to its stages.
BATCH_SIZE = Metric(
    name="kot.batch.size",
    kind=Kind.HISTOGRAM,
    unit="{request}",
    labels=(TASK, STAGE),
    about="States or answers in one batch",
    bounds=_SIZES,
)
STAGE_RUNNING = Metric(
    name="kot.stage.running", kind=Kind.LEVEL, unit="{call}", labels=(STAGE,), about="Calls to a stage in flight"
)
STAGE_WAIT = Metric(
    name="kot.stage.wait",
    kind=Kind.HISTOGRAM,
    unit="s",
    labels=(STAGE,),
    about="Seconds that a call waited for its place (KOT_STAGE_CALLS)",
    bounds=_SECONDS,
)
STAGE_DURATION = Metric(
    name="kot.stage.duration",
    kind=Kind.HISTOGRAM,
    unit="s",
    labels=(STAGE, OUTCOME),
    about="Seconds that a call to a stage took",
    bounds=_SECONDS,
)
RETRIES = Metric(
    name="kot.retries",
    kind=Kind.COUNTER,
    unit="{try}",
    labels=(OF,),
    about="Calls that are tried again, because a stage or the log cannot be reached",
)

# Of a worker's models. A model of another worker (KOT_MODEL=remote) is seen on both sides.
MODEL_RUNNING = Metric(
    name="kot.model.running", kind=Kind.LEVEL, unit="{call}", labels=(MODEL,), about="Calls of a model in flight"
)
MODEL_DURATION = Metric(
    name="kot.model.duration",
    kind=Kind.HISTOGRAM,
    unit="s",
    labels=(MODEL, CACHED, OUTCOME),
    about="Seconds that a call of a model took, cached or not",
    bounds=_SECONDS,
)

# Of the page's server.
WEB_REQUESTS = Metric(
    name="kot.web.requests",
    kind=Kind.COUNTER,
    unit="{request}",
    labels=(ROUTE, CODE),
    about="Requests of the page that were answered",
)
WEB_STREAMS = Metric(
    name="kot.web.streams", kind=Kind.LEVEL, unit="{stream}", labels=(), about="Streams of events that are open"
)
WEB_STREAMS_FAILED = Metric(
    name="kot.web.streams.failed",
    kind=Kind.COUNTER,
    unit="{stream}",
    labels=(REASON,),
    about="Streams of events that ended with an error",
)

METRICS = tuple(found for found in dict(globals()).values() if isinstance(found, Metric))
"""All of them."""
