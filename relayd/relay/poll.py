"""
Long poll: a viewer that comes again for each answer.

It is no wire: it waits in its group as a member whose buffer is always full, so the group's next flush wakes it
with what it has passed, and it reads from there.  The next request's cursor is the acknowledgement.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import Struct

from relayd.core.channel import Passed
from relayd.core.floor import Verdict
from relayd.core.timeline import Entry
from relayd.ports import Encoding
from relayd.protocol.disconnect import Disconnect
from relayd.relay.admission import EXPIRED, Admission, Grant, Handshake
from relayd.relay.catchup import join, read, why_not_whole
from relayd.relay.engine import Engine
from relayd.relay.fanout import cut
from relayd.relay.opening import Opening, open_subscription
from relayd.relay.refusal import Refused
from relayd.relay.subscription import Subscription, refuse_beyond

__all__ = ["Answer", "Poll"]


class Answer(Struct, frozen=True, kw_only=True):
    """What one poll is told."""

    opening: Opening
    entries: list[Entry]
    cursor: str
    held: bool
    """It waited for news."""


class Poll:
    """One request; a follower that refuses every payload and is woken by the refusal."""

    def __init__(self, engine: Engine, grant: Grant, encoding: Encoding) -> None:
        """Begin for a viewer that was let in."""
        self.engine = engine
        self.grant = grant
        self.encoding = encoding
        self._ended: Refused | None = None
        self._news = asyncio.Event()
        grant.on_evict(self.end)

    def push(self, payload: bytes) -> bool:  # noqa: ARG002  # the port's verb: a poll takes no bytes
        """Refuse: the poll leaves its group with what it has passed and reads from there."""
        return False

    def fell_behind(self, subscription: Subscription) -> None:  # noqa: ARG002  # it has only one
        """Wake up."""
        self._news.set()

    def stir(self, subscription: Subscription) -> None:
        """Wake up: there is news for a selection that has no group."""
        subscription.fall_behind(subscription.passed)

    def lose(self, subscription: Subscription, disconnect: Disconnect, sentence: str) -> None:  # noqa: ARG002  # as above
        """Stop waiting: it has no other project."""
        self.end(disconnect, sentence)

    def end(self, disconnect: Disconnect, sentence: str) -> None:
        """Stop waiting and answer with a refusal; the place is free at once, even if it was kept for the next poll."""
        self.grant.release()
        # NORMAL is 200 over HTTP, which would be taken for news.
        refusal = Disconnect.REPLACED if disconnect is Disconnect.NORMAL else disconnect
        self._ended = Refused(refusal, sentence, refusal.label)
        self._news.set()

    async def answer(self, admission: Admission, handshake: Handshake, *, wait: float, limit: int) -> Answer:
        """Return what is new, after up to `wait` seconds; raises Refused, JournalError."""
        if handshake.project_id is None:
            raise Refused(Disconnect.BAD_REQUEST, "a poll is for one project", "not_many")
        project = await admission.open(handshake.project_id)
        # As at the door: others may have come in meanwhile.
        refuse_beyond(self.engine.limits.viewers_per_project, project)
        subscription = Subscription(self, project, handshake.selection)
        project.channel.fall(subscription)
        try:
            opening = await open_subscription(
                self.engine, subscription, after=handshake.after, tail=handshake.tail, verdict=self.grant.verdict
            )
            if opening.replay != "resume":
                return Answer(
                    opening=opening, entries=list(opening.entries), cursor=subscription.passed.cursor, held=False
                )
            self.engine.rounds.enter(subscription, self.engine.clock.monotonic())
            with self._expiring(wait):
                return await self._resume(subscription, opening, wait=wait, limit=limit)
        finally:
            self.engine.rounds.leave(subscription)
            project.channel.leave(subscription)

    @contextmanager
    def _expiring(self, wait: float) -> Iterator[None]:
        """End the poll when its token has expired and the grace is over, if it may wait so long."""
        left = self.grant.viewer.expires_at + self.engine.limits.grace_seconds - self.engine.clock.now()
        if left >= wait:
            yield
            return
        timer = asyncio.get_running_loop().call_later(left, self.end, Disconnect.TOKEN_EXPIRED, EXPIRED)
        try:
            yield
        finally:
            timer.cancel()

    async def _resume(self, subscription: Subscription, opening: Opening, *, wait: float, limit: int) -> Answer:
        loop = asyncio.get_running_loop()
        deadline, held = loop.time() + wait, False
        while True:
            self._go_on()
            # Before the journal is read, not after: an end that came meanwhile must not be forgotten.
            self._news.clear()
            wanted = await self._gather(subscription, limit)
            if wanted is None:
                return await self._gap(subscription)
            if wanted or loop.time() >= deadline:
                return Answer(opening=opening, entries=wanted, cursor=self._cursor(subscription), held=held)
            alone = not subscription.project.channel.shares(subscription.key)
            # It stands at the end, and nothing was awaited since it looked.
            held = join(self.engine, subscription, alone=alone)
            await self._wait(deadline - loop.time())
            step_back(subscription)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return
        self._go_on()

    def _go_on(self) -> None:
        """Raise Refused if somebody has ended this poll."""
        if self._ended is not None:
            raise self._ended

    async def _gather(self, subscription: Subscription, limit: int) -> list[Entry] | None:
        """Return the next wanted entries, up to one answer, and move on; None when some are gone."""
        found: list[Entry] = []
        while not found:
            if why_not_whole(self.engine, subscription):
                return None
            before = subscription.passed
            entries = await read(self.engine, subscription, alone=True)
            if entries is None:
                return None
            if not entries and subscription.passed == before:
                break
            if entries:
                found, looked_at = cut(entries, subscription.selection, messages=limit)
                last = entries[looked_at - 1]
                subscription.passed = Passed(last.place, last.cursor)
        return found

    async def _gap(self, subscription: Subscription) -> Answer:
        verdict = Verdict("gap", why_not_whole(self.engine, subscription) or "below_floor")
        subscription.gap = ""
        opening = await open_subscription(
            self.engine, subscription, after=None, tail=self.engine.limits.tail, verdict=verdict
        )
        return Answer(opening=opening, entries=list(opening.entries), cursor=subscription.passed.cursor, held=False)

    def _cursor(self, subscription: Subscription) -> str:
        """Return the log's head when nothing of the project is waiting, so that an idle viewer moves on, too."""
        timeline = subscription.project.timeline
        if timeline.index_after(subscription.passed.place) == timeline.end:
            return self.engine.log.head_cursor()
        return subscription.passed.cursor


def step_back(subscription: Subscription) -> None:
    """Leave the live viewers with what they have passed; one that was woken has left them already."""
    if subscription.live:
        group = subscription.project.channel.group_of(subscription)
        subscription.fall_behind(subscription.passed if group is None else group.passed)
