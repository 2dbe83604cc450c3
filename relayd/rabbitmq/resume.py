"""
Is the log still the one that was read before, and does it go on where it was left?

The broker never says no: below what is retained it silently begins later, beyond the end it is silent until the log
gets there.  So a resume asks for the last message that was handed on and looks at what comes.
"""

from enum import Enum
from typing import Protocol

from relayd.dialects.delivery import Delivery
from relayd.ports import Position
from relayd.protocol.cursor import fingerprint
from relayd.rabbitmq.connection import Stalled

__all__ = ["Log", "Resumption", "resume"]


class Resumption(Enum):
    """How a log goes on; all but WHOLE are breaks."""

    WHOLE = "whole"
    """The first delivery is the last one handed on; everything behind it follows."""
    TRUNCATED = "truncated"
    """Retention dropped what was not read; the first delivery is the oldest there is."""
    RECREATED = "recreated"
    """Another log stands in its place and is read from its beginning."""


class Log(Protocol):
    """What can be asked while a subscription at the position is open."""

    async def arrival(self, patience: float) -> Delivery | None:
        """Return the first delivery of the subscription, None when none came within `patience` seconds."""
        ...

    async def oldest(self) -> int | None:
        """Return the oldest offset in the log, None when it is empty."""
        ...

    async def newest(self) -> int | None:
        """Return the newest offset in the log, None when it is empty."""
        ...


async def resume(log: Log, position: Position, identity: bytes, *, silence: float, patience: float) -> Resumption:
    """
    Return how the log goes on behind a position that it was subscribed at, inclusive.

    It asks the log after each `silence` seconds without an arrival; raises Stalled when something is at or behind the
    position and has not come within `patience` seconds of them.
    """
    waited = 0.0
    while (arrival := await log.arrival(silence)) is None:
        newest = await log.newest()
        if newest is None or newest < position.offset:
            return Resumption.RECREATED
        # There is something at or behind the position: the broker is slow, or has forgotten this subscription.
        waited += silence
        if waited >= patience:
            raise Stalled(f"the log goes on to offset {newest}, and nothing from {position.offset} on came")
    if arrival.offset > position.offset:
        oldest = await log.oldest()
        # A message once read is there as long as older ones are: retention drops from the beginning only.
        kept = oldest is not None and oldest < position.offset
        return Resumption.RECREATED if kept else Resumption.TRUNCATED
    mark = fingerprint(identity, arrival.message_id, arrival.body)
    same = arrival.offset == position.offset and mark == position.fingerprint
    return Resumption.WHOLE if same else Resumption.RECREATED
