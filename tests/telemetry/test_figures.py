from math import inf

from relayd.telemetry.figures import Figures, Standing, figures
from relayd.telemetry.scrape import Scrape

READY = Standing(ready=True)


def scrape(at: float = 0.0, *, buckets: dict[float, float] | None = None, **values: object) -> Scrape:
    """Return a scrape of a relay that began at second 100; a value is a number or numbers by label."""
    named = {
        f"relayd_{name}": value if isinstance(value, dict) else {"": float(str(value))}
        for name, value in values.items()
    }
    started = {"process_start_time_seconds": {"": 100.0}}
    return Scrape(at, {**started, **named}, {"relayd_delivery_latency_seconds": buckets} if buckets else {})


def test_two_looks_tell_what_happens() -> None:
    """Rates over the time between, what is now from the later one, reasons from the relay itself."""
    before = scrape(
        10.0,
        buckets={0.1: 0.0, inf: 0.0},
        broker_messages_total={"a": 10.0, "b": 10.0},
        deliveries_total={"sse": 0.0},
        connections_rejected_total={"FULL": 0.0, "AUTH_FAILED": 3.0},
    )
    after = scrape(
        12.0,
        buckets={0.1: 8.0, inf: 8.0},
        broker_messages_total={"a": 14.0, "b": 12.0},
        deliveries_total={"sse": 50.0},
        connections_rejected_total={"FULL": 4.0, "AUTH_FAILED": 3.0},
        connections={"sse": 7.0},
        projects={"in_progress": 2.0, "failed": 1.0},
        build_info={"1.2.3": 1.0},
        canary_last_success_timestamp_seconds=997.0,
        broker_connected=1,
        journal_attached=0,
    )
    seen = figures(Standing(ready=False, reasons={"journal": "away"}), before, after, now=1_000.0)
    assert (3.0, {"sse": 25.0}, {"FULL": 2.0}) == (seen.events, seen.deliveries, seen.refusals)
    assert ({"sse": 7}, 3, "1.2.3") == (seen.connections, seen.projects, seen.version)
    assert (900.0, 3.0, True, False) == (seen.uptime, seen.canary_seconds, seen.connected, seen.journal)
    assert (0.05, ()) == (seen.latency_p50, seen.beyond)
    assert {"journal": "away"} == seen.reasons


def test_a_first_look_tells_no_rates() -> None:
    """What was counted since the start is no rate, and no latency of this second."""
    seen = figures(READY, None, scrape(buckets={0.1: 8.0, inf: 8.0}, broker_messages_total={"a": 14.0}), now=1_000.0)
    assert [None] * 4 == [seen.events, seen.deliveries, seen.refusals, seen.latency_p50]


def test_what_is_not_measured_is_none() -> None:
    """A relay without journal, canaries and process metrics has none, instead of zeros."""
    seen: Figures = figures(READY, scrape(1.0), scrape(2.0), now=1_000.0)
    assert [None] * 5 == [seen.journal, seen.canary_seconds, seen.lag_seconds, seen.memory, seen.max_files]
    assert not seen.connected


def test_beyond_the_last_bound_is_said() -> None:
    """The greatest bound, and that it was more."""
    seen = figures(READY, scrape(1.0, buckets={5.0: 0.0, inf: 0.0}), scrape(2.0, buckets={5.0: 1.0, inf: 4.0}), now=1.0)
    assert (5.0, ("latency_p50", "latency_p99")) == (seen.latency_p50, seen.beyond)
