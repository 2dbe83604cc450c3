"""Who gets as far as the handshake, and what those are told who don't."""

import asyncio

import pytest

from relayd.core.pacing import Pace
from relayd.protocol.disconnect import Disconnect
from relayd.relay.door import Door
from relayd.relay.refusal import Refused
from relayd.relay.turnstile import EACH_TURN
from tests.relay.stage import Relay


async def refusal(door: Door, **counts: int) -> Refused:
    """Return why nobody gets by while so many are in."""
    with pytest.raises(Refused) as refused:
        await door.enter(lambda: counts)
    return refused.value


async def test_an_open_door_lets_everybody_by(relay: Relay) -> None:
    """As long as there is room."""
    await Door(relay.engine).enter(lambda: {"fake": 9_999})


async def test_a_draining_node_refuses_everybody(relay: Relay) -> None:
    """They come back to another one."""
    door = Door(relay.engine)
    door.draining = True
    refused = await refusal(door)
    assert (Disconnect.RESTARTING, "draining") == (refused.disconnect, refused.reason)


async def test_a_full_node_refuses_everybody(relay: Relay) -> None:
    """All transports count together."""
    refused = await refusal(Door(relay.engine), fake=6_000, other=4_000)
    assert (Disconnect.OVERLOADED, "node_full") == (refused.disconnect, refused.reason)


async def test_who_waits_at_the_door_is_counted() -> None:
    """It holds a socket: there are never more of those than there may be connections."""
    relay = await Relay.begin(max_connections=EACH_TURN + 3)
    door = Door(relay.engine)
    answers = await asyncio.gather(*(door.enter(dict) for _ in range(EACH_TURN + 20)), return_exceptions=True)
    # Those of the first turn went by, and behind them as many waited as there is room for.
    assert EACH_TURN + EACH_TURN + 3 == answers.count(None)
    assert {"node_full"} == {answer.reason for answer in answers if isinstance(answer, Refused)}
    # Nobody waits any more, and who gives up doesn't either.
    comers = [asyncio.create_task(door.enter(dict)) for _ in range(EACH_TURN + EACH_TURN + 3)]
    await asyncio.sleep(0)
    comers[-1].cancel()
    await asyncio.gather(comers[-1], return_exceptions=True)
    await asyncio.gather(*comers[:-1], door.enter(dict))
    await relay.end()


async def test_a_node_lets_in_so_many_a_second() -> None:
    """Whoever they are; those beyond come again later."""
    relay = await Relay.begin(admissions=Pace(rate=2, burst=2))
    door = Door(relay.engine)
    for _ in range(2):
        await door.enter(dict)
    refused = await refusal(door)
    assert (Disconnect.OVERLOADED, "admissions", 5_000) == (
        refused.disconnect,
        refused.reason,
        refused.retry_after_ms,
    )
    relay.clock.advance(0.5)
    await door.enter(dict)
    await relay.end()


async def test_a_node_without_memory_refuses_everybody_until_it_has_some(relay: Relay) -> None:
    """Before anything is looked at; those who are there are not touched."""
    viewer = await relay.watches()
    short = True
    door = Door(relay.engine, memory_short=lambda: short)
    refused = await refusal(door)
    assert (Disconnect.OVERLOADED, "memory") == (refused.disconnect, refused.reason)
    assert "no memory for more viewers; try again" in refused.sentence
    assert not viewer.session.ended.done()
    short = False
    await door.enter(dict)


async def test_who_had_to_wait_finds_the_door_as_it_is_then(relay: Relay) -> None:
    """A few come in at once; the relay begins to drain while the next one waits for its turn."""
    door = Door(relay.engine)
    comers = [asyncio.create_task(door.enter(dict)) for _ in range(EACH_TURN + 1)]
    await asyncio.sleep(0)
    door.draining = True
    answers = await asyncio.gather(*comers, return_exceptions=True)
    assert [None] * EACH_TURN == answers[:-1]
    assert isinstance(answers[-1], Refused)
