import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from relayd.telemetry import catalogue
from relayd.telemetry.catalogue import CATALOGUE, Kind
from relayd.telemetry.metrics import Metrics, _Process, reference
from tests.harness.process import find

SERIES = 250
"""Most series of one relay, buckets left out."""


@pytest.fixture
def metrics() -> Metrics:
    """The metrics of a relay that was just started."""
    return Metrics(version="1.2.3")


def samples(metrics: Metrics) -> Iterator[tuple[str, dict[str, str], float]]:
    """Return what Prometheus would read."""
    for family in text_string_to_metric_families(metrics.render()[0].decode()):
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    """Return one series' value, None when it is not exported."""
    found = [amount for known, given, amount in samples(metrics) if known == name and given == labels]
    assert len(found) < 2
    return found[0] if found else None


def test_every_series_of_a_counter_begins_at_zero(metrics: Metrics) -> None:
    """`rate()` sees the first event only if there was a zero before it."""
    for metric in CATALOGUE:
        if metric.kind is Kind.COUNTER:
            for label in metric.values or ("",):
                labels = {metric.label: label} if metric.values else {"transport": "sse"} if metric.label else {}
                assert value(metrics, metric.name, **labels) == 0, metric.name


def test_what_is_counted_is_exported(metrics: Metrics) -> None:
    """By label, and without one."""
    metrics.add(catalogue.DELIVERIES, 3, "websocket")
    metrics.add(catalogue.DEDUPLICATED)
    assert value(metrics, "relayd_deliveries_total", transport="websocket") == 3
    assert value(metrics, "relayd_messages_deduplicated_total") == 1


def test_a_label_outside_its_set_is_counted_as_other(metrics: Metrics) -> None:
    """Ten thousand strangers' texts make no series."""
    before = len([*samples(metrics)])
    for number in range(10_000):
        metrics.add(catalogue.REJECTED, 1, f"project-{number}")
        metrics.observe(catalogue.HANDSHAKE_DURATION, 0.1, f"transport-{number}")
    assert value(metrics, "relayd_messages_rejected_total", reason="other") == 10_000
    assert value(metrics, "relayd_handshake_duration_seconds_count", transport="other") == 10_000
    assert len([*samples(metrics)]) == before


def test_the_number_of_series_is_bounded() -> None:
    """With every gauge registered, one relay costs Prometheus little."""
    metrics = Metrics(version="1")
    for metric in CATALOGUE:
        if metric.kind is Kind.PULLED and metric is not catalogue.BUILD_INFO:
            metrics.pull(metric.name, dict if metric.label else lambda: 1.0)
    assert len([name for name, _, _ in samples(metrics) if not name.endswith("_bucket")]) <= SERIES


def test_a_plug_ins_transport_has_series_of_its_own() -> None:
    """The names of transports are known when the relay starts."""
    metrics = Metrics(version="1", transports=["carrier_pigeon"])
    metrics.add(catalogue.DELIVERIES, 1, "carrier_pigeon")
    assert value(metrics, "relayd_deliveries_total", transport="carrier_pigeon") == 1
    assert value(metrics, "relayd_deliveries_total", transport="websocket") is None


def test_a_gauge_is_asked_when_somebody_scrapes(metrics: Metrics) -> None:
    """Its value is the one of now."""
    sizes = [10.0]
    metrics.pull("relayd_timeline_bytes", lambda: sizes[-1])
    assert value(metrics, "relayd_timeline_bytes") == 10
    sizes.append(20.0)
    assert value(metrics, "relayd_timeline_bytes") == 20


def test_a_gauge_tells_all_its_labels(metrics: Metrics) -> None:
    """What the callable leaves out is 0; what it should not know is `other`."""
    metrics.pull("relayd_connections", lambda: {"websocket": 4, "pigeon": 1, "owl": 2})
    assert value(metrics, "relayd_connections", transport="websocket") == 4
    assert value(metrics, "relayd_connections", transport="sse") == 0
    assert value(metrics, "relayd_connections", transport="other") == 3


def test_a_gauge_that_nobody_knows_has_no_value(metrics: Metrics) -> None:
    """Nothing is told instead of a zero that is not true."""
    assert value(metrics, "relayd_stream_head_offset") is None
    metrics.pull("relayd_stream_head_offset", lambda: None)
    assert value(metrics, "relayd_stream_head_offset") is None


@pytest.mark.parametrize("name", ["relayd_typo", "relayd_deliveries_total"])
def test_only_gauges_of_the_catalogue_can_be_pulled(metrics: Metrics, name: str) -> None:
    """A typing error shows at start, not as a metric that is missing at night."""
    with pytest.raises(KeyError, match=name):
        metrics.pull(name, lambda: 1.0)


def test_a_clock_that_was_set_back_takes_nothing_away(metrics: Metrics) -> None:
    """A negative observation counts as zero."""
    metrics.observe(catalogue.DELIVERY_LATENCY, -5.0)
    assert value(metrics, "relayd_delivery_latency_seconds_sum") == 0
    assert value(metrics, "relayd_delivery_latency_seconds_count") == 1


def test_the_delivery_objective_is_a_bound_of_its_histogram(metrics: Metrics) -> None:
    """The rules read `le="1.0"` to the letter."""
    assert value(metrics, "relayd_delivery_latency_seconds_bucket", le="1.0") == 0


def test_the_version_is_told(metrics: Metrics) -> None:
    """Which build runs where."""
    assert value(metrics, "relayd_build_info", version="1.2.3") == 1


def test_process_and_interpreter_are_told(metrics: Metrics) -> None:
    """The alerts on open files and restarts read them."""
    names = {name for name, _, _ in samples(metrics)}
    assert {"process_open_fds", "process_max_fds", "process_start_time_seconds", "python_info"} <= names
    assert "python_gc_collections_total" in names
    assert not [name for name in names if name.endswith("_created")]


def test_the_process_is_told_where_the_boot_time_is_hidden(tmp_path: Path) -> None:
    """`ProcSubset=pid` of the shipped unit hides /proc/stat; the library alone would then export nothing."""
    (tmp_path / "self").symlink_to("/proc/self")
    hidden = {family.name for family in _Process(proc=str(tmp_path), registry=None).collect()}
    assert {"process_open_fds", "process_start_time_seconds"} <= hidden


def test_two_relays_in_one_process_do_not_mix() -> None:
    """Each has its own registry."""
    one, other = Metrics(version="1"), Metrics(version="1")
    one.add(catalogue.DEDUPLICATED, 5)
    assert value(other, "relayd_messages_deduplicated_total") == 0


def test_promtool_finds_nothing_to_mend(metrics: Metrics) -> None:
    """Names, help texts and types are as Prometheus wants them."""
    metrics.pull("relayd_connections", dict)
    text, content_type = metrics.render()
    checked = subprocess.run([find("promtool"), "check", "metrics"], input=text, capture_output=True, check=False)
    assert (0, b"", b"") == (checked.returncode, checked.stdout, checked.stderr)
    assert content_type == "text/plain; version=0.0.4; charset=utf-8"


def test_the_reference_lists_every_metric() -> None:
    """One row each, with the values of its label."""
    page = reference()
    for metric in CATALOGUE:
        assert page.count(f"| `{metric.name}` |") == 1
    assert "`reason`: `body_too_large`, " in page
