"""
The values behind the catalogue, and their Prometheus text.

Law 1: every series of a counter exists from the start at 0, else `rate()` would miss the first event.
Law 2: a size has no counter; the app registers a callable that is asked when somebody scrapes.
"""

import os
import time
from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, GCCollector, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from relayd.telemetry.catalogue import BUILD_INFO, CATALOGUE, Kind, Metric
from relayd.telemetry.labels import OTHER, TRANSPORT

__all__ = ["Metrics", "Pulled", "reference"]

Pulled = float | Mapping[str, float] | None
"""What a gauge's callable returns: a value, values by label, or None while there is nothing to tell."""


class Metrics:
    """All metrics of one relay, in a registry of their own; two relays in one process don't mix."""

    def __init__(self, *, version: str, transports: Iterable[str] = ("longpoll", "sse", "websocket")) -> None:
        self._transports = (*transports, OTHER)
        self._counters: dict[tuple[str, str], Counter] = {}
        self._histograms: dict[tuple[str, str], Histogram] = {}
        self._pulls: dict[str, Callable[[], Pulled]] = {}
        self._registry = CollectorRegistry()
        for metric in CATALOGUE:
            if metric.kind is Kind.COUNTER:
                self._make_counter(metric)
            elif metric.kind is Kind.HISTOGRAM:
                self._make_histogram(metric)
        self._registry.register(_Gauges(self._gauges))
        _Process(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self.pull(BUILD_INFO.name, lambda: {version: 1.0})

    def add(self, metric: Metric, amount: float = 1, label: str = "") -> None:
        """Count; a label outside the closed set is counted as `other`."""
        series = self._counters.get((metric.name, label)) or self._counters[metric.name, OTHER]
        series.inc(amount)

    def observe(self, metric: Metric, value: float, label: str = "") -> None:
        """Put a value, in the metric's unit, into its histogram; a label outside the closed set is `other`."""
        series = self._histograms.get((metric.name, label)) or self._histograms[metric.name, OTHER]
        # Clocks are set back now and then; a sum that shrinks looks like a restart to `rate()`.
        series.observe(max(value, 0.0))

    def pull(self, name: str, read: Callable[[], Pulled]) -> None:
        """Register who knows the gauge of that name; raises KeyError when there is no such gauge."""
        if not any(metric.name == name and metric.kind is Kind.PULLED for metric in CATALOGUE):
            raise KeyError(f"{name} is no gauge of the catalogue")
        self._pulls[name] = read

    def render(self) -> tuple[bytes, str]:
        """Return the text for Prometheus and its content type."""
        return generate_latest(_WithoutCreated(self._registry)), CONTENT_TYPE_PLAIN_0_0_4

    def _values(self, metric: Metric) -> tuple[str, ...]:
        return self._transports if metric.label == TRANSPORT else metric.values

    def _make_counter(self, metric: Metric) -> None:
        labels = (metric.label,) if metric.label else ()
        counter = Counter(metric.name, metric.meaning, labels, registry=self._registry)
        for value in self._values(metric):
            self._counters[metric.name, value] = counter.labels(value)
        if not metric.label:
            self._counters[metric.name, ""] = self._counters[metric.name, OTHER] = counter

    def _make_histogram(self, metric: Metric) -> None:
        labels = (metric.label,) if metric.label else ()
        histogram = Histogram(metric.name, metric.meaning, labels, registry=self._registry, buckets=metric.buckets)
        for value in self._values(metric):
            self._histograms[metric.name, value] = histogram.labels(value)
        if not metric.label:
            self._histograms[metric.name, ""] = self._histograms[metric.name, OTHER] = histogram

    def _gauges(self) -> Iterable[Family]:
        for metric in CATALOGUE:
            if metric.kind is Kind.PULLED:
                family = GaugeMetricFamily(metric.name, metric.meaning, labels=(metric.label,) if metric.label else ())
                read = self._pulls.get(metric.name)
                for value, amount in self._samples(metric, None if read is None else read()).items():
                    family.add_metric([value] if metric.label else [], amount)
                yield family

    def _samples(self, metric: Metric, pulled: Pulled) -> Mapping[str, float]:
        if pulled is None:
            return {}
        if not isinstance(pulled, Mapping):
            return {"": float(pulled)}
        closed = self._values(metric)
        if not closed:
            return pulled
        samples = dict.fromkeys(closed, 0.0)
        for value, amount in pulled.items():
            samples[value if value in samples else OTHER] += amount
        return samples


def reference() -> str:
    """Return the Markdown page that lists every metric."""
    lines = [
        "# Metrics",
        "",
        "`/metrics` on the admin listener. There are no labels for projects, users, connections or addresses; a label",
        "value outside its set is counted as `other`. Beside these, the usual `process_*` and `python_*` are exported.",
        "",
        "| metric | kind | label | meaning |",
        "|---|---|---|---|",
    ]
    for metric in CATALOGUE:
        values = ", ".join(f"`{value}`" for value in metric.values)
        label = f"`{metric.label}`{': ' if values else ''}{values}" if metric.label else ""
        lines.append(f"| `{metric.name}` | {metric.kind.value} | {label} | {metric.meaning} |")
    return "\n".join(lines) + "\n"


class _Gauges(Collector):
    """Asks for every gauge when scraped."""

    def __init__(self, collect: Callable[[], Iterable[Family]]) -> None:
        self._collect = collect

    def describe(self) -> Iterable[Family]:
        # Named without asking anybody: at registration nobody has said yet who knows the values.
        return [GaugeMetricFamily(metric.name, metric.meaning) for metric in CATALOGUE if metric.kind is Kind.PULLED]

    def collect(self) -> Iterable[Family]:
        return self._collect()


class _WithoutCreated(Collector):
    """Leaves out the `_created` series, which double the number of series and which no rule reads."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterable[Family]:
        for family in self._registry.collect():
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            yield family


class _Process(ProcessCollector):
    """
    The process metrics, also where `/proc/stat` is hidden.

    Under `ProcSubset=pid` the library finds no boot time and then exports nothing at all, so that the alerts on
    open files and restarts could never fire.
    """

    def _boot_time(self) -> float:
        return (
            time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
            if hasattr(time, "CLOCK_BOOTTIME")
            else os.times().elapsed
        )
