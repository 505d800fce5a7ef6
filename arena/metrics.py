"""Counters, gauges and histograms, named ``arena_*``, for ``/metrics``.

Asking twice for the same name gives the same metric, so two components of one process may count together.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector

__all__ = [
    "CONTENT_TYPE",
    "Counter",
    "Gauge",
    "Histogram",
    "add",
    "counter",
    "exposition",
    "gauge",
    "histogram",
    "remove",
]

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Buckets for durations, unless something better is known."""

_registry: Final = REGISTRY
_metrics: Final[dict[str, MetricWrapperBase]] = {}
_M = TypeVar("_M", bound=MetricWrapperBase)


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


def add(collector: Collector) -> None:
    """Let ``/metrics`` ask this collector too: for components that count in plain integers."""
    _registry.register(collector)


def remove(collector: Collector) -> None:
    """Ask it no more."""
    _registry.unregister(collector)


def exposition() -> bytes:
    """Return every metric in Prometheus's text format (``CONTENT_TYPE``)."""
    return generate_latest(_registry)
