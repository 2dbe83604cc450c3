"""
What `/metrics` said at one moment, and what two such moments tell of the time between them.

Law: a counter that fell is another process's.  Then nothing is told of the time between, rather than a wrong number.
"""

from collections.abc import Mapping
from itertools import pairwise
from math import inf, isinf

from msgspec import Struct
from prometheus_client.parser import text_string_to_metric_families

__all__ = ["Scrape", "parse", "quantile", "rates"]

BUCKET = "_bucket"
BOUND = "le"
BORN = "process_start_time_seconds"

Series = Mapping[str, float]
"""The value of its label, empty without one → its own value."""


class Scrape(Struct, frozen=True):
    """One answer of `/metrics`."""

    at: float
    """Seconds of a clock that nobody sets."""
    values: Mapping[str, Series]
    """By name, without buckets."""
    buckets: Mapping[str, Mapping[float, float]]
    """By name of a histogram: upper bound → observations up to it, over all labels."""

    def value(self, name: str, label: str = "") -> float | None:
        """Return one value, None where there is none."""
        return self.values.get(name, {}).get(label)


def parse(text: str, at: float) -> Scrape:
    """Return what Prometheus' text format says; series with several labels are left out; raises ValueError."""
    values: dict[str, dict[str, float]] = {}
    buckets: dict[str, dict[float, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = dict(sample.labels)
            bound = labels.pop(BOUND, None)
            if bound is not None and sample.name.endswith(BUCKET):
                held = buckets.setdefault(sample.name.removesuffix(BUCKET), {})
                held[float(bound)] = held.get(float(bound), 0.0) + sample.value
            elif len(labels) <= 1:
                values.setdefault(sample.name, {})[next(iter(labels.values()), "")] = sample.value
    return Scrape(at, values, buckets)


def rates(before: Scrape, after: Scrape, name: str) -> dict[str, float] | None:
    """Return how much each series of a counter grew a second; None where that can't be told."""
    seconds = after.at - before.at
    earlier, later = before.values.get(name), after.values.get(name)
    if seconds <= 0 or earlier is None or later is None or not _same_process(before, after):
        return None
    grown = {label: (value - earlier.get(label, 0.0)) / seconds for label, value in later.items()}
    return None if any(rate < 0 for rate in grown.values()) else grown


def quantile(before: Scrape | None, after: Scrape, name: str, part: float) -> float | None:
    """
    Return below which value that part of the observations was, between two scrapes or since the start.

    Between two bounds they count as spread evenly, as Prometheus does it; beyond the last bound the answer is
    infinity.  None where there were none.
    """
    later = after.buckets.get(name)
    if later is None or (before is not None and not _same_process(before, after)):
        return None
    earlier = {} if before is None else before.buckets.get(name, {})
    grown = [(bound, later[bound] - earlier.get(bound, 0.0)) for bound in sorted(later)]
    total = grown[-1][1]
    if total <= 0:
        return None
    rank = part * total
    for (low, below), (high, upto) in pairwise([(0.0, 0.0), *grown]):
        if upto >= rank:
            return inf if isinf(high) else low + (high - low) * (rank - below) / (upto - below)
    return inf


def _same_process(before: Scrape, after: Scrape) -> bool:
    return before.value(BORN) == after.value(BORN)
