import pytest

from relayd.rabbitmq.connection import Lost, Missing, Stalled
from relayd.rabbitmq.health import Health
from relayd.rabbitmq.settings import RabbitSettings

NOW = 1_700_000_000.0


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Hands:
    """Give a clock."""
    return Hands()


@pytest.fixture
def health(clock: Hands) -> Health:
    """Give the health of a source that has just been asked for batches."""
    health = Health(RabbitSettings(), clock)
    health.begin()
    return health


def test_it_begins_by_connecting(health: Health) -> None:
    """And says where to."""
    state = health.state()
    assert (False, False, None) == (state.connected, state.caught_up, state.head_offset)
    assert "connecting to RabbitMQ at 127.0.0.1:5672" == state.detail


def test_it_is_caught_up_at_the_end_it_found(health: Health) -> None:
    """The log may have grown since; that is lag, and no reason to be not ready."""
    health.connected(None)
    health.looked(20)
    health.handed_on(19, NOW)
    assert "catching up in relayd.events: offset 19 of 20" == health.state().detail
    assert not health.state().caught_up
    health.handed_on(20, NOW)
    assert health.state().caught_up
    health.looked(50)
    assert (True, 50) == (health.state().caught_up, health.state().head_offset)


def test_it_may_read_past_the_end_before_it_is_found(health: Health) -> None:
    """The look at the end takes its time."""
    health.connected(None)
    health.handed_on(30, NOW)
    assert not health.state().caught_up
    assert "reading relayd.events at offset 30" == health.state().detail
    health.looked(20)
    assert (True, 30) == (health.state().caught_up, health.state().head_offset)


def test_an_empty_log_is_caught_up(health: Health) -> None:
    """There is nothing to read."""
    health.connected(None)
    assert "reading relayd.events, nothing came yet" == health.state().detail
    health.looked(None)
    assert (True, None) == (health.state().caught_up, health.state().head_offset)


def test_a_resume_at_the_end_is_caught_up(health: Health) -> None:
    """All there is was read in an earlier life."""
    health.connected(20)
    health.looked(20)
    assert health.state().caught_up


def test_a_break_forgets_the_head(health: Health) -> None:
    """Offsets of another log say nothing about this one."""
    health.connected(20)
    health.looked(90)
    health.broke()
    health.connected(None)
    assert health.state().head_offset is None


def test_a_loss_is_told_with_its_age(health: Health, clock: Hands) -> None:
    """An operator sees how long there have been no events, and why."""
    health.connected(None)
    health.looked(None)
    health.lost(Lost("no answer in time"))
    clock.now += 12
    health.lost(Lost("connection refused"))
    clock.now += 3
    state = health.state()
    assert (False, False) == (state.connected, state.caught_up)
    assert "RabbitMQ at 127.0.0.1:5672: connection refused; trying again, without events since 15 s" == state.detail


def test_a_missing_queue_is_given_time(health: Health, clock: Hands) -> None:
    """A broker that starts calls its streams not found for a while; after that somebody has to come."""
    health.lost(Missing("NOT_FOUND"))
    clock.now += 59
    assert "is not there yet (NOT_FOUND)" in health.state().detail
    clock.now += 1
    assert "is missing since 60 s (NOT_FOUND)" in health.state().detail
    assert "relayd rabbitmq setup" in health.state().detail
    health.connected(None)
    health.lost(Missing("NOT_FOUND"))
    assert "is not there yet" in health.state().detail


def test_the_end_is_told(health: Health, clock: Hands) -> None:
    """A source nobody reads is stopped, not in trouble; its age counts from the last reader."""
    clock.now += 5
    assert 5 == health.age()
    health.connected(None)
    health.ended()
    assert "stopped" == health.state().detail


def test_what_is_read_before_the_end_is_known_counts_as_the_past(health: Health) -> None:
    """Only at the end of the log somebody waits for each event; without a connection nothing is read at all."""
    assert not health.catching_up
    health.connected(None)
    assert health.catching_up
    health.looked(7)
    health.handed_on(6, NOW)
    assert health.catching_up
    health.handed_on(7, NOW)
    assert not health.catching_up
    health.lost(Lost("gone"))
    assert not health.catching_up


def test_a_stall_is_told_until_something_comes(health: Health) -> None:
    """To be subscribed again proves nothing: that was the trouble."""
    health.connected(20)
    health.lost(Stalled("relayd.events goes on behind offset 20, and nothing came for 30 s"))
    assert (True, False) == (health.state().stalled, health.state().connected)
    assert "nothing came for 30 s; trying again" in health.state().detail
    health.lost(Lost("connection refused"))
    health.connected(20)
    health.looked(25)
    state = health.state()
    assert (True, True, False) == (state.stalled, state.connected, state.caught_up)
    assert "subscribed to relayd.events again" in state.detail
    health.handed_on(21, NOW)
    assert not health.state().stalled
    assert "catching up in relayd.events: offset 21 of 25" == health.state().detail


def test_a_stall_is_over_where_there_is_nothing_more(health: Health) -> None:
    """What was missing turned out to be read already, or there is nothing at all."""
    for read, end in ((20, 20), (None, None)):
        health.connected(20)
        health.lost(Stalled("nothing came"))
        health.connected(read)
        health.looked(end)
        assert not health.state().stalled


def test_the_last_delivery_is_remembered(health: Health) -> None:
    """Over a loss, too: it says since when nothing came."""
    assert health.state().delivered_at is None
    health.connected(None)
    health.handed_on(7, NOW)
    health.lost(Lost("gone"))
    assert NOW == health.state().delivered_at


def test_what_came_over_a_further_exchange_is_remembered(health: Health) -> None:
    """What was told before stays what it was."""
    health.came_over("celeryev", NOW)
    before = health.state()
    health.came_over("celeryev", NOW + 1)
    health.came_over("bus", NOW + 2)
    assert [{"celeryev": NOW}, {"celeryev": NOW + 1, "bus": NOW + 2}] == [
        before.delivered_over,
        health.state().delivered_over,
    ]
