from relayd.core.ageing import Ageing

DAY = 86_400.0


def test_time_passes() -> None:
    """As long as nobody sets the clock it is the wall clock's."""
    ageing = Ageing(1_000_000.0, 50.0)
    assert 1_000_000.0 == ageing.now(1_000_000.0, 50.0)
    assert 1_000_000.0 + DAY == ageing.now(1_000_000.0 + DAY, 50.0 + DAY)


def test_a_clock_that_is_set_forward_makes_nothing_older() -> None:
    """Else a day too much would drop a day of the log."""
    ageing = Ageing(1_000_000.0, 50.0)
    assert 1_000_060.0 == ageing.now(1_000_060.0 + DAY, 110.0)


def test_a_clock_that_is_set_back_makes_everything_younger() -> None:
    """It is believed: what stays too long is bounded by bytes and number all the same."""
    ageing = Ageing(1_000_000.0, 50.0)
    assert 1_000_060.0 - DAY == ageing.now(1_000_060.0 - DAY, 110.0)
    # And right again.
    assert 1_000_120.0 == ageing.now(1_000_120.0, 170.0)
