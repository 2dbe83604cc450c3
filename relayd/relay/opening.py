"""
The first words to a viewer: where it stands, what the project's state is, what it missed.

A fresh viewer gets state, then tail; a resumed one exactly what it missed; one whose past is not whole is told
`gap` and gets state and tail.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Literal

from msgspec import Struct

from relayd.core.channel import Passed
from relayd.core.floor import BELOW_ALL, Verdict
from relayd.core.snapshot import Snapshot, spoken
from relayd.core.timeline import Entry
from relayd.protocol import cursor as cursors
from relayd.protocol.cursor import BEGINNING
from relayd.protocol.disconnect import Disconnect
from relayd.protocol.messages import GREETING, ConnectionEstablished, Message, Notice
from relayd.relay.engine import Engine
from relayd.relay.refusal import Refused
from relayd.relay.subscription import Subscription, Watched

__all__ = ["Opening", "aside", "established", "judge", "open_subscription", "words"]

ON_ITS_WAY = 1.0
"""Seconds that an event is given which another relay has had already: the broker's nodes may be a moment apart."""

AHEAD_STEP = 0.05
"""Seconds between two looks at a log that lags behind a cursor."""


class Opening(Struct, frozen=True, kw_only=True):
    """What a subscription begins with."""

    replay: Literal["tail", "resume", "gap", "none"]
    cursor: str
    """Strictly before the first entry."""
    entries: Sequence[Entry]
    head: str
    snapshot: dict[str, Any] | None = None
    """For those who read one."""
    spoken: Sequence[Message] = ()
    """The same in the eight messages, for those who don't."""

    @property
    def recovered(self) -> bool:
        """Everything missed follows, in order."""
        return self.replay == "resume"


async def judge(engine: Engine, project_id: str, after: str) -> Verdict:
    """
    Say what a cursor is worth, waiting a while for a relay that lags behind it.

    Raises BadCursorError; Refused (OVERLOADED) when the relay has not come so far in time.
    """
    began = engine.clock.monotonic()
    # Nobody is a moment ahead of a log that is this relay's own, nor of an empty one.
    grace = ON_ITS_WAY if engine.source.replays and after != BEGINNING else 0.0
    newest: int | None = None
    while (verdict := await engine.past.judge(project_id, after)).kind == "ahead":
        waited = engine.clock.monotonic() - began
        left = engine.limits.ahead_seconds - waited
        if left <= 0:
            raise Refused(
                Disconnect.OVERLOADED, "this relay has not read as far as your cursor yet; try again", "behind"
            )
        if newest is None and waited >= grace:
            newest = await newest_of(engine, patience=left)
        if newest is not None and (certain := what_is_certain(engine, after, newest)) is not None:
            return certain
        # Rare and bounded: a relay that has just been started, or one that its broker does not reach.
        await asyncio.sleep(AHEAD_STEP)
    return verdict


async def newest_of(engine: Engine, *, patience: float) -> int | None:
    """Return the offset at which the log itself ends, None if it can't be asked in time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(patience):
            return await engine.source.newest()
    return None


def what_is_certain(engine: Engine, after: str, newest: int) -> Verdict | None:
    """
    Return what can be said of a place that was not read, of a log that ends at `newest`; None if it may be read yet.

    What was read last says nothing of it: a connection that stands still looks like a log in which nothing happens.
    """
    if newest < (-1 if after == BEGINNING else cursors.decode(after).offset):
        return Verdict("gap", "beyond_head")
    if engine.log.head is not None:
        return None
    if newest == -1:
        # Nothing is before the first event that will be.
        return Verdict("whole", place=BELOW_ALL)
    if not engine.source.replays:
        # A log of its own, whose first event is being written at this moment.
        return None
    # There is a past, and this relay began to read behind all of it.
    return Verdict("gap", "below_floor") if engine.source.state().caught_up else None


async def open_subscription(
    engine: Engine, subscription: Subscription, *, after: str | None, tail: int, verdict: Verdict | None = None
) -> Opening:
    """
    Put a subscription where it begins and return what it is told first.

    With `after`, `verdict` is what `judge` said of it; without, the viewer is fresh.  Raises JournalError.
    """
    if after is not None and verdict is not None and verdict.place is not None:
        # The place as it was judged: if the log was made anew since, it lies below the floor, and a gap is told.
        subscription.passed = Passed(verdict.place, after)
        restates, head = subscription.follower.encoding.restates, engine.log.head_cursor()
        snapshot = snapshot_of(engine, subscription.project) if restates else None
        return Opening(replay="resume", cursor=after, entries=(), head=head, snapshot=snapshot)
    if verdict is not None:
        engine.observer.gapped(verdict.cause)
    modern = subscription.follower.encoding.modern
    while True:
        purges = engine.log.purges
        # State and position are taken in one step: no await stands between these lines and the first of `tail`.
        project = subscription.project
        snapshot = snapshot_of(engine, project) if modern else None
        said = () if modern or project.partial else in_words(engine, project.state)
        # Who was told of what is missing goes on without a hole from there.
        newest = await engine.past.tail(subscription.project, tail, subscription.selection, whole=verdict is not None)
        if purges is engine.log.purges:
            break
        # Something was removed for good while the tail was read, and may be in what was taken before.
    subscription.passed, subscription.index = newest.passed, None
    return Opening(
        replay="gap" if verdict is not None else "tail" if newest.entries else "none",
        cursor=newest.before,
        entries=newest.entries,
        head=engine.log.head_cursor(),
        snapshot=snapshot,
        spoken=said,
    )


def snapshot_of(engine: Engine, project: Watched) -> dict[str, Any] | None:
    """Return a project's state; None while it has none, and of a partial one, which would be taken for the whole."""
    state = project.state
    if project.partial or state.cursor is None:
        return None
    return engine.vigil.shown(state) | engine.spending.shown(project, engine.clock)


def in_words(engine: Engine, state: Snapshot) -> Sequence[Message]:
    """Return a state for viewers that read no snapshot; nothing of a project of which nothing was heard."""
    now = engine.clock.now()
    said = spoken(state, now, engine.vigil.activities(state))
    return [*said, *engine.spending.spoken(state, now)] if said else ()


def aside(engine: Engine, project: Watched) -> Notice | None:
    """Return how the agents seem to be by now, for a viewer that had a state before; None where there is nothing."""
    return None if project.partial else engine.vigil.news(project.state)


def words(engine: Engine, subscription: Subscription, opening: Opening) -> Sequence[Message | Notice]:
    """Return what is said behind the first message: a state in words, or what has come of one since."""
    encoding = subscription.follower.encoding
    resumes = opening.recovered and encoding.modern and not encoding.restates
    news = aside(engine, subscription.project) if resumes else None
    return opening.spoken if news is None else (*opening.spoken, news)


def established(
    engine: Engine, opening: Opening, *, project_id: str, connection_id: str, expires_at: float | None
) -> ConnectionEstablished:
    """Return the message that opens a subscription, and opens it anew after a gap."""
    now, limits = engine.clock.now(), engine.limits
    return ConnectionEstablished(
        project_id=project_id,
        timestamp=now,
        message=GREETING,
        protocol=1,
        connection_id=connection_id,
        cursor=opening.cursor,
        head=opening.head,
        recovered=opening.recovered,
        replay=opening.replay,
        snapshot=opening.snapshot,
        limits={
            "connections_per_user": limits.connections_per_user,
            "frames_per_second": int(limits.inbound.rate),
            "max_backlog": limits.max_backlog,
        },
        heartbeat_seconds=limits.heartbeat_seconds,
        server_time=now,
        token_expires_at=expires_at,
    )
