"""What a resume may know of a real log: its first delivery and its two ends."""

from relayd.rabbitmq.connection import close, connect
from relayd.rabbitmq.subscribed import SubscribedLog
from relayd.rabbitmq.subscription import Subscription
from tests.harness.stream import Stream


async def test_a_log_has_two_ends(stream: Stream) -> None:
    """Asked for beside a subscription, which is not moved by that; where nothing is, there is none."""
    await stream.say([b"%d" % number for number in range(5)])
    connection = await connect(stream.settings)
    subscription = Subscription(connection, stream.settings, lambda: 0.0)
    await subscription.open(2)
    log = SubscribedLog(connection, stream.settings, subscription)
    assert (0, 4) == (await log.oldest(), await log.newest())
    arrived = await log.arrival(5)
    assert b"2" == (arrived and arrived.body)
    await close(connection)


async def test_an_empty_log_has_none(stream: Stream) -> None:
    """Nothing arrives, and the broker is given the time to count before that is believed."""
    connection = await connect(stream.settings)
    subscription = Subscription(connection, stream.settings, lambda: 0.0)
    await subscription.open("first")
    log = SubscribedLog(connection, stream.settings, subscription)
    assert (None, None, None) == (await log.arrival(0.1), await log.oldest(), await log.newest())
    await close(connection)
