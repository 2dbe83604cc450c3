"""PromQL out of the catalogue."""

from relayd.telemetry import catalogue
from relayd.telemetry.grafana.queries import Query, latest, named, per_second, quantiles, scoped, spread

CHOSEN = '{job="$job",instance=~"$instance"}'


def test_series_are_those_of_the_chosen_relays() -> None:
    """A histogram's are its buckets, whose name has an end of its own."""
    assert f"up{CHOSEN}" == named("up")
    assert f"relayd_tasks{CHOSEN}" == scoped(catalogue.TASKS)
    assert f"relayd_delivery_latency_seconds_bucket{CHOSEN}" == scoped(catalogue.DELIVERY_LATENCY)


def test_a_gauge_is_summed_by_a_label() -> None:
    """And called by what the label says."""
    assert Query(f"sum by (transport) (relayd_connections{CHOSEN})", "{{transport}}") == latest(
        catalogue.CONNECTIONS, "transport"
    )


def test_a_counter_is_a_rate_over_an_interval_that_grafana_knows() -> None:
    """A fixed interval would be too short for some scrapes and too long for others."""
    rate = f"(rate(relayd_gaps_total{CHOSEN}[$__rate_interval]))"
    assert Query(f"sum by (cause) {rate}", "{{cause}}") == per_second(catalogue.GAPS, "cause")
    assert Query(f"sum {rate}", "gaps") == per_second(catalogue.GAPS, legend="gaps")


def test_a_histogram_has_a_middle_and_a_slowest_hundredth() -> None:
    """Of all together, or by a label that its curves are called by."""
    rates = f"rate(relayd_handshake_duration_seconds_bucket{CHOSEN}[$__rate_interval])"
    assert (
        Query(f"histogram_quantile(0.5, sum by (le) ({rates}))", "p50"),
        Query(f"histogram_quantile(0.99, sum by (le) ({rates}))", "p99"),
    ) == quantiles(catalogue.HANDSHAKE_DURATION)
    assert (
        Query(f"histogram_quantile(0.5, sum by (le, transport) ({rates}))", "{{transport}} p50"),
        Query(f"histogram_quantile(0.99, sum by (le, transport) ({rates}))", "{{transport}} p99"),
    ) == quantiles(catalogue.HANDSHAKE_DURATION, "transport")


def test_a_picture_of_where_values_lie_has_all_buckets() -> None:
    """Each is called by its bound."""
    increases = f"increase(relayd_canary_roundtrip_seconds_bucket{CHOSEN}[$__rate_interval])"
    assert Query(f"sum by (le) ({increases})", "{{le}}") == spread(catalogue.CANARY_ROUNDTRIP)
