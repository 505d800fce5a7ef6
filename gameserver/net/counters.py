"""What the edge counts. Plain integers (a frame adds one, nothing more); Prometheus reads them when it asks."""

from collections import Counter
from collections.abc import Callable, Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class Counters(Collector):
    """The counts of one listener. Label values come from closed sets of ours, never from a client."""

    __slots__ = (
        "aborts",
        "closes",
        "control_in",
        "fragments_in",
        "frames_in",
        "frames_out",
        "gauges",
        "lines_in",
        "opened",
        "protocol_errors",
        "refused",
    )

    def __init__(self) -> None:
        self.opened = 0
        self.frames_in = 0
        self.frames_out = 0
        self.fragments_in = 0
        self.control_in = 0
        self.lines_in = 0
        self.closes: Counter[str] = Counter()  # by name of CloseCode, sent by us
        self.aborts: Counter[str] = Counter()  # by reason
        self.refused: Counter[str] = Counter()  # handshakes, by reason
        self.protocol_errors: Counter[str] = Counter()  # by ProtocolErrorCode
        self.gauges: dict[str, Callable[[], int]] = {}

    def describe(self) -> Iterable[Metric]:
        """Claim no names: two listeners of one process (in tests) may both be asked."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics as they stand (the interface of prometheus_client)."""
        for name, value, meaning in (
            ("arena_connections_opened", self.opened, "Upgraded connections."),
            ("arena_frames_in", self.frames_in, "Messages received from clients."),
            ("arena_frames_out", self.frames_out, "Writes of ready frames to clients."),
            ("arena_fragments_in", self.fragments_in, "Fragments of messages received."),
            ("arena_control_frames_in", self.control_in, "Pings, pongs and closes received."),
            ("arena_lines_in", self.lines_in, "TCP times of public sockets received from doors."),
        ):
            yield CounterMetricFamily(name, meaning, value=value)
        for name, label, counts, meaning in (
            ("arena_closes", "code", self.closes, "Connections closed by us, by close code."),
            ("arena_aborts", "reason", self.aborts, "Connections cut without waiting, by reason."),
            ("arena_refused_handshakes", "reason", self.refused, "Upgrades refused, by reason."),
            ("arena_protocol_errors", "code", self.protocol_errors, "Messages that broke the protocol, by code."),
        ):
            family = CounterMetricFamily(name, meaning, labels=[label])
            for key, value in sorted(counts.items()):
                family.add_metric([key], value)
            yield family
        for name, read in self.gauges.items():
            yield GaugeMetricFamily(name, "Now.", value=read())
