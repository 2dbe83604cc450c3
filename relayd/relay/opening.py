"""
The first words to a viewer: where it stands, what the project's state is, what it missed.

A fresh viewer gets state, then tail; a resumed one exactly what it missed; one whose past is not whole is told
`gap` and gets state and tail.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Literal

from msgspec import Struct

from relayd.core.channel import Passed
from relayd.core.floor import Verdict
from relayd.core.snapshot import spoken
from relayd.core.timeline import Entry
from relayd.protocol.disconnect import Disconnect
from relayd.protocol.messages import GREETING, ConnectionEstablished, Message
from relayd.relay.engine import Engine
from relayd.relay.refusal import Refused
from relayd.relay.subscription import Subscription

__all__ = ["Opening", "established", "judge", "open_subscription"]

ON_ITS_WAY = 1.0
"""Seconds that a relay which is caught up gives an event that another one has had already."""

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
    """The snapshot in the eight messages, for those who don't."""

    @property
    def recovered(self) -> bool:
        """Everything missed follows, in order."""
        return self.replay == "resume"


async def judge(engine: Engine, project_id: str, after: str) -> Verdict:
    """
    Say what a cursor is worth, waiting a while for a log that lags behind it.

    Raises BadCursorError; Refused (OVERLOADED) when the log has not come so far in time.
    """
    began = engine.clock.monotonic()
    while (verdict := await engine.past.judge(project_id, after)).kind == "ahead":
        waited = engine.clock.monotonic() - began
        # A log that is read by others, too, may be ahead there by what is just on its way here.
        if not engine.source.replays or (engine.source.state().caught_up and waited > ON_ITS_WAY):
            return Verdict("gap", "beyond_head")
        if waited > engine.limits.ahead_seconds:
            raise Refused(
                Disconnect.OVERLOADED, "this relay has not read as far as your cursor yet; try again", "behind"
            )
        # Rare and bounded: a relay that has just been started, or one that lost its broker.
        await asyncio.sleep(AHEAD_STEP)
    return verdict


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
        return Opening(replay="resume", cursor=after, entries=(), head=engine.log.head_cursor())
    if verdict is not None:
        engine.observer.gapped(verdict.cause)
    # State and position are taken in one step: no await stands between these lines and the first of `tail`.
    state, modern = subscription.project.state, subscription.follower.encoding.modern
    snapshot = state.as_dict() if modern and state.counts else None
    words = spoken(state, engine.clock.now()) if not modern else ()
    newest = await engine.past.tail(subscription.project, tail, subscription.selection)
    subscription.passed, subscription.index = newest.passed, None
    return Opening(
        replay="gap" if verdict is not None else "tail" if newest.entries else "none",
        cursor=newest.before,
        entries=newest.entries,
        head=engine.log.head_cursor(),
        snapshot=snapshot,
        spoken=words,
    )


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
