"""Every bound the relay keeps."""

from relayd.core.pacing import Pace
from relayd.relay.limits import Limits


def test_the_defaults_are_those_of_the_contract() -> None:
    """docs/protocol.md section 7."""
    limits = Limits()
    assert (5, 100, Pace(rate=100, burst=100)) == (
        limits.connections_per_user, limits.max_subscriptions, limits.inbound
    )  # fmt: skip
    assert 100 == limits.outbound.rate
    assert limits.tail <= limits.max_tail
