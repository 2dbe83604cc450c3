"""More places than a user has; each test's sentence tells the attack."""

import asyncio

from tests.harness.redis import PrivateRedis
from tests.harness.replicas import Guests, places, replicas


async def test_many_handshakes_at_once_on_several_relays(redis: PrivateRedis) -> None:
    """50 parallel handshakes of one user on two relays: exactly five are let in, the others are told of them."""
    async with replicas(redis) as relays, Guests() as guests:
        came = await asyncio.gather(*(guests.comes(relays[number % 2], "mallory") for number in range(50)))
        inside = {guest.connection_id for guest in came if guest.is_in}
        assert 5 == len(inside)
        assert 5 == sum(relay.metric('relayd_connections{transport="websocket"}') for relay in relays)
        for guest in came:
            if not guest.is_in:
                assert "TOO_MANY_CONNECTIONS" == guest.first["code"]
                assert guest.named == inside
                assert 4429 == (await guest.viewer.ending())[0]
        assert inside == set(await places(relays[0], "mallory")) == set(await places(relays[1], "mallory"))
        assert (await guests.comes(relays[0], "ada")).is_in
