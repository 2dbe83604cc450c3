"""A token ends while its viewer watches."""

import asyncio

from relayd.protocol.disconnect import Disconnect
from relayd.relay.expiry import MAX_TIMER
from tests.relay.stage import Relay, assert_leaves, assert_stays


async def test_a_viewer_is_told_before_its_token_expires_and_leaves_after_the_grace(relay: Relay) -> None:
    """A minute before, and ten seconds after."""
    relay.viewer("ada", seconds=300)
    viewer = await relay.watches(user="ada")
    await asyncio.sleep(239)
    assert [] == viewer.codes()
    await asyncio.sleep(2)
    assert ["TOKEN_EXPIRING"] == viewer.codes()
    assert "send a refresh" in viewer.of("notice")[0]["detail"]
    await asyncio.sleep(67)
    assert_stays(viewer)
    await asyncio.sleep(3)
    assert_leaves(viewer, Disconnect.TOKEN_EXPIRED)


async def test_a_token_of_years_is_watched_in_days(relay: Relay) -> None:
    """Loops don't take timers of years."""
    relay.viewer("ada", seconds=3 * MAX_TIMER)
    viewer = await relay.watches(user="ada")
    await asyncio.sleep(3 * MAX_TIMER - 70)
    assert [] == viewer.codes()
    await asyncio.sleep(20)
    assert ["TOKEN_EXPIRING"] == viewer.codes()
    await asyncio.sleep(70)
    assert_leaves(viewer, Disconnect.TOKEN_EXPIRED)
