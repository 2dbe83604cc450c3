"""
The way back to the live viewers, for those behind: fresh, resumed or slow.

It writes from the viewer's own position with drained writes, one envelope at a time, until it stands where its
group stands; then it joins.  Between the last look at the timeline and the joining nothing awaits.
"""

import asyncio
from collections.abc import Sequence

from relayd.core.channel import Passed
from relayd.core.floor import Verdict
from relayd.core.selection import collapse
from relayd.core.timeline import Entry
from relayd.ports import Wire
from relayd.protocol.codec import MAX_ENVELOPE_MESSAGES
from relayd.relay.engine import Engine
from relayd.relay.fanout import cut
from relayd.relay.opening import Opening, open_subscription
from relayd.relay.subscription import Subscription

__all__ = ["StuckError", "catch_up", "drained", "join", "read", "why_not_whole", "write_entries"]


class StuckError(Exception):
    """The socket took no byte for too long with data waiting."""


async def catch_up(engine: Engine, subscription: Subscription, wire: Wire, *, many: bool) -> Opening | None:
    """
    Bring a subscription to the live viewers and return None, or return the opening of a gap that must be told first.

    One that is taken off meanwhile is left where it is.  Raises StuckError, ConnectionError, JournalError.
    """
    channel = subscription.project.channel
    while subscription in channel.behind:
        # Asked each time: while it read, others may have taken the last shared selection.
        alone = many or not channel.shares(subscription.key)
        if join(engine, subscription, alone=alone):
            return None
        cause = why_not_whole(engine, subscription)
        entries = None if cause else await read(engine, subscription, alone=alone)
        if entries is None:
            verdict = Verdict("gap", cause or "below_floor")
            subscription.gap = ""
            return await open_subscription(engine, subscription, after=None, tail=engine.limits.tail, verdict=verdict)
        await write_entries(engine, subscription, entries, wire, many=many)
    return None


def join(engine: Engine, subscription: Subscription, *, alone: bool) -> bool:
    """Join the live viewers if the subscription stands where they stand.  No await here: an event would be missed."""
    if why_not_whole(engine, subscription):
        return False
    timeline, channel = subscription.project.timeline, subscription.project.channel
    index = timeline.index_after(subscription.passed.place)
    if index is None:
        return False
    if index != target(subscription, index, alone=alone):
        return False
    subscription.index = index
    if alone:
        channel.join_alone(subscription)
    else:
        channel.join(
            subscription,
            subscription.key,
            index,
            subscription.passed,
            engine.fanout.bucket(subscription.follower.encoding),
        )
    return True


def target(subscription: Subscription, index: int, *, alone: bool) -> int:
    """Return the index at which the subscription can join."""
    end = subscription.project.timeline.end
    return end if alone else subscription.project.channel.target(subscription.key, index, end)


def why_not_whole(engine: Engine, subscription: Subscription) -> str:
    """Return the cause for which what the subscription missed can't be told whole, empty if it can."""
    if subscription.gap:
        return subscription.gap
    floor = engine.log.floor_of(subscription.project.id)
    if floor is not None and subscription.passed.place < floor.place:
        return "below_floor"
    index = subscription.index
    if index is not None and subscription.project.timeline.end - index > engine.limits.max_backlog:
        return "lagged"
    return ""


async def read(engine: Engine, subscription: Subscription, *, alone: bool) -> Sequence[Entry] | None:
    """Return the next entries, from memory or from the journal; None when some of them are gone."""
    timeline, place = subscription.project.timeline, subscription.passed.place
    index = timeline.index_after(place)
    if index is not None:
        # Up to boundaries that are the same for all, so that who comes back at once reads the same envelopes.
        boundary = index - index % MAX_ENVELOPE_MESSAGES + MAX_ENVELOPE_MESSAGES
        return timeline.slice(index, min(boundary, target(subscription, index, alone=alone)))
    bottom = timeline.bottom
    entries = await engine.past.read(subscription.project, place, MAX_ENVELOPE_MESSAGES)
    if entries is not None and not entries and bottom is not None:
        # The journal holds nothing between: memory goes on from its bottom.
        subscription.passed = Passed(bottom, subscription.passed.cursor)
    return entries


async def write_entries(
    engine: Engine, subscription: Subscription, entries: Sequence[Entry], wire: Wire, *, many: bool
) -> None:
    """Write entries in as many envelopes as they need, and move the subscription on, unless it was taken off."""
    project = subscription.project
    # Looked at each time: what was read may have been removed for good while somebody waited.
    while (entries := engine.log.purges.left(project.id, entries)) and subscription in project.channel.behind:
        wanted, looked_at = cut(entries, subscription.selection, messages=MAX_ENVELOPE_MESSAGES)
        last = entries[looked_at - 1]
        if wanted:
            told = collapse(wanted) if wire.encoding.collapses else wanted
            payload = written(engine, subscription, wanted, told, last.cursor, many=many)
            wire.write(payload)
            engine.observer.replayed(wire.encoding.transport, events=len(told), nbytes=len(payload))
        # Written is passed: a sign of life that comes while this one is drained must not tell an older cursor.
        subscription.passed = Passed(last.place, last.cursor)
        if subscription.index is not None:
            subscription.index += looked_at
        entries = entries[looked_at:]
        # No pause behind the last few: on a busy project there were more after each, and it would never join.
        if wanted and (entries or looked_at >= MAX_ENVELOPE_MESSAGES or wire.buffered()):
            await drained(wire, engine.limits.stuck_seconds)


def written(
    engine: Engine,
    subscription: Subscription,
    wanted: Sequence[Entry],
    told: Sequence[Entry],
    cursor: str,
    *,
    many: bool,
) -> bytes:
    """Return an envelope, made for this one or a moment ago for another who reads the same in the same way."""
    encoding, now = subscription.follower.encoding, engine.clock.monotonic()
    # A cursor is unique over all projects; with the number between, two of them say which events these are.
    key = (wanted[0].cursor, cursor, len(wanted), many, *subscription.key)
    payload = engine.copies.get(key, now)
    if payload is None:
        cursors = {subscription.project.id: cursor} if many else None
        payload = encoding.frame(told, cursor, engine.clock.now(), cursors, len(wanted) - len(told))
        engine.copies.put(key, payload, now)
    return payload


async def drained(wire: Wire, stuck_seconds: float) -> None:
    """Return when the socket has taken what waits; raises StuckError when it takes no byte for so long."""
    if wire.buffered() == 0:
        # The kernel took it all; the others get their turn all the same.
        await asyncio.sleep(0)
        return None
    before = wire.taken()
    while True:
        try:
            async with asyncio.timeout(stuck_seconds):
                return await wire.drain()
        except TimeoutError:
            after = wire.taken()
            if after == before:
                raise StuckError from None
            before = after
