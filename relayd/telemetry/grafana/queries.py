"""PromQL about the relays that the dashboard's variables choose; a name of ours comes from the catalogue."""

from relayd.telemetry.catalogue import Kind, Metric

__all__ = ["JOB", "SCOPE", "Query", "latest", "named", "per_second", "quantiles", "scoped", "spread"]

from msgspec import Struct

JOB = 'job="$job"'
SCOPE = f'{JOB},instance=~"$instance"'
"""What the variables of the dashboard choose."""

RATE = "[$__rate_interval]"
"""Grafana's own: at least four scrapes, and no less than a step of the picture."""


class Query(Struct, frozen=True):
    """An expression and what its series are called; `{{label}}` is a label's value."""

    expression: str
    legend: str


def named(name: str) -> str:
    """Return the series of a name that is not the catalogue's: `up`, `process_...`."""
    return f"{name}{{{SCOPE}}}"


def scoped(metric: Metric) -> str:
    """Return the series of a metric; those of a histogram are its buckets."""
    return named(f"{metric.name}_bucket" if metric.kind is Kind.HISTOGRAM else metric.name)


def latest(metric: Metric, by: str, legend: str = "") -> Query:
    """Return the sum of a gauge by a label."""
    return Query(f"sum by ({by}) ({scoped(metric)})", legend or f"{{{{{by}}}}}")


def per_second(metric: Metric, by: str = "", legend: str = "") -> Query:
    """Return how often a second, all chosen relays together, by a label or in one sum."""
    grouped = f"sum by ({by})" if by else "sum"
    return Query(f"{grouped} (rate({scoped(metric)}{RATE}))", legend or f"{{{{{by}}}}}")


def quantiles(metric: Metric, by: str = "", legend: str = "") -> tuple[Query, ...]:
    """Return the median and the slowest hundredth of a histogram, by a label or of all together."""
    label = legend or (f"{{{{{by}}}}} " if by else "")
    groups = ", ".join(("le", by) if by else ("le",))
    return tuple(
        Query(f"histogram_quantile({quantile}, sum by ({groups}) (rate({scoped(metric)}{RATE})))", f"{label}{name}")
        for quantile, name in ((0.5, "p50"), (0.99, "p99"))
    )


def spread(metric: Metric) -> Query:
    """Return all buckets of a histogram, for a picture of where its values lie."""
    return Query(f"sum by (le) (increase({scoped(metric)}{RATE}))", "{{le}}")
