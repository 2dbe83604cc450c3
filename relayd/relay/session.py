"""
One streaming connection from its first word to its end.

Everyone who wants an end calls `close`; the first reason stands; nobody else closes sockets.  An idle session
owns no task: the transport's handler is the only one, a second runs only while something is behind.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from msgspec import Struct

from relayd.core.channel import Passed
from relayd.core.floor import Verdict
from relayd.core.pacing import TokenBucket
from relayd.ports import Encoding, JournalError, Wire
from relayd.protocol import codec
from relayd.protocol.commands import Selection
from relayd.protocol.disconnect import Disconnect
from relayd.protocol.messages import Notice
from relayd.relay.admission import Admission, Grant, Handshake
from relayd.relay.bundle import Bundle
from relayd.relay.catchup import StuckError, catch_up, drained, write_entries
from relayd.relay.engine import Engine
from relayd.relay.expiry import Expiry
from relayd.relay.opening import Opening, established, open_subscription, words
from relayd.relay.refusal import Refused
from relayd.relay.subscription import Subscription, Watched, refuse_beyond
from relayd.relay.view import SharedView

__all__ = ["Ending", "Session"]


class Ending(Struct, frozen=True):
    """Why a connection ended."""

    disconnect: Disconnect
    sentence: str
    retry_after_ms: int


class Start(Struct, frozen=True):
    """What a new subscription asked for; `verdict` is what its cursor is worth."""

    after: str | None
    tail: int
    verdict: Verdict | None


class Session:
    """The subscriptions of one socket and its way to the end."""

    def __init__(self, engine: Engine, grant: Grant, wire: Wire, *, many: bool) -> None:
        """Begin for a viewer that was let in; with `many` it may subscribe to several projects."""
        self.engine = engine
        self.grant = grant
        self.wire = wire
        self.push = wire.push
        """Write now, or refuse and write nothing; the wire's own, so that a frame takes no detour."""
        self.many = many
        self.subscriptions: dict[str, Subscription] = {}
        self.ended: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self.unanswered = 0
        """Signs of life since the viewer was last heard."""
        self.frames_in = 0
        self._inbound = TokenBucket(engine.limits.inbound, engine.clock.monotonic())
        self._bundle = Bundle(engine, wire, many=many)
        self.view: SharedView | None = None
        """What it shows the others of its projects; made when it does: few viewers ever will."""
        self._starts: dict[Subscription, Start] = {}
        self._behind: dict[Subscription, None] = {}
        self._catching: asyncio.Task[None] | None = None
        self._expiry = Expiry(self)
        self._began = engine.clock.monotonic()
        grant.on_evict(self.close)
        self.watch_expiry()

    # -- subscriptions ------------------------------------------------------------------------------------------

    def subscribe(
        self, project: Watched, selection: Selection, *, after: str | None, tail: int, verdict: Verdict | None
    ) -> Subscription:
        """Add a project; what it begins with is written by the catch-up.  A session that has ended takes none."""
        subscription = Subscription(self, project, selection)
        if self.ended.done():
            # Nobody would ever take it off again, and the project would stay in memory for it.
            return subscription
        self.subscriptions[project.id] = subscription
        project.channel.fall(subscription)
        self.engine.rounds.enter(subscription, self.engine.clock.monotonic())
        self._starts[subscription] = Start(after, tail, verdict)
        self.fell_behind(subscription)
        return subscription

    async def begin(self, admission: Admission, asked: Handshake) -> None:
        """Subscribe to the project that the viewer named in its path, if it named one; whatever breaks ends it."""
        with self.net():
            if asked.project_id is not None:
                project = await admission.open(asked.project_id)
                # As at the door: others may have come in meanwhile.
                with admission.reading(self.encoding.transport):
                    refuse_beyond(self.engine.limits.viewers_per_project, project)
                self.subscribe(project, asked.selection, after=asked.after, tail=asked.tail, verdict=self.grant.verdict)

    def unsubscribe(self, project_id: str) -> bool:
        """Take a project off; False if it was not there."""
        subscription = self.subscriptions.pop(project_id, None)
        if subscription is None:
            return False
        if self.view is not None:
            self.view.end(subscription)
        subscription.project.channel.leave(subscription)
        self.engine.rounds.leave(subscription)
        self._bundle.leave(subscription)
        self._behind.pop(subscription, None)
        self._starts.pop(subscription, None)
        return True

    def select(self, subscription: Subscription, selection: Selection) -> str:
        """Change what is wanted from here on and return the cursor from which it holds."""
        group = subscription.project.channel.group_of(subscription)
        if group is not None:
            subscription.fall_behind(group.passed)
        subscription.selection = selection
        return subscription.cursor(self.engine.log)

    # -- as a follower ------------------------------------------------------------------------------------------

    @property
    def encoding(self) -> Encoding:
        """How the viewer reads."""
        return self.wire.encoding

    def stir(self, subscription: Subscription) -> None:
        """Hand news over to the bundle."""
        self._bundle.stir(subscription)

    def fell_behind(self, subscription: Subscription) -> None:
        """Catch up in a task of its own; one for all subscriptions of the socket."""
        self._bundle.leave(subscription)
        self._behind[subscription] = None
        if self._catching is None and not self.ended.done():
            self._catching = asyncio.get_running_loop().create_task(self._catch_up())

    def lose(self, subscription: Subscription, disconnect: Disconnect, sentence: str) -> None:
        """Go on without a project that the viewer may not see any more; a socket for one ends with it."""
        if not self.many:
            self.close(disconnect, sentence)
            return
        self.unsubscribe(subscription.project.id)
        told = Notice(code=disconnect.name, project_id=subscription.project.id, detail=sentence)
        # Whatever the buffer holds: this is no advice, for nothing else will show that no more comes.
        self.wire.write(self.encoding.say(msgspec.json.encode(told)))

    async def _catch_up(self) -> None:
        try:
            with self.net():
                slow = not self._starts and self.wire.buffered() > 0
                await drained(self.wire, self.engine.limits.stuck_seconds)
                if slow:
                    # Not before: one that is gone, or takes nothing more, has an ending instead.
                    self.engine.observer.fell_behind(self.encoding.transport)
                if not self._starts:
                    # A whole group may have fallen behind at once; who has just been admitted has waited before.
                    await self.engine.turnstile.enter()
                while self._behind:
                    subscription = next(iter(self._behind))
                    await self._bring_back(subscription)
                    self._behind.pop(subscription, None)
        finally:
            self._catching = None

    async def _bring_back(self, subscription: Subscription) -> None:
        start = self._starts.pop(subscription, None)
        opening: Opening | None = None
        if start is not None:
            opening = await open_subscription(
                self.engine, subscription, after=start.after, tail=start.tail, verdict=start.verdict
            )
        while subscription in self._behind:
            if opening is not None:
                await self._open(subscription, opening)
            opening = await catch_up(self.engine, subscription, self.wire, many=self.many)
            if opening is None:
                return

    async def _open(self, subscription: Subscription, opening: Opening) -> None:
        passed, project_id = subscription.passed, subscription.project.id
        # Not yet what lies behind the tail: a viewer that left now would never come back for it.
        subscription.passed = Passed(passed.place, opening.cursor)
        first = established(
            self.engine,
            opening,
            project_id=project_id,
            connection_id=self.grant.connection_id,
            expires_at=self.grant.viewer.expires_at,
        )
        self.wire.write(self.encoding.say(codec.encode(first), opening.cursor))
        for message in words(self.engine, subscription, opening):
            self.wire.write(self.encoding.say(codec.encode(message)))
        await drained(self.wire, self.engine.limits.stuck_seconds)
        await write_entries(self.engine, subscription, opening.entries, self.wire, many=self.many)
        # The tail ends where the opening was taken, even if its last entries were not wanted.
        subscription.passed = passed

    def age(self) -> float:
        """Return for how many seconds the viewer has been here."""
        return self.engine.clock.monotonic() - self._began

    # -- signs of life ------------------------------------------------------------------------------------------

    def count_frame(self) -> bool:
        """Count a frame from the viewer, whatever it is; False when there are too many of them."""
        self.unanswered = 0
        self.frames_in += 1
        if self._inbound.take(self.engine.clock.monotonic()):
            return True
        rate = int(self.engine.limits.inbound.rate)
        self.close(Disconnect.RATE_EXCEEDED, f"more than {rate} frames in a second; send fewer")
        return False

    def beat(self) -> bool:
        """Send a sign of life that tells the cursor where it can; False if the buffer is full."""
        sent = self.wire.push(self.encoding.beat(self.cursor()))
        if sent and self.wire.answers:
            self.unanswered += 1
        return sent

    def cursor(self) -> str:
        """Return what the viewer has passed, empty when it watches many projects or none."""
        if self.many or not self.subscriptions:
            return ""
        return next(iter(self.subscriptions.values())).cursor(self.engine.log)

    def notice(self, notice: Notice) -> None:
        """Tell a modern viewer something beside the log; a full buffer loses it, for it is advice only."""
        if self.encoding.modern:
            self.wire.push(self.encoding.say(msgspec.json.encode(notice)))

    def watch_expiry(self) -> None:
        """Go by the token that the grant has now; one that has ended watches nothing any more."""
        if not self.ended.done():
            self._expiry.watch()

    # -- the end ------------------------------------------------------------------------------------------------

    @contextmanager
    def net(self) -> Iterator[None]:
        """Turn whatever breaks while serving this viewer into its ending; the others go on."""
        try:
            yield
        except StuckError:
            self.close(Disconnect.STUCK, "the socket took no byte with data waiting; come back with your cursor")
        except ConnectionError:
            self.close(Disconnect.NORMAL, "the viewer is gone")
        except Refused as refused:
            self.close(refused.disconnect, refused.sentence, refused.retry_after_ms)
        except JournalError as error:
            self.engine.observer.journal_failed(error)
            self.close(Disconnect.OVERLOADED, "the relay can't read its journal; come back with your cursor")
        except Exception as error:  # noqa: BLE001  # the net for one broken session
            incident = self.engine.observer.failed("session", error)
            self.close(Disconnect.SERVER_ERROR, f"a fault of ours, incident {incident}")

    def close(self, disconnect: Disconnect, sentence: str = "", retry_after_ms: int | None = None) -> None:
        """End the connection; the first reason stands, and the place is free before anything is awaited."""
        if self.ended.done():
            return
        self.grant.release()
        for project_id in list(self.subscriptions):
            self.unsubscribe(project_id)
        if self._catching is not None:
            self._catching.cancel()
        self._expiry.cancel()
        retry = disconnect.retry_after_ms if retry_after_ms is None else retry_after_ms
        self.ended.set_result(Ending(disconnect, sentence or disconnect.label.replace("_", " "), retry))
        self.engine.observer.disconnected(self._summary(), disconnect)

    async def farewell(self) -> None:
        """Tell the viewer why it has ended, as far as it still listens; raises nothing."""
        ending = self.ended.result()
        await self.wire.close(ending.disconnect, ending.sentence, ending.retry_after_ms)

    def _summary(self) -> dict[str, Any]:
        return {
            "connection_id": self.grant.connection_id,
            "transport": self.encoding.transport,
            "user": self.grant.viewer.user,
            "project_id": self.grant.project_id,
            "remote": self.grant.remote,
            "seconds": round(self.age(), 3),
            "frames_in": self.frames_in,
        }
