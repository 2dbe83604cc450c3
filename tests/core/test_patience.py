from relayd.core.patience import Patience


def test_a_few_refusals_cost_nothing() -> None:
    """Somebody who mistypes a token is not made to wait."""
    patience = Patience()
    assert [0.0] * Patience.FREE == [patience.refused("a", 1.0) for _ in range(Patience.FREE)]


def test_who_comes_back_again_and_again_waits_longer_and_longer() -> None:
    """Doubling, up to a bound; others are not touched."""
    patience = Patience()
    waits = [patience.refused("a", float(number)) for number in range(Patience.FREE + 2_000)]
    assert [0.25, 0.5, 1.0, 2.0, 4.0, 4.0] == waits[Patience.FREE : Patience.FREE + 6]
    assert Patience.LONGEST == waits[-1]
    assert 0.0 == patience.refused("b", 1.0)


def test_a_quiet_minute_or_a_success_is_forgiven() -> None:
    """What was long ago, or is mended, is not held against anybody."""
    patience = Patience()
    for _ in range(20):
        patience.refused("a", 0.0)
        patience.refused("b", 0.0)
    assert 0.0 == patience.refused("a", Patience.WINDOW + 0.1)
    patience.admitted("b")
    assert 0.0 == patience.refused("b", 0.1)
    patience.admitted("never seen")


def test_memory_is_bounded() -> None:
    """A flood of addresses pushes out those refused longest ago."""
    patience = Patience()
    for _ in range(10):
        patience.refused("old", 0.0)
    for number in range(Patience.ADDRESSES):
        patience.refused(str(number), 0.0)
    assert 0.0 == patience.refused("old", 0.0)
