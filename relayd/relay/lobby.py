"""
Signs of life, spread over the interval.

Not the library's heartbeat: it rounds timers to whole seconds, and thousands of viewers then stall the loop at once.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from relayd.protocol.disconnect import Disconnect
from relayd.relay.admission import NOT_VALID
from relayd.relay.engine import Engine
from relayd.relay.poll import Poll
from relayd.relay.session import Session

__all__ = ["Lobby"]

SLOT_SECONDS = 0.25

EACH_TURN = 50
"""So many connections are ended in one turn of the loop: some milliseconds."""

SOON_MS = 1_000
"""Whoever is sent away comes back after this at the earliest."""

UNANSWERED = 2
"""So many signs of life without an answer end a connection; each had an interval in which to be answered."""

RESTARTING = "this relay is restarting; come back with your cursor"

AWAY = "this relay's log is out of reach; come back with your cursor, to another relay"


class Lobby:
    """All streaming sessions of this relay, their heartbeat, and the end that they and the polls have in common."""

    def __init__(self, engine: Engine) -> None:
        """Begin empty."""
        self._engine = engine
        slots = max(1, round(engine.limits.heartbeat_seconds / SLOT_SECONDS))
        self._slots: list[dict[Session, int]] = [{} for _ in range(slots)]
        self._next = 0
        # Asked at every handshake: counted anew, a thousand who come back would cost a million looks.
        self._counts: dict[str, int] = {}
        self._polls: dict[Poll, None] = {}
        self._farewells: set[asyncio.Task[object]] = set()
        self._stuck: dict[Session, tuple[int, float]] = {}
        """How many bytes had got through, and since when it is so many."""

    def __len__(self) -> int:
        """Return how many sessions there are."""
        return sum(len(slot) for slot in self._slots)

    def __iter__(self) -> Iterator[Session]:
        """Iterate over a copy of all sessions."""
        return iter([session for slot in self._slots for session in slot])

    def counts(self) -> Mapping[str, int]:
        """Return the number of sessions and of polls that wait, by transport; one that has none is left out."""
        return {transport: count for transport, count in self._counts.items() if count}

    def enter(self, session: Session) -> None:
        """Take a session in, into the slot with the fewest, until it ends."""
        slot = min(self._slots, key=len)
        slot[session] = 0
        transport = session.encoding.transport
        self._count(transport, 1)

        def leave(_: object) -> None:
            del slot[session]
            self._count(transport, -1)
            self._stuck.pop(session, None)
            self.see_off(session.farewell())

        session.ended.add_done_callback(leave)
        if not session.grant.stands(self._engine.verifier):
            # Revoked, or its key withdrawn, since it was admitted: until now nobody would have found it here.
            session.close(Disconnect.AUTH_FAILED, NOT_VALID)

    def see_off(self, farewell: Coroutine[Any, Any, object]) -> None:
        """Let somebody say goodbye to a viewer; a relay that ends waits for it."""
        task = asyncio.get_running_loop().create_task(farewell)
        self._farewells.add(task)
        task.add_done_callback(self._farewells.discard)

    @contextmanager
    def holding(self, poll: Poll) -> Iterator[None]:
        """Let a poll wait; a relay that drains answers it."""
        self._polls[poll] = None
        self._count(poll.encoding.transport, 1)
        try:
            yield
        finally:
            del self._polls[poll]
            self._count(poll.encoding.transport, -1)

    def _count(self, transport: str, change: int) -> None:
        self._counts[transport] = self._counts.get(transport, 0) + change

    async def turn(self) -> None:
        """Turn the wheel for ever: each session has its beat once in an interval."""
        while True:
            await asyncio.sleep(self._engine.limits.heartbeat_seconds / len(self._slots))
            slot = self._slots[self._next]
            self._next = (self._next + 1) % len(self._slots)
            # Asked in each turn, whether anybody is there or not: it is as exact as it is often asked.
            away = self._engine.freshness.away()
            for session in list(slot):
                self._visit(session)
                self._hand_over(session, away)
            if self._next == 0:
                self._visit_polls()

    def _visit(self, session: Session) -> None:
        now, limits = self._engine.clock.monotonic(), self._engine.limits
        if not session.grant.stands(self._engine.verifier):
            session.close(Disconnect.AUTH_FAILED, NOT_VALID)
            return
        # Not for how long it was silent: after a pause of the relay's own everybody would seem to have been.
        if session.unanswered >= UNANSWERED:
            session.close(Disconnect.IDLE_TIMEOUT, "no sign of life; come back with your cursor")
            return
        taken = session.wire.taken()
        before, since = self._stuck.get(session, (-1, now))
        if session.wire.buffered() == 0 or taken != before:
            self._stuck[session] = (taken, now)
        elif now - since >= limits.stuck_seconds:
            session.close(Disconnect.STUCK, "the socket took no byte with data waiting; come back with your cursor")
            return
        session.beat()

    def _hand_over(self, session: Session, away: float) -> None:
        """Send a viewer to the peers when it has waited with this relay for long enough: here it would hear nothing."""
        limits = self._engine.limits
        # Its own time counts, too: were the log away for all relays, viewers would else be sent round in circles.
        if limits.peers and min(away, session.age()) >= limits.away_seconds:
            session.close(Disconnect.OVERLOADED, AWAY, SOON_MS)

    def _visit_polls(self) -> None:
        for poll in list(self._polls):
            if not poll.grant.stands(self._engine.verifier):
                poll.end(Disconnect.AUTH_FAILED, NOT_VALID)

    def everybody(self) -> list[Session | Poll]:
        """Return all sessions, and all polls that wait."""
        return [*self, *self._polls]

    async def end(self, whom: Callable[[Session | Poll], bool], disconnect: Disconnect, sentence: str) -> int:
        """End those who are meant, a few in each turn of the loop, and return how many that were."""
        meant = [one for one in self.everybody() if whom(one)]
        ended = 0
        for number, one in enumerate(meant, 1):
            ended += end(one, disconnect, sentence)
            if number % EACH_TURN == 0:
                await asyncio.sleep(0)
        return ended

    async def empty(self, seconds: float) -> None:
        """End all sessions and polls with RESTARTING, spread over the time, each told when to come back."""
        everybody = self.everybody()
        step, began = seconds / max(1, len(everybody)), self._engine.clock.monotonic()
        for number, one in enumerate(everybody):
            if number and step > 0:
                late = self._engine.clock.monotonic() - (began + number * step)
                # What took longer is caught up with, or the service manager would lose its patience; but not at once.
                await asyncio.sleep(max(step / 2, -late))
            self._send_away(one, left=seconds - number * step, number=number)
        # Those who were at the door when the list was made.
        for number, one in enumerate(self.everybody()):
            self._send_away(one, left=0, number=number)
        # A session's end is noticed in the loop's next turn.
        await asyncio.sleep(0)
        if self._farewells:
            await asyncio.wait(self._farewells)

    def _send_away(self, one: Session | Poll, *, left: float, number: int) -> None:
        """Tell a viewer to come back: to a peer soon, to this relay when it has restarted, in `left` seconds."""
        if isinstance(one, Poll):
            one.end(Disconnect.RESTARTING, RESTARTING)
            return
        # Those who leave early wait longer, so that nobody comes back to a relay that is still going.
        wait = 0 if self._engine.limits.peers else left
        # Not all of a second's at the same moment.
        one.close(Disconnect.RESTARTING, RESTARTING, int(1_000 * wait) + SOON_MS + 100 * (number % 10))


def end(one: Session | Poll, disconnect: Disconnect, sentence: str) -> bool:
    """End a connection; False if it has ended meanwhile."""
    if isinstance(one, Poll):
        one.end(disconnect, sentence)
        return True
    ends = not one.ended.done()
    one.close(disconnect, sentence)
    return ends
