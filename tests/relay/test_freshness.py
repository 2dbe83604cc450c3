"""Level, behind, out of reach, and never level at all."""

from relayd.core.log import Log
from relayd.relay.freshness import Freshness
from relayd.testing.sources import FakeSource
from relayd.testing.world import FakeClock
from tests.relay.stage import Relay


async def test_a_quiet_log_is_no_late_one(relay: Relay) -> None:
    """Not the age of the last event counts, but whether everything there is was read."""
    relay.clock.advance(5)
    assert (0, 0, 0) == seen(relay.engine.freshness)


async def test_lag_is_time_since_the_relay_was_level(relay: Relay) -> None:
    """While the log goes on without it; and none is left once it has come so far."""
    freshness = relay.engine.freshness
    assert 0 == freshness.lag()
    relay.source.say(b"1")
    relay.clock.advance(7)
    assert (7, 7, 0) == seen(freshness)
    relay.says("1")
    assert (0, 0, 0) == seen(freshness)


async def test_a_log_out_of_reach_is_as_old_as_the_last_look(relay: Relay) -> None:
    """Whatever may have happened there since."""
    freshness = relay.engine.freshness
    assert 0 == freshness.lag()
    relay.source.connected = False
    relay.clock.advance(7)
    assert (7, 7, 7) == seen(freshness)
    relay.source.connected, relay.source.caught_up = True, False
    relay.clock.advance(1)
    assert (8, 8, 0) == seen(freshness)


async def test_who_was_never_level_does_not_know() -> None:
    """What a journal remembered may be of yesterday."""
    clock, source = FakeClock(), FakeSource()
    source.connected = False
    freshness = Freshness(source, Log(source.log), clock)
    clock.advance(3)
    assert (None, 3, 3) == seen(freshness)


def seen(freshness: Freshness) -> tuple[float | None, float, float]:
    """Return what it says: lag, how stale, how long away."""
    return freshness.lag(), freshness.stale(), freshness.away()
