import pytest

from relayd.telemetry.health import FAILURES, WINDOW, Health
from tests.telemetry.clock import HandClock


@pytest.fixture
def clock() -> HandClock:
    """A clock that the test moves."""
    return HandClock()


@pytest.fixture
def health(clock: HandClock) -> Health:
    """A relay whose loop is never late."""
    return Health(clock, lag=lambda: 0.0)


def test_a_relay_without_complaints_is_ready(health: Health) -> None:
    """Checks that return None are fine."""
    health.add("source", lambda: None)
    assert health.ready() == (True, {})


def test_each_check_that_says_no_gives_its_sentence(health: Health) -> None:
    """The answer changes as soon as the check's does."""
    complaints: list[str | None] = ["the broker is away"]
    health.add("source", lambda: complaints[-1])
    health.add("journal", lambda: None)
    assert health.ready() == (False, {"source": "the broker is away"})
    complaints.append(None)
    assert health.ready() == (True, {})


def test_a_note_does_not_decide_over_readiness(health: Health) -> None:
    """It is told as long as it has a sentence."""
    sentences = ["a canary is late"]
    health.note("source", lambda: sentences[-1])
    assert ((True, {}), {"source": "a canary is late"}) == (health.ready(), health.notes())
    sentences.append("")
    assert {} == health.notes()


def test_a_check_can_not_hide_another(health: Health) -> None:
    """A name twice is an error at start."""
    health.add("source", lambda: None)
    with pytest.raises(ValueError, match="source"):
        health.add("source", lambda: None)


def test_five_failures_in_a_minute_make_it_not_ready(health: Health, clock: HandClock) -> None:
    """Four do not; and a minute after them it is ready again."""
    for _ in range(FAILURES - 1):
        health.restarted("intake")
        clock.time += 1
    assert health.ready() == (True, {})
    health.restarted("journal")
    ready, reasons = health.ready()
    assert not ready
    assert "5 failures within 60 s, in: intake, journal" in reasons["tasks"]
    clock.time += WINDOW
    assert health.ready() == (True, {})


def test_failures_far_apart_are_no_complaint(health: Health, clock: HandClock) -> None:
    """One every quarter of a minute is what restarts are for."""
    for _ in range(20):
        health.restarted("intake")
        clock.time += WINDOW / (FAILURES - 1)
    assert health.ready() == (True, {})
    assert health.live() == (True, {"loop_lag_seconds": 0.0, "task_restarts": {"intake": 20}})


def test_a_late_loop_is_not_alive(clock: HandClock) -> None:
    """Up to the limit it is busy, beyond it is stuck."""
    lag = [5.0]
    health = Health(clock, lag=lambda: lag[-1])
    assert health.live() == (True, {"loop_lag_seconds": 5.0, "task_restarts": {}})
    lag.append(5.1)
    assert health.live() == (False, {"loop_lag_seconds": 5.1, "task_restarts": {}})


def test_readiness_does_not_decide_over_life(health: Health) -> None:
    """A restart would not bring the broker back, only send viewers away."""
    health.add("source", lambda: "the broker is away")
    assert health.live()[0]
