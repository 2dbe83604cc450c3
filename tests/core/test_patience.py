from relayd.core.pacing import Pace
from relayd.core.patience import Patience

LOGINS = Pace(rate=3 / 60, burst=3)


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


def test_failed_logins_are_counted_by_address() -> None:
    """Three at once, then one in twenty seconds; other addresses are not touched, and a success forgives none."""
    patience = Patience()
    assert [0, 0, 0, 20] == [patience.failed("a", LOGINS, 1.0) for _ in range(4)]
    assert 0 == patience.failed("b", LOGINS, 1.0)
    patience.admitted("a")
    assert 20 == patience.failed("a", LOGINS, 1.0)
    assert 0 == patience.failed("a", LOGINS, 21.0)


def test_addresses_of_one_network_are_one() -> None:
    """An attacker has 2^64 of them; the neighbours' network is another's, and an IPv4 address is somebody's own."""
    patience = Patience()
    for host in range(3):
        patience.failed(f"2001:db8::{host:x}", LOGINS, 0.0)
    assert 0 < patience.failed("2001:0DB8:0:0:ffff::1", LOGINS, 0.0)
    assert 0 == patience.failed("2001:db8:0:1::1", LOGINS, 0.0)
    for _ in range(3):
        patience.failed("192.0.2.1", LOGINS, 0.0)
    assert 0 == patience.failed("192.0.2.2", LOGINS, 0.0)
    for _ in range(Patience.FREE):
        patience.refused("2001:db8::1", 0.0)
    assert 0.25 == patience.refused("2001:db8::2", 0.0)
    patience.admitted("2001:db8::3")
    assert 0.0 == patience.refused("2001:db8::4", 0.0)


def test_what_is_no_address_stands_for_itself() -> None:
    """A peer on a unix socket, and what a broken proxy may say."""
    patience = Patience()
    for _ in range(4):
        patience.failed("unix", LOGINS, 0.0)
    assert 0 < patience.failed("unix", LOGINS, 0.0)
    assert 0 == patience.failed("no:address", LOGINS, 0.0)


def test_memory_of_failed_logins_is_bounded() -> None:
    """As that of refusals is."""
    patience = Patience()
    for _ in range(4):
        patience.failed("old", LOGINS, 0.0)
    for number in range(Patience.ADDRESSES):
        patience.failed(str(number), LOGINS, 0.0)
    assert 0 == patience.failed("old", LOGINS, 0.0)
