"""Latencies as the load tells them: pairs of an upper bound in nanoseconds and a count."""

from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Histogram", "scraped"]

MS = 1e6


class Histogram:
    """How many events took at most how long."""

    def __init__(self, buckets: Iterable[Sequence[int]] = ()) -> None:
        """Take buckets in any order."""
        self.buckets = sorted((int(upper), int(count)) for upper, count in buckets)
        self.count = sum(count for _, count in self.buckets)

    def percentile_ms(self, percent: float) -> float:
        """Return milliseconds that so many per cent did not exceed; NaN without events."""
        wanted = self.count * percent / 100
        seen = 0
        for upper, count in self.buckets:
            seen += count
            if seen >= wanted:
                return upper / MS
        return float("nan")

    @property
    def p50(self) -> float:
        """The median in milliseconds."""
        return self.percentile_ms(50)

    @property
    def p99(self) -> float:
        """The 99th percentile in milliseconds."""
        return self.percentile_ms(99)

    def merged(self, other: "Histogram") -> "Histogram":
        """Return both together."""
        counts = dict(self.buckets)
        for upper, count in other.buckets:
            counts[upper] = counts.get(upper, 0) + count
        return Histogram(counts.items())

    def without(self, earlier: "Histogram") -> "Histogram":
        """Return what came since this one was as that earlier one."""
        counts = dict(earlier.buckets)
        return Histogram((upper, count - counts.get(upper, 0)) for upper, count in self.buckets)


def scraped(metrics: Mapping[str, float], name: str) -> Histogram:
    """Return a histogram of seconds that Prometheus would read; what is beyond the last bound counts as twice that."""
    found = sorted(
        (float(series.partition('le="')[2].removesuffix('"}')), int(count))
        for series, count in metrics.items()
        if series.startswith(f"{name}_bucket{{")
    )
    uppers = [*(upper for upper, _ in found[:-1]), 2 * found[-2][0]]
    # Each bucket there holds those below it, too.
    below = [0, *(count for _, count in found)]
    return Histogram(
        (round(upper * 1e9), count - least) for upper, (_, count), least in zip(uppers, found, below, strict=False)
    )
