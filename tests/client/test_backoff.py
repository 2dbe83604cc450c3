from hypothesis import given
from hypothesis import strategies as st

from relayd.client.backoff import PATIENCE, Backoff


def test_the_first_retry_comes_within_a_second() -> None:
    """A relay that restarts is back soon, and nobody retries before half a second."""
    assert PATIENCE.delay(1, retry_after=0, chance=0.0) == 0.5
    assert PATIENCE.delay(1, retry_after=0, chance=0.999) < 1.0


def test_waits_grow_up_to_the_cap() -> None:
    """A relay that stays away is asked twice a minute, however long it takes."""
    assert [round(PATIENCE.delay(attempt, retry_after=0, chance=1.0), 3) for attempt in (1, 2, 3, 6, 10_000)] == [
        1.0,
        2.0,
        4.0,
        30.0,
        30.0,
    ]


@given(attempt=st.integers(1, 100), chance=st.floats(0, 1, exclude_max=True), asked=st.floats(0.5, 60))
def test_what_the_relay_asked_for_is_never_undercut(attempt: int, chance: float, asked: float) -> None:
    """The relay spreads its closes over a window; a client that hurries would undo it."""
    waited = PATIENCE.delay(attempt, retry_after=asked, chance=chance)
    assert asked <= waited <= asked * 1.25


def test_an_absurd_wish_is_bounded() -> None:
    """A relay can't send a client to sleep for a day."""
    assert Backoff().delay(1, retry_after=86_400, chance=0.0) == 300
