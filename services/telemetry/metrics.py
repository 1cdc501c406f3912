"""Metrics, sent over OTLP, shown to Prometheus, or both. Where none are wanted, nothing is imported or counted."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from services.core.errors import AddressUnusable, InvalidInput, KotError
from services.telemetry.instruments import METRICS, OUTCOME, Kind, Metric
from services.telemetry.resource import resource_of

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, Observation
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import MetricReader
    from opentelemetry.sdk.resources import Resource

EVERY_SECONDS = 15.0
"""Metrics are sent so often; the last time when the process ends."""
SEND_SECONDS = 5.0
"""How long sending may take, and how long a process waits for it in the end."""

Add = Callable[[float, dict[str, str]], None]
"""Adds an amount to a counter or a level, or a value to a histogram, under labels."""


class MetricsSettings(Protocol):
    """What the settings say of metrics."""

    @property
    def metrics_port(self) -> int:
        """Where Prometheus finds them, over HTTP; 0 for nowhere."""
        ...

    @property
    def metrics_endpoint(self) -> str:
        """An OTLP receiver, over gRPC; empty for none."""
        ...


class Metrics:
    """What counts, and tells `readers` of it."""

    def __init__(
        self,
        readers: Sequence["MetricReader"],
        resource: "Resource | None" = None,
        stop_serving: Callable[[], None] | None = None,
    ) -> None:
        from opentelemetry.sdk.metrics import MeterProvider

        self._stop_serving = stop_serving
        self._provider = MeterProvider(readers, resource, shutdown_on_exit=False)
        self._adds = {metric: _instrument(self._provider, metric) for metric in METRICS}

    def add(self, metric: Metric, amount: float, labels: dict[str, str]) -> None:
        """Count."""
        self._adds[metric](amount, labels)

    def close(self) -> None:
        """Send what is left, as far as that is possible in a short time. Blocks."""
        if self._stop_serving:
            self._stop_serving()
        self._provider.shutdown(SEND_SECONDS * 1000)


_metrics: Metrics | None = None


def configure(settings: MetricsSettings, *, service: str, pod: str, revision: str, host: str) -> None:
    """Count from now on, if the settings want it; a process does this once. `host` is the interface to show them on.

    Raises `InvalidInput` if the packages for it are missing, `AddressUnusable` if the port is taken.
    """
    if not (settings.metrics_port or settings.metrics_endpoint):
        return
    try:
        readers, stop_serving = _readers(settings, host)
    except ImportError as error:
        raise InvalidInput(f"metrics need kube-of-thoughts[otel]: {error}", field="KOT_METRICS_PORT") from error
    install(Metrics(readers, resource_of(service=service, pod=pod, revision=revision), stop_serving))


def install(metrics: Metrics) -> None:
    """Count with these from now on."""
    global _metrics
    _metrics = metrics


async def close() -> None:
    """Send what is left, for a few seconds at most, and count no more."""
    global _metrics
    if _metrics:
        closing, _metrics = _metrics, None
        await asyncio.to_thread(closing.close)


def counted() -> bool:
    """Tell whether anything is counted."""
    return _metrics is not None


def add(metric: Metric, amount: float = 1, **labels: str) -> None:
    """Add to a counter or a level, or a value to a histogram; nothing happens if nothing is counted."""
    if _metrics is not None:
        _metrics.add(metric, amount, labels)


@contextmanager
def timed(duration: Metric, running: Metric, **labels: str) -> Iterator[dict[str, str]]:
    """Count what runs meanwhile, and how long it took; gives the labels of `duration`, to be added to.

    Its outcome is `ended`, `left` if nobody waited for the end, or the reason of its error.
    """
    if _metrics is None:
        yield {}
        return
    begun = time.perf_counter()
    timing = {**labels, OUTCOME: "left"}
    add(running, 1, **labels)
    try:
        yield timing
        timing[OUTCOME] = "ended"
    except KotError as error:
        timing[OUTCOME] = str(error.reason)
        raise
    finally:
        add(running, -1, **labels)
        add(duration, time.perf_counter() - begun, **timing)


def _readers(settings: MetricsSettings, host: str) -> tuple[list["MetricReader"], Callable[[], None] | None]:
    """Return who is told, and what ends the server for Prometheus, if there is one."""
    readers: list[MetricReader] = []
    stop_serving = None
    if settings.metrics_port:
        from opentelemetry.exporter.prometheus import PrometheusMetricReader

        readers.append(PrometheusMetricReader(scope_info_enabled=False))
        stop_serving = _serve(settings.metrics_port, host)
    if settings.metrics_endpoint:
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

        exporter = OTLPMetricExporter(
            endpoint=settings.metrics_endpoint,
            insecure=not settings.metrics_endpoint.startswith("https://"),
            timeout=SEND_SECONDS,
        )
        readers.append(PeriodicExportingMetricReader(exporter, export_interval_millis=EVERY_SECONDS * 1000))
    return readers, stop_serving


def _serve(port: int, host: str) -> Callable[[], None]:
    """Show the metrics at `/metrics`, from a thread of its own; returns what ends that."""
    from prometheus_client import start_http_server

    try:
        server, thread = start_http_server(port, host)
    except OSError as error:
        raise AddressUnusable(f"cannot show metrics on {host}:{port} (KOT_METRICS_PORT): {error}") from error

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop


class _Sum:
    """A counter or a level, read when somebody asks: to add with the library costs several times as much."""

    def __init__(self, metric: Metric) -> None:
        self._labels = metric.labels
        self._values: dict[tuple[str, ...], float] = {}

    def add(self, amount: float, labels: dict[str, str]) -> None:
        """Add under these labels: all that the metric has, and no others."""
        key = tuple([labels[name] for name in self._labels])
        self._values[key] = self._values.get(key, 0) + amount

    def observe(self, _options: "CallbackOptions") -> Iterable["Observation"]:
        """Return what there is; another thread may ask."""
        from opentelemetry.metrics import Observation

        return [
            Observation(value, dict(zip(self._labels, key, strict=True))) for key, value in list(self._values.items())
        ]


def _instrument(provider: "MeterProvider", metric: Metric) -> Add:
    meter = provider.get_meter("kube-of-thoughts")
    if metric.kind is Kind.HISTOGRAM:
        return meter.create_histogram(
            metric.name, metric.unit, metric.about, explicit_bucket_boundaries_advisory=metric.bounds
        ).record
    kept = _Sum(metric)
    if metric.kind is Kind.COUNTER:
        meter.create_observable_counter(metric.name, [kept.observe], metric.unit, metric.about)
    else:
        meter.create_observable_up_down_counter(metric.name, [kept.observe], metric.unit, metric.about)
    return kept.add
