"""Counters, gauges and histograms, named ``arena_*``, for ``/metrics``.

Asking twice for the same name gives the same metric, so two components of one process may count together.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector

__all__ = [
    "CONTENT_TYPE",
    "Counter",
    "Gauge",
    "Histogram",
    "PlainCounter",
    "PlainHistogram",
    "add",
    "counter",
    "exposition",
    "gauge",
    "histogram",
    "plain_counter",
    "plain_histogram",
    "remove",
]

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Buckets for durations, unless something better is known."""

_registry: Final = REGISTRY
_metrics: Final[dict[str, MetricWrapperBase]] = {}
_M = TypeVar("_M", bound=MetricWrapperBase)


class PlainCounter(Collector):
    """A counter of the event loop's thread: a plain integer, where a lock for each count would be felt."""

    __slots__ = ("_meaning", "_name", "value")

    def __init__(self, name: str, meaning: str) -> None:
        self._name = name.removesuffix("_total")
        self._meaning = meaning
        self.value = 0

    def collect(self) -> Iterable[Metric]:
        """Yield the metric as it stands (the interface of prometheus_client)."""
        yield CounterMetricFamily(self._name, self._meaning, value=self.value)


class PlainHistogram(Collector):
    """A histogram of the event loop's thread; ``buckets`` are upper bounds."""

    __slots__ = ("_bounds", "_counts", "_meaning", "_name", "_sum")

    def __init__(self, name: str, meaning: str, buckets: Sequence[float]) -> None:
        self._name = name
        self._meaning = meaning
        self._bounds = tuple(buckets)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def collect(self) -> Iterable[Metric]:
        """Yield the metric as it stands: each bucket counts what is in those below it, too."""
        below, buckets = 0, []
        for bound, count in zip((*self._bounds, float("inf")), self._counts, strict=True):
            below += count
            buckets.append(("+Inf" if bound == float("inf") else str(bound), below))
        yield HistogramMetricFamily(self._name, self._meaning, buckets=buckets, sum_value=self._sum)


_plain: Final[dict[str, PlainCounter | PlainHistogram]] = {}


def _once(kind: type[_M], name: str, make: Callable[[], _M]) -> _M:
    assert name.startswith("arena_"), f"{name}: our metrics are named arena_*"
    known = _metrics.get(name)
    if known is None:
        known = _metrics[name] = make()
    assert isinstance(known, kind), f"{name} is a {type(known).__name__}"
    return known


def counter(name: str, meaning: str, labels: Sequence[str] = ()) -> Counter:
    """Return the counter of that name (``…_total``)."""
    return _once(Counter, name, lambda: Counter(name, meaning, labels, registry=_registry))


def gauge(name: str, meaning: str, labels: Sequence[str] = ()) -> Gauge:
    """Return the gauge of that name."""
    return _once(Gauge, name, lambda: Gauge(name, meaning, labels, registry=_registry))


def histogram(name: str, meaning: str, labels: Sequence[str] = (), *, buckets: Sequence[float] = SECONDS) -> Histogram:
    """Return the histogram of that name; ``buckets`` are upper bounds."""
    return _once(Histogram, name, lambda: Histogram(name, meaning, labels, registry=_registry, buckets=buckets))


def plain_counter(name: str, meaning: str) -> PlainCounter:
    """Return the plain counter of that name (``…_total``)."""
    known = _plain.get(name)
    if known is None:
        known = _plain[name] = PlainCounter(name, meaning)
        add(known)
    assert isinstance(known, PlainCounter), f"{name} is a {type(known).__name__}"
    return known


def plain_histogram(name: str, meaning: str, *, buckets: Sequence[float] = SECONDS) -> PlainHistogram:
    """Return the plain histogram of that name; ``buckets`` are upper bounds."""
    known = _plain.get(name)
    if known is None:
        known = _plain[name] = PlainHistogram(name, meaning, buckets)
        add(known)
    assert isinstance(known, PlainHistogram), f"{name} is a {type(known).__name__}"
    return known


def add(collector: Collector) -> None:
    """Let ``/metrics`` ask this collector too: for components that count in plain integers."""
    _registry.register(collector)


def remove(collector: Collector) -> None:
    """Ask it no more."""
    _registry.unregister(collector)


def exposition() -> bytes:
    """Return every metric in Prometheus's text format (``CONTENT_TYPE``)."""
    return generate_latest(_registry)
