from hypothesis import given
from hypothesis import strategies as st

from relayd.core.burn import MINUTES, Burn, Rate
from tests.protocol.strategies import quick


def test_nothing_is_told_before_there_was_a_minute() -> None:
    """Ten seconds, sixfold, are no rate."""
    burn = Burn(1_000.0)
    burn.add(1_010.0, tokens=600, cost=6)
    assert burn.rate(1_059.0) is None
    assert Rate(600, 6) == burn.rate(1_060.0)
    assert Rate(300, 3) == burn.rate(1_120.0)


def test_old_minutes_count_no_more() -> None:
    """It is how fast it is now, not how fast it was."""
    burn = Burn(0.0)
    burn.add(30.0, tokens=1_000_000, cost=0)
    burn.add(60.0 * MINUTES + 30, tokens=60, cost=0)
    assert 1_000_060 / (MINUTES + 0.5) == getattr(burn.rate(60.0 * MINUTES + 30), "tokens", None)
    assert 60 / MINUTES == getattr(burn.rate(60.0 * (MINUTES + 1)), "tokens", None)
    assert Rate(0, 0) == burn.rate(3_600.0)


@quick
@given(st.integers(1, 1_000), st.integers(5, 60), st.integers(0, 10**6))
def test_a_steady_use_is_told_as_it_is(tokens: int, seconds: int, began: int) -> None:
    """Whenever somebody looks, right behind a report."""
    burn = Burn(began)
    steady = tokens * 60 / seconds
    for number in range(1, 1_200 // seconds):
        burn.add(began + number * seconds, tokens=tokens, cost=2 * tokens)
        if number * seconds >= 60:
            rate = burn.rate(began + number * seconds)
            assert rate is not None
            assert 2 * rate.tokens == rate.cost
            # A report at the edge of the oldest minute is in it or not.
            assert abs(steady - rate.tokens) <= tokens / min(number * seconds / 60, MINUTES) + 1e-6


@quick
@given(st.lists(st.floats(0, 1e5), max_size=50))
def test_it_holds_some_minutes_only(pauses: list[float]) -> None:
    """For as long as a project lives."""
    burn, now = Burn(0.0), 0.0
    for pause in pauses:
        now += pause
        burn.add(now, tokens=1, cost=1)
        assert len(burn) <= MINUTES + 1
