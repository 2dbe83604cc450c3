from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from relayd.core.allowance import Allowance
from relayd.core.pacing import Pace

PACE = Pace(rate=2, burst=3)

RATES = st.sampled_from([0.25, 0.5, 1.0, 2.0, 16.0])
STEPS = st.lists(st.integers(0, 64).map(lambda sixteenths: sixteenths / 16), min_size=1, max_size=60)
"""Seconds between two requests.  All are powers of two, so that sums of them are exact."""


def taken(allowance: Allowance, name: str, pace: Pace, times: list[float]) -> list[float]:
    """Ask at these times and return those at which one was given."""
    return [now for now in times if not allowance.take(name, pace, now)]


def test_a_burst_is_given_at_once_and_then_one_by_one() -> None:
    """Three, and then one in each half second; whoever is refused learns when there is one, and loses nothing by it."""
    allowance = Allowance()
    assert [0, 0, 0, 0.5, 0.5] == [allowance.take("ada", PACE, 10.0) for _ in range(5)]
    assert 0.25 == allowance.take("ada", PACE, 10.25)
    assert [0, 0.5] == [allowance.take("ada", PACE, 10.5) for _ in range(2)]


def test_everybody_has_their_own() -> None:
    """One who asks too often takes nothing from the others."""
    allowance = Allowance()
    for _ in range(10):
        allowance.take("ada", PACE, 0.0)
    assert 0 == allowance.take("bob", PACE, 0.0)


def test_it_tells_what_is_spent() -> None:
    """Of those who ask and of those who never did, without taking anything."""
    allowance = Allowance()
    assert 0 == allowance.spent("ada", PACE, 0.0)
    for _ in range(3):
        allowance.take("ada", PACE, 0.0)
    assert [3, 2, 0, 0] == [allowance.spent("ada", PACE, now) for now in (0.0, 0.5, 1.5, 99.0)]


def test_a_faster_pace_holds_at_once() -> None:
    """An operator who raises a limit helps those who met it, too."""
    allowance, slow = Allowance(), Pace(rate=0.01, burst=3)
    for _ in range(4):
        allowance.take("ada", slow, 0.0)
    assert 0.5 == allowance.take("ada", PACE, 0.0)


@given(rate=RATES, burst=st.integers(1, 8), steps=STEPS)
def test_no_window_holds_more_than_rate_and_burst_allow(rate: float, burst: int, steps: list[float]) -> None:
    """Whenever somebody asks, however long the window is and wherever it begins."""
    given_at = taken(Allowance(), "ada", Pace(rate=rate, burst=burst), list(accumulate(steps)))
    for first, began in enumerate(given_at):
        for last, ended in enumerate(given_at[first:], first):
            assert last - first + 1 <= rate * (ended - began) + burst


@given(rate=RATES, burst=st.integers(1, 8), steps=STEPS)
def test_what_is_allowed_is_given(rate: float, burst: int, steps: list[float]) -> None:
    """Whoever waits as long as it was told gets one, and not before; after quiet the whole burst is there again."""
    allowance, pace, now = Allowance(), Pace(rate=rate, burst=burst), 0.0
    for step in steps:
        now += step
        wait = allowance.take("ada", pace, now)
        assert 0 <= wait <= 1 / rate
        if wait:
            assert 0 < allowance.take("ada", pace, now + wait / 2)
            now += wait
            assert 0 == allowance.take("ada", pace, now)
    now += burst / rate
    assert [0] * burst == [allowance.take("ada", pace, now) for _ in range(burst)]
    assert 0 < allowance.take("ada", pace, now)


@given(names=st.lists(st.integers(0, 30), max_size=200), steps=STEPS)
def test_memory_is_bounded(names: list[int], steps: list[float]) -> None:
    """However many come, and in whatever order."""
    allowance, now = Allowance(5), 0.0
    for number, name in enumerate(names):
        now += steps[number % len(steps)] / 16
        allowance.take(str(name), PACE, now)
        assert len(allowance) <= 5


def test_who_asked_longest_ago_is_forgotten_first() -> None:
    """Whoever keeps asking, refused or not, stays known: a flood of names does not free it."""
    allowance = Allowance(3)
    for _ in range(4):
        allowance.take("loud", PACE, 0.0)
    for number in range(10):
        allowance.take(f"name-{number}", PACE, 0.0)
        assert 0 < allowance.take("loud", PACE, 0.0)
    assert 0 == allowance.spent("name-7", PACE, 0.0)
    assert 1 == allowance.spent("name-8", PACE, 0.0)


def test_nobody_is_kept_who_has_everything_again() -> None:
    """Those who asked a while ago go as others come, two for one."""
    allowance = Allowance()
    for number in range(100):
        allowance.take(f"name-{number}", PACE, 0.0)
    assert 100 == len(allowance)
    for number in range(100):
        allowance.take(f"later-{number}", PACE, 60.0)
    assert 100 == len(allowance)
    assert 1 == allowance.spent("later-0", PACE, 60.0)
    allowance.take("last", PACE, 120.0)
    assert 99 == len(allowance)
