"""Metrics that count in plain integers read like prometheus_client's own."""

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from arena import metrics


def _lines(*collectors: metrics.PlainCounter | metrics.PlainHistogram) -> set[str]:
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    return {line for line in generate_latest(registry).decode().splitlines() if "_created" not in line}


def _reference(registry: CollectorRegistry) -> set[str]:
    return {line for line in generate_latest(registry).decode().splitlines() if "_created" not in line}


def test_plain_metrics_are_exposed_as_prometheus_clients_own() -> None:
    registry = CollectorRegistry()
    counter = Counter("arena_x_total", "Xs.", registry=registry)
    histogram = Histogram("arena_y_seconds", "Ys.", registry=registry, buckets=(0.001, 0.5, 2.0))
    plain_counter = metrics.PlainCounter("arena_x_total", "Xs.")
    plain_histogram = metrics.PlainHistogram("arena_y_seconds", "Ys.", (0.001, 0.5, 2.0))
    for value in (0.0005, 0.001, 0.25, 0.5, 1.0, 64.0):
        counter.inc(3)
        plain_counter.value += 3
        histogram.observe(value)
        plain_histogram.observe(value)
    assert _lines(plain_counter, plain_histogram) == _reference(registry)


def test_asking_twice_for_a_plain_metric_gives_the_same_one() -> None:
    first = metrics.plain_counter("arena_test_plain_total", "Of this test.")
    assert metrics.plain_counter("arena_test_plain_total", "Of this test.") is first
    held = metrics.plain_histogram("arena_test_plain_seconds", "Of this test.")
    assert metrics.plain_histogram("arena_test_plain_seconds", "Of this test.") is held
    metrics.remove(first)
    metrics.remove(held)
