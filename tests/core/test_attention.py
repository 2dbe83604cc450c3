"""A clock that runs only while something could be heard."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayd.core.attention import Attention
from tests.protocol.strategies import quick

NOW, BEGAN = 1_700_000_000.0, 1_000.0


class World:
    """Both clocks, and whether the relay is level with its log."""

    def __init__(self) -> None:
        """Begin level."""
        self.now, self.monotonic, self.level_at = NOW, BEGAN, BEGAN
        self.attention = Attention()
        self.attention.note(self.now, self.monotonic, 0.0)

    def passes(self, seconds: float, *, level: bool = True, looks_every: float = 1.0) -> "World":
        """Let time pass, with a look now and then."""
        left = seconds
        while left > 0:
            step = min(left, looks_every)
            left -= step
            self.now += step
            self.monotonic += step
            if level:
                self.level_at = self.monotonic
            self.attention.note(self.now, self.monotonic, self.monotonic - self.level_at)
        return self

    def since(self, stamp: float) -> float:
        """Return the silence since a stamp."""
        seconds = self.attention.since(stamp)
        assert seconds is not None
        return seconds


def test_while_it_listens_it_is_a_clock_like_any_other() -> None:
    """Also for stamps that a journal kept from before the start."""
    world = World().passes(100)
    assert (100, 30, 1_100) == pytest.approx((world.since(NOW), world.since(NOW + 70), world.since(NOW - 1_000)))


def test_who_never_listened_knows_nothing() -> None:
    """A relay whose log is out of reach since its start."""
    attention = Attention()
    attention.note(NOW, BEGAN, None)
    assert attention.since(NOW - 5) is None


def test_nobody_is_silent_while_nobody_listens() -> None:
    """Twenty minutes without the log count for nothing, neither meanwhile nor afterwards."""
    world = World().passes(10).passes(1_200, level=False)
    assert 10 == pytest.approx(world.since(NOW))
    world.passes(7)
    assert pytest.approx(17, abs=Attention.PAUSE + 1) == world.since(NOW)


def test_what_came_in_from_a_backlog_was_said_now() -> None:
    """Its stamp lies where nobody listened, so it is as old as the listening behind it."""
    world = World().passes(10).passes(1_200, level=False)
    stamp = world.now - 300
    assert 0 == world.since(stamp)
    world.passes(60)
    assert pytest.approx(60, abs=Attention.PAUSE + 1) == world.since(stamp)


def test_a_short_lag_is_no_deafness() -> None:
    """A busy relay is hardly ever level at the very moment of a look, and listens all the same."""
    world = World()
    for _ in range(50):
        world.passes(1.5, level=False, looks_every=0.5).passes(0.5)
    assert 100 == pytest.approx(world.since(NOW))


def test_a_pause_of_its_own_is_no_listening() -> None:
    """Whoever was stopped for an hour heard nobody, though nobody said that the log was away."""
    world = World().passes(10).passes(3_600, looks_every=3_600)
    assert 10 + Attention.PAUSE == pytest.approx(world.since(NOW))


@pytest.mark.parametrize("leap", [3_600, 400 * 86_400])
def test_a_clock_that_is_set_forward_makes_nobody_silent(leap: float) -> None:
    """What was stamped before and what is stamped after: both are as old as they are."""
    world = World().passes(100)
    world.now += leap
    world.passes(2)
    after = world.now
    world.passes(50)
    assert pytest.approx((152, 50), abs=1) == (world.since(NOW), world.since(after))


def test_a_clock_that_is_set_back_makes_the_older_younger_and_no_more() -> None:
    """New stamps count exactly from the start; old ones lie in the future until the clock has come so far."""
    world = World().passes(100)
    world.now -= 3_600
    world.passes(2)
    after = world.now
    world.passes(50)
    assert 50 == pytest.approx(world.since(after), abs=1)
    assert 0 == world.since(NOW + 90)


def test_a_clock_that_drifts_is_followed_and_forgotten() -> None:
    """For years, with a bounded memory: of what is long past only about as much is known as matters."""
    world = World()
    for _ in range(200):
        world.passes(10)
        world.now += 1.1
    world.passes(1)
    assert 30 == pytest.approx(world.since(world.now - 33.3), abs=3)
    assert world.since(NOW) > 2_001 + 150


def test_two_looks_that_differ_by_a_moment_take_nothing_back() -> None:
    """The clocks are read one after the other."""
    world = World().passes(10)
    world.attention.note(world.now, world.monotonic, 0.5)
    assert 10 == pytest.approx(world.since(NOW))
    world.passes(1)
    assert pytest.approx(11, abs=0.6) == world.since(NOW)


COURSES = st.lists(
    st.tuples(st.floats(0, 400), st.booleans(), st.sampled_from([1.0, 2.0, 900.0]), st.floats(0, 5_000) | st.just(0.0)),
    max_size=12,
)
"""Seconds, whether the relay is level meanwhile, how often it looks, and by how much the clock was set before."""


@quick
@given(COURSES)
def test_silence_grows_and_is_never_more_than_has_passed(course: list[tuple[float, bool, float, float]]) -> None:
    """Whatever is away, stopped or set forward."""
    world, before = World(), 0.0
    for seconds, level, every, leap in course:
        world.now += leap
        world.passes(seconds, level=level, looks_every=every)
        silence = world.since(NOW)
        assert before - 1e-6 <= silence <= world.monotonic - BEGAN + 1e-6
        before = silence


@quick
@given(COURSES, st.floats(NOW - 1_000, NOW + 20_000))
def test_the_later_stamp_is_never_the_more_silent(course: list[tuple[float, bool, float, float]], stamp: float) -> None:
    """Also across the places where the clocks went apart; and a clock that is set back makes no silence negative."""
    world = World()
    for seconds, level, every, leap in course:
        world.now += leap
        world.passes(seconds, level=level, looks_every=every)
    assert world.since(stamp) >= world.since(stamp + 10) >= 0
    world.now -= 5_000
    world.passes(3)
    assert world.since(stamp) >= 0
