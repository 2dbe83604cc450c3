from math import inf

import pytest

from relayd.telemetry.scrape import Scrape, parse, quantile, rates

TEXT = """\
# HELP relayd_deliveries_total Live messages.
# TYPE relayd_deliveries_total counter
relayd_deliveries_total{transport="sse"} 5.0
relayd_deliveries_total{transport="websocket"} 7.0
# TYPE python_info gauge
python_info{implementation="CPython",version="3.11"} 1.0
# TYPE relayd_handshake_duration_seconds histogram
relayd_handshake_duration_seconds_bucket{le="0.1",transport="sse"} 1.0
relayd_handshake_duration_seconds_bucket{le="+Inf",transport="sse"} 2.0
relayd_handshake_duration_seconds_bucket{le="0.1",transport="websocket"} 3.0
relayd_handshake_duration_seconds_bucket{le="+Inf",transport="websocket"} 4.0
# TYPE process_start_time_seconds gauge
process_start_time_seconds 17.0
"""


def at(seconds: float, *, born: float = 1.0, **counts: float) -> Scrape:
    """Return a scrape of a counter `c`."""
    return Scrape(seconds, {"c": counts, "process_start_time_seconds": {"": born}}, {})


def histogram(*, born: float = 1.0, **buckets: float) -> Scrape:
    """Return a scrape of a histogram `h` with the bounds 1, 2 and infinity."""
    held = dict(zip((1.0, 2.0, inf), buckets.values(), strict=True))
    return Scrape(0.0, {"process_start_time_seconds": {"": born}}, {"h": held})


def test_series_are_found_by_their_label() -> None:
    """One label is all that a relay's metrics have; buckets are added up over it."""
    scrape = parse(TEXT, 3.0)
    assert 3.0 == scrape.at
    assert {"sse": 5.0, "websocket": 7.0} == scrape.values["relayd_deliveries_total"]
    assert 17.0 == scrape.value("process_start_time_seconds")
    assert {0.1: 4.0, inf: 6.0} == scrape.buckets["relayd_handshake_duration_seconds"]
    assert "python_info" not in scrape.values
    assert scrape.value("relayd_deliveries_total", "longpoll") is None


@pytest.mark.parametrize("text", ["<html>", "relayd_connections{", "relayd_connections many"])
def test_what_is_no_metrics_is_refused(text: str) -> None:
    """Whoever answers at the address may be anybody."""
    with pytest.raises(ValueError, match=r"."):
        parse(text, 0.0)


def test_a_rate_is_what_was_counted_between() -> None:
    """Over the seconds that passed; a series that is new began at nothing."""
    assert {"a": 2.5, "b": 1.5} == rates(at(10, a=5), at(14, a=15, b=6), "c")


@pytest.mark.parametrize(
    "after",
    [at(14, born=2, a=15), at(14, a=4), at(10, a=15), Scrape(14, {}, {})],
    ids=["another process", "fell", "no time", "absent"],
)
def test_a_rate_that_can_not_be_told_is_not_made_up(after: Scrape) -> None:
    """A restart in between counts from zero again, though it may have passed what was there before."""
    assert rates(at(10, a=5), after, "c") is None


@pytest.mark.parametrize(("part", "expected"), [(0.25, 0.5), (0.5, 1.0), (0.75, 1.5), (0.99, 1.98), (1.0, 2.0)])
def test_a_quantile_lies_between_bounds_as_in_prometheus(part: float, expected: float) -> None:
    """Observations count as spread evenly over their bucket."""
    before, after = histogram(a=10, b=10, c=10), histogram(a=15, b=20, c=20)
    assert pytest.approx(expected) == quantile(before, after, "h", part)


def test_a_quantile_beyond_the_last_bound_is_infinite() -> None:
    """All that is known is that it took longer."""
    assert inf == quantile(None, histogram(a=0, b=1, c=4), "h", 0.5)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (histogram(a=1, b=2, c=2), histogram(a=1, b=2, c=2)),
        (histogram(a=0, b=0, c=0), histogram(born=2, a=1, b=2, c=2)),
        (None, at(1)),
    ],
    ids=["nothing happened", "another process", "absent"],
)
def test_a_quantile_of_nothing_is_none(before: Scrape | None, after: Scrape) -> None:
    """No number is made up for a quiet second."""
    assert quantile(before, after, "h", 0.5) is None
