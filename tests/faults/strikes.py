"""
What may break, and for how long: each strike does its harm and ends it.

A lane holds what can't happen twice at once; strikes of different lanes meet as they come.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping
from random import Random

from tests.faults.scene import Scene

__all__ = ["EVERYTHING", "KILLS", "TWO_AT_ONCE", "Lanes", "Strike"]

STARTS_SECONDS = 60
"""Longest wait for a relay to start and be heard of; a busy machine is slow."""

Strike = Callable[[Scene, Random], Awaitable[None]]
Lanes = Mapping[str, Mapping[str, Strike]]


async def a_while(random: Random, least: float, most: float) -> None:
    """Let the harm last."""
    await asyncio.sleep(random.uniform(least, most))


# -- the broker ------------------------------------------------------------------------------------------------------


async def broker_restarts(scene: Scene, random: Random) -> None:
    """An operator restarts RabbitMQ."""
    await scene.broker.ctl_async("stop_app")
    await a_while(random, 0, 2)
    await scene.broker.ctl_async("start_app")


async def broker_is_killed(scene: Scene, random: Random) -> None:
    """The kernel ends it for want of memory."""
    await scene.broker.kill_async()
    await a_while(random, 0, 2)
    await scene.broker.start_async()


# -- the wires to the broker -----------------------------------------------------------------------------------------


async def broker_wire_is_cut(scene: Scene, random: Random) -> None:
    """The relay's connection is reset."""
    scene.to_broker.cut()


async def broker_refuses(scene: Scene, random: Random) -> None:
    """And for a while there is no other."""
    with scene.to_broker.shut():
        await a_while(random, 0.5, 4)


async def broker_falls_silent(scene: Scene, random: Random) -> None:
    """What the broker says does not arrive; sometimes it is noticed, sometimes it is over before."""
    with scene.to_broker.holding("answered"):
        await a_while(random, 1, 9)


async def relay_is_not_heard(scene: Scene, random: Random) -> None:
    """What the relay says does not arrive: neither acknowledgements nor heartbeats."""
    with scene.to_broker.holding("asked"):
        await a_while(random, 1, 9)


async def broker_wire_is_dead(scene: Scene, random: Random) -> None:
    """Nothing passes either way."""
    with scene.to_broker.holding("asked", "answered"):
        await a_while(random, 1, 9)


async def swarm_is_cut(scene: Scene, random: Random) -> None:
    """Nobody knows whether the last event arrived, so it is sent again."""
    scene.from_swarm.cut()


async def confirm_is_lost(scene: Scene, random: Random) -> None:
    """It arrived, and the word of it never does."""
    with scene.from_swarm.holding("answered"):
        await a_while(random, 0.1, 2)
        scene.from_swarm.cut()


# -- the relay -------------------------------------------------------------------------------------------------------


async def relay_restarts(scene: Scene, random: Random) -> None:
    """Asked to end in order, and started again; the broker may be away meanwhile."""
    assert 0 == await scene.relay.stop_async()
    await a_while(random, 0, 2)
    await scene.relay.start_async(ready=False)


async def relay_is_killed(scene: Scene, random: Random) -> None:
    """Ended at once, and started again."""
    await asyncio.to_thread(scene.relay.kill)
    await a_while(random, 0, 2)
    await scene.relay.start_async(ready=False)


async def relay_freezes(scene: Scene, random: Random) -> None:
    """It gets no CPU for a while."""
    scene.relay.process.send(signal.SIGSTOP)
    await a_while(random, 0.5, 5)
    scene.relay.process.send(signal.SIGCONT)


async def relay_is_killed_at_any_age(scene: Scene, random: Random) -> None:
    """Half of the time viewers have heard of it before; else it starts, recovers, or is crowded by those who return."""
    if random.randrange(2):
        await scene.audience.until_seen(scene.audience.events + 1, seconds=STARTS_SECONDS)
    await a_while(random, 0, 2)
    await asyncio.to_thread(scene.relay.kill)
    scene.relay.process.start()


# -- the viewers' wire -----------------------------------------------------------------------------------------------


async def viewers_are_cut(scene: Scene, random: Random) -> None:
    """All come back at once, with their cursors."""
    scene.to_viewers.cut()


async def viewers_find_nobody(scene: Scene, random: Random) -> None:
    """Cut, and for a while turned away."""
    with scene.to_viewers.shut():
        await a_while(random, 0.2, 2)


async def viewers_hear_nothing(scene: Scene, random: Random) -> None:
    """The relay's buffers fill meanwhile."""
    with scene.to_viewers.holding("answered"):
        await a_while(random, 0.5, 4)


async def viewers_vanish(scene: Scene, random: Random) -> None:
    """Gone without a word: the relay writes to nobody, and hears of it late."""
    with scene.to_viewers.holding("asked", "answered"):
        await a_while(random, 0.5, 3)
        scene.to_viewers.cut()


EVERYTHING: Lanes = {
    "broker": {"broker restarts": broker_restarts, "broker is killed": broker_is_killed},
    "wires": {
        "relay cut off the broker": broker_wire_is_cut,
        "broker refuses the relay": broker_refuses,
        "broker not heard": broker_falls_silent,
        "relay not heard": relay_is_not_heard,
        "broker's wire dead": broker_wire_is_dead,
        "swarm cut off the broker": swarm_is_cut,
        "confirm lost": confirm_is_lost,
    },
    "relay": {"relay restarts": relay_restarts, "relay is killed": relay_is_killed, "relay freezes": relay_freezes},
    "viewers": {
        "viewers cut": viewers_are_cut,
        "viewers turned away": viewers_find_nobody,
        "viewers hear nothing": viewers_hear_nothing,
        "viewers vanish": viewers_vanish,
    },
}
"""Four lanes of faults, by name."""

TWO_AT_ONCE: Lanes = {
    "broker and relay": {**EVERYTHING["broker"], **EVERYTHING["relay"]},
    "all wires": {**EVERYTHING["wires"], **EVERYTHING["viewers"]},
}
"""The same in two lanes, which take about as long."""

KILLS: Lanes = {"relay": {"relay is killed": relay_is_killed_at_any_age}}
"""One lane with one fault."""
