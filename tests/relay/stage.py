"""The words in which tests of the relay speak: a swarm says, viewers hear, leave and come back."""

import asyncio
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

import msgspec

from relayd.core.access import Viewer
from relayd.core.liveness import Thresholds
from relayd.core.log import Log
from relayd.core.staging import Staging
from relayd.core.timeline import Entry
from relayd.dialects.delivery import Item
from relayd.identity.tickets import TicketSealer
from relayd.ports import Floor, Kept, Rejected
from relayd.presence.memory import MemoryPresence
from relayd.presence.once import MemoryOneUse
from relayd.protocol.cursor import Place, fingerprint
from relayd.protocol.disconnect import Disconnect
from relayd.protocol.messages import Message, ProjectProgress, WorkflowLog
from relayd.relay.admission import Admission, Grant, Handshake
from relayd.relay.copies import Copies
from relayd.relay.engine import Engine
from relayd.relay.fanout import Fanout
from relayd.relay.forgetting import Forgetting
from relayd.relay.freshness import Freshness
from relayd.relay.hearing import hear
from relayd.relay.keeper import Keeper
from relayd.relay.limits import Limits
from relayd.relay.lobby import Lobby
from relayd.relay.mender import Mender
from relayd.relay.past import Past
from relayd.relay.poll import Answer, Poll
from relayd.relay.session import Session
from relayd.relay.subscription import Subscription, WatchedLog
from relayd.relay.tickets import Tickets
from relayd.relay.trouble import Trouble
from relayd.relay.turnstile import Turnstile
from relayd.relay.vigil import Vigil
from relayd.testing.journal import FakeJournal
from relayd.testing.sources import FakeSource
from relayd.testing.viewers import FakeAuthorizer, FakeEncoding, FakeVerifier, FakeWire
from relayd.testing.world import FakeClock, HandLoop, RecordingObserver, settle

__all__ = ["Relay", "SlowJournal", "Watcher", "assert_hears", "assert_leaves", "line", "poison", "progress"]

P = "p"
"""The project of tests that need only one."""

POLL = FakeEncoding(transport="longpoll")


def line(text: str, project_id: str = P, *, level: str = "info", agent: str | None = None) -> WorkflowLog:
    """Return a log line that a worker publishes."""
    return WorkflowLog(project_id=project_id, timestamp=1.0, level=level, message=text, agent=agent)  # type: ignore[arg-type]


def progress(percent: int, project_id: str = P) -> ProjectProgress:
    """Return how far a project is."""
    return ProjectProgress(project_id=project_id, timestamp=1.0, progress=percent, message=f"{percent} %")


def poison(detail: str = "the body is no JSON: send an object") -> Rejected:
    """Return an event that nobody understands."""
    return Rejected(
        cursor="c",
        place=Place(0, 0),
        reason="not_json",
        detail=detail,
        headers={},
        body=b"{",
        received_at=1.0,
    )


class SlowJournal(FakeJournal):
    """
    A journal that answers a read only when the test says so, as it was when the answer was made.

    Set `hangs` and whoever loads a project or drops what is old waits for it.
    """

    def __init__(self, **limits: int) -> None:
        super().__init__(**limits)
        self.hangs: asyncio.Event | None = None
        self.before_read: asyncio.Event | None = None
        self.after_read: asyncio.Event | None = None
        self.reads = 0

    async def read(
        self,
        project_id: str,
        *,
        after: Place | None = None,
        before: Place | None = None,
        limit: int,
        newest: bool = False,
    ) -> Sequence[Entry]:
        self.reads += 1
        if self.before_read is not None:
            await self.before_read.wait()
        found = await super().read(project_id, after=after, before=before, limit=limit, newest=newest)
        if self.after_read is not None:
            await self.after_read.wait()
        return found

    async def load(self, project_id: str, *, newest: int) -> Kept | None:
        if self.hangs is not None:
            await self.hangs.wait()
        return await super().load(project_id, newest=newest)

    async def retain(self, now: float) -> Mapping[str | None, Floor]:
        if self.hangs is not None:
            await self.hangs.wait()
        return await super().retain(now)


class Relay:
    """A relay, its swarm and its viewers."""

    def __init__(self, source: FakeSource, journal: FakeJournal | None, limits: Limits) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, HandLoop)
        self.clock: FakeClock = loop.clock
        self.observer = RecordingObserver()
        self.source = source
        self.journal = journal
        self.log: WatchedLog = Log(source.log)
        self.trouble = Trouble(self.observer, self.clock)
        self.past = Past(
            self.log,
            journal,
            trouble=self.trouble,
            observer=self.observer,
            newest=limits.timeline_events,
            patience=limits.journal_patience_seconds,
        )
        self.presence = MemoryPresence(limits.connections_per_user)
        self.authorizer = FakeAuthorizer()
        self.verifier = FakeVerifier()
        self.fanout = Fanout(self.log, observer=self.observer, clock=self.clock, limits=limits)
        self.engine = Engine(
            log=self.log,
            past=self.past,
            fanout=self.fanout,
            source=source,
            presence=self.presence,
            verifier=self.verifier,
            authorizers=[self.authorizer],
            observer=self.observer,
            clock=self.clock,
            limits=limits,
            turnstile=Turnstile(),
            copies=Copies(),
            freshness=(freshness := Freshness(source, self.log, self.clock)),
            vigil=Vigil(self.log, freshness, self.clock, Thresholds()),
        )
        told: Any = {"replays": source.replays, "observer": self.observer, "clock": self.clock, "trouble": self.trouble}
        self.keeper = Keeper(self.past, limits=limits, **told)
        self.mender = Mender(source.log, self.past, self.keeper, **told)
        del told["trouble"]
        self.forgetting = Forgetting(self.past, self.keeper, limits=limits, **told)
        self.sealer = TicketSealer(b"k" * 32)
        self.admission = Admission(self.engine, Tickets(self.sealer, MemoryOneUse(), self.clock))
        self.lobby = Lobby(self.engine)
        self.watchers: list[Watcher] = []
        self.strain = b""
        """Tells the bodies of this log from those of another one that stood in its place."""
        self._offset = 0

    @classmethod
    async def begin(
        cls,
        *,
        source: FakeSource | None = None,
        journal: FakeJournal | None = None,
        journaled: bool = True,
        **limits: Any,  # noqa: ANN401  # the fields of `Limits`
    ) -> "Relay":
        """Open a relay; with a journal that was used before it goes on where that one left off."""
        if journal is None and journaled:
            journal = SlowJournal()
        relay = cls(source or FakeSource(), journal, Limits(**limits))
        await relay.mender.begin()
        position = relay.keeper.position
        relay._offset = 0 if position is None else position.offset + 1
        return relay

    async def end(self) -> None:
        """Let all viewers go."""
        for watcher in self.watchers:
            watcher.session.close(Disconnect.NORMAL)
        await settle()
        if self.journal is not None:
            await self.journal.close()

    # -- the swarm ----------------------------------------------------------------------------------------------

    def stage(self, *messages: Message, names: Sequence[str | None] = ()) -> Staging:
        """Return one body with these messages, as intake would stage it; `names` are the ids of the first of them."""
        staging = self.log.stage()
        mark = fingerprint(self.log.identity, None, b"%d:%d%s" % (self.log.epoch, self._offset, self.strain))
        said = [Item(messages=[message], message_id=name) for message, name in zip_longest(messages, names) if message]
        staging.add(self._offset, mark, self.clock.now(), said)
        self._offset += 1
        return staging

    def says(self, *messages: Message | str, names: Sequence[str | None] = ()) -> list[Entry]:
        """Record one body, serve the viewers, and return its entries; nothing awaits, as in intake."""
        staging = self.stage(
            *(line(message) if isinstance(message, str) else message for message in messages), names=names
        )
        self.records(staging)
        return [entry for body in staging.bodies for _, entry in body.entries]

    def records(self, staging: Staging) -> None:
        """Make a staged body part of the log and serve the viewers."""
        spending = self.engine.spending
        before = spending.look(staging, self.log)
        touched = self.log.apply(staging)
        news = spending.since(before, self.log, freshness=self.engine.freshness, clock=self.clock)
        self.keeper.keep(staging, [], touched)
        self.fanout.flush(touched)
        spending.tell(news, observer=self.observer, clock=self.clock, fanout=self.fanout)
        limits = self.engine.limits
        self.log.trim(touched, events=limits.timeline_events, nbytes=limits.timeline_bytes)

    def skips(self, offsets: int) -> None:
        """Leave a hole in the offsets."""
        self._offset += offsets

    def breaks(self, cause: Any) -> None:  # noqa: ANN401  # the literal of `LogBreak`
        """Let the log have a hole, or be made anew."""
        self.keeper.raise_floor(self.log.break_(cause))
        if cause == "recreated":
            self._offset = 0
        self.fanout.give_up_all(cause)

    async def commits(self) -> None:
        """Write what is pending, and let memory keep only what the bounds let it."""
        await self.keeper.flush()

    async def forgets(self, entry: Entry, project_id: str = P) -> None:
        """Raise a project's floor as retention does."""
        self.log.raise_floor(project_id, floor_at(entry))

    # -- viewers ------------------------------------------------------------------------------------------------

    def viewer(self, user: str, *, seconds: float = 1e6) -> str:
        """Return a token of a user that is good for so long."""
        self.verifier.tokens[user] = Viewer(user=user, expires_at=self.clock.now() + seconds)
        return user

    def asks(self, project_id: str | None = P, *, user: str = "", **wishes: Any) -> Handshake:  # noqa: ANN401  # fields of `Handshake`
        """Return what a stranger asks for; without a name it is somebody new."""
        user = user or f"user-{len(self.verifier.tokens)}"
        if user not in self.verifier.tokens:
            self.viewer(user)
        return Handshake(**{"transport": "fake", "project_id": project_id, "token": user, "tail": 100, **wishes})

    async def watches(
        self,
        project_id: str | None = P,
        *,
        legacy: bool = False,
        wire: FakeWire | None = None,
        turns: int = 20,
        **wishes: Any,  # noqa: ANN401  # fields of `Handshake`
    ) -> "Watcher":
        """Let a viewer in and give it a few turns; without a project it is a socket for many."""
        asked = self.asks(project_id, **wishes)
        grant = await self.admission.admit(asked)
        wire = wire or FakeWire(FakeEncoding(legacy=legacy))
        session = Session(self.engine, grant, wire, many=project_id is None)
        self.lobby.enter(session)
        watcher = Watcher(self, session, wire)
        self.watchers.append(watcher)
        if project_id is not None:
            project = await self.admission.open(project_id)
            session.subscribe(project, asked.selection, after=asked.after, tail=asked.tail, verdict=grant.verdict)
        await settle(turns)
        return watcher

    async def watches_by(self, grant: Grant, asked: Handshake) -> "Watcher":
        """Let in a viewer that admission has let by, as a transport does, and give it a few turns."""
        wire = FakeWire(FakeEncoding())
        watcher = Watcher(self, Session(self.engine, grant, wire, many=False), wire)
        self.lobby.enter(watcher.session)
        self.watchers.append(watcher)
        await watcher.session.begin(self.admission, asked)
        await settle(20)
        return watcher

    async def polls(self, *, wait: float = 0, limit: int = 256, **wishes: Any) -> Answer:  # noqa: ANN401  # fields of `Handshake`
        """Return the answer to one long poll."""
        asked = self.asks(**wishes)
        grant = await self.admission.admit(asked)
        try:
            return await Poll(self.engine, grant, POLL).answer(self.admission, asked, wait=wait, limit=limit)
        finally:
            grant.release()


class Watcher:
    """A viewer with a streaming connection, and what it has heard."""

    def __init__(self, relay: Relay, session: Session, wire: FakeWire) -> None:
        self.relay = relay
        self.session = session
        self.wire = wire
        self._heard = 0

    async def says(self, command: object) -> None:
        """Send a text frame."""
        text = command if isinstance(command, str) else msgspec.json.encode(command).decode()
        work = hear(self.session, self.relay.admission, text)
        if work is not None:
            await work
        await settle(20)

    def frames(self) -> list[dict[str, Any]]:
        """Return every frame, a legacy one for each message."""
        return [
            {"type": "text", "text": part.decode()} if part == b"pong" else msgspec.json.decode(part)
            for payload in self.wire.sent
            for part in payload.split(b"\n")
        ]

    def messages(self) -> list[dict[str, Any]]:
        """Return all messages in the order they came, whatever frame they came in."""
        return [message for frame in self.frames() for message in frame.get("messages", [frame])]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return the messages of a type."""
        return [message for message in self.messages() if message["type"] == kind]

    def openings(self) -> list[str]:
        """Return how each opening said its replay went."""
        return [message["replay"] for message in self.of("connection_established")]

    def codes(self) -> list[str]:
        """Return the codes of all notices."""
        return [message["code"] for message in self.of("notice")]

    def texts(self) -> list[str]:
        """Return the texts of all lines of log."""
        return [message["message"] for message in self.of("workflow_log")]

    def news(self) -> list[str]:
        """Return the texts of the lines of log that came since last asked."""
        texts = self.texts()
        new, self._heard = texts[self._heard :], len(texts)
        return new

    @property
    def cursor(self) -> str:
        """What a front end would resume with: the cursor of the last frame that had one."""
        for frame in reversed(self.frames()):
            cursor = frame.get("cursor") or frame.get("id")
            if cursor:
                return str(cursor)
        raise AssertionError("it has heard no cursor yet")

    @property
    def subscription(self) -> Subscription:
        """Its only, or first, subscription."""
        return next(iter(self.session.subscriptions.values()))

    async def returns(self, **wishes: Any) -> "Watcher":  # noqa: ANN401  # fields of `Handshake`
        """Leave and come back with the cursor."""
        after = self.cursor
        self.session.close(Disconnect.NORMAL)
        return await self.relay.watches(**{"after": after, **wishes})


def floor_at(entry: Entry) -> Floor:
    """Return the floor that retention raises when it drops all up to an entry."""
    return Floor(entry.place)


def assert_hears(viewer: Watcher, *texts: str) -> None:
    """Say that these lines, and no others, came since last asked."""
    assert list(texts) == viewer.news()


def assert_leaves(viewer: Watcher, disconnect: Disconnect) -> None:
    """Say that the viewer's connection has ended, and why."""
    assert viewer.session.ended.done(), "it is still connected"
    assert disconnect is viewer.session.ended.result().disconnect


def assert_stays(viewer: Watcher) -> None:
    """Say that the viewer is still connected."""
    assert not viewer.session.ended.done(), f"it left: {viewer.session.ended.result()}"
