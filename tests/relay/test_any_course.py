"""
Whatever happens in whatever order: each viewer hears exactly what it wants, in order, or is told a gap.

A model of the whole log stands beside the relay.  What a viewer heard falls into stretches, each begun by an opening;
within a stretch nothing is missing, repeated or out of order, and the last one reaches the end of the log.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from relayd.core.pacing import Pace
from relayd.core.selection import select
from relayd.core.timeline import Entry, Timeline
from relayd.ports import JournalDamaged, JournalError
from relayd.protocol.commands import EVERYTHING, Selection
from relayd.protocol.cursor import Place, decode
from relayd.protocol.disconnect import Disconnect
from relayd.relay.purging import NotThere, Purging
from relayd.relay.session import Session
from relayd.testing.journal_purging import FakePurgeBook
from relayd.testing.viewers import FakeEncoding, FakeWire
from relayd.testing.world import HandLoop, settle
from tests.relay.stage import Relay, SlowJournal, Watcher, line

PROJECTS = ("p", "q")
SELECTIONS = (EVERYTHING, Selection(level="error"), Selection(q="7"))
FULL = JournalError("the disk is full")
ROT = JournalDamaged("it is rotten")
LIMITS: dict[str, Any] = {
    "timeline_events": 6,
    "timeline_bytes": 2_500,
    "max_backlog": 30,
    "tail": 3,
    "outbound": Pace(rate=20, burst=2),
    "stuck_seconds": 1e9,
}

VIEWER = st.integers(0, 5)
NEWCOMER = st.tuples(
    st.sampled_from(("one", "one", "legacy", "many", "poll")), st.sampled_from(SELECTIONS), st.integers(0, 4)
)
SAY = st.tuples(st.just("say"), st.lists(st.tuples(st.sampled_from("ppq"), st.booleans()), min_size=1, max_size=6))
TURN = st.tuples(st.just("turn"), st.sampled_from((1, 2, 3, 5, 30)))
ACTIONS = st.lists(
    st.one_of(
        # Named more than once: what happens most.
        SAY,
        SAY,
        SAY,
        TURN,
        TURN,
        st.tuples(st.just("burst"), st.integers(10, 45)),
        st.tuples(st.just("watch"), NEWCOMER),
        st.tuples(st.just("fill"), VIEWER),
        st.tuples(st.just("clog"), VIEWER),
        st.tuples(st.just("take"), VIEWER),
        st.tuples(st.just("pass"), st.sampled_from((0.01, 0.05, 0.2, 1.0))),
        st.tuples(st.just("commit"), st.none()),
        st.tuples(st.just("retain"), st.none()),
        st.tuples(st.just("filter"), st.tuples(VIEWER, st.sampled_from(SELECTIONS))),
        st.tuples(st.just("beat"), VIEWER),
        st.tuples(st.just("return"), VIEWER),
        st.tuples(st.just("hold"), st.booleans()),
        st.tuples(st.just("break"), st.sampled_from(("truncated", "recreated"))),
        st.tuples(st.just("full"), st.booleans()),
        st.tuples(st.just("mend"), st.none()),
        st.tuples(st.just("rot"), st.none()),
        st.tuples(st.just("blind"), st.booleans()),
        st.tuples(st.just("purge"), st.tuples(st.sampled_from(PROJECTS), st.none() | st.integers(0, 60))),
    ),
    min_size=10,
    max_size=60,
)


class Model:
    """All that the swarm ever said, by project."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.said: dict[str, list[Entry]] = {project: [] for project in PROJECTS}
        self.breaks = 0
        self.spoke = True
        """Something was said since the last break."""
        self.broken: dict[str, int] = {}
        """How often the log had been broken when an event was said, by cursor."""
        self.purged: set[str] = set()
        """Cursors of events that were removed for good."""
        self.book = FakePurgeBook()
        self._epochs: dict[bytes, int] = {}
        self._number = 0

    def say(self, events: Iterable[tuple[str, bool]]) -> None:
        """Let the swarm say one body."""
        self.spoke = True
        lines = []
        for project, bad in events:
            lines.append(line(str(self._number), project, level="error" if bad else "info"))
            self._number += 1
        # Before the viewers hear it: what is written during the flush was said by then.
        staged = self.relay.stage(*lines)
        for body in staged.bodies:
            self._epochs[body.fingerprint] = staged.epoch
            for message, entry in body.entries:
                self.said[message.project_id].append(entry)
                self.broken[entry.cursor] = self.breaks
        self.relay.records(staged)

    async def purge(self, project: str, number: int | None) -> None:
        """Have an event removed, counted from the newest, or all that a project said so far."""
        said = self.said[project]
        if not said:
            return
        purging = Purging(self.relay.engine, self.relay.keeper, self.book)
        gone = said if number is None else [said[-1 - number % len(said)]]
        try:
            if number is None:
                await purging.project(project)
            else:
                await purging.event(gone[0].cursor)
        except NotThere:
            timeline = self.relay.log.projects[project].timeline if project in self.relay.log.projects else Timeline()
            held = {one.cursor for one in timeline.slice(timeline.base, timeline.end)}
            assert not held & {one.cursor for one in gone}, "it is there"
            return
        except JournalError:
            # In the middle or before it began: memory tells which.
            gone = [one for one in gone if self.relay.log.purges.hides(one.place, project)]
        self.purged |= {one.cursor for one in gone}

    def count(self, project: str) -> int:
        """Return how much a project has said."""
        return len(self.said[project])

    def place(self, cursor: str) -> Place | None:
        """Return the place of a cursor of this log; None for one that stands nowhere in it."""
        if not cursor or cursor == "0":
            return None
        decoded = decode(cursor)
        epoch = self._epochs.get(decoded.fingerprint)
        return None if epoch is None else decoded.place(epoch)


class Stretch:
    """What a viewer heard of one project since it was told where it stands."""

    def __init__(self, model: Model, project: str, selection: Selection, *, after: Place | None, count: int) -> None:
        self.model = model
        self.project = project
        self.wishes: list[tuple[Place | None, Selection]] = [(None, selection)]
        self.after = after
        """It resumed from there; None: it began with a tail, written when so much had been said."""
        self.count = count
        self.heard: list[str] = []
        self._breaks = model.breaks

    def wanted(self) -> list[Entry]:
        """Return all events of the project that the selections let pass and that were not removed before it heard."""
        kept: list[Entry] = []
        gone = self.model.purged - {*self.heard}
        for entry in self.model.said[self.project]:
            if entry.cursor in gone:
                continue
            selection = [wish for place, wish in self.wishes if place is None or entry.place > place][-1]
            kept += select(selection, [entry])
        return kept

    def due(self) -> list[str]:
        """Return what should have been heard by the end of the log."""
        wanted, said = self.wanted(), self.model.said[self.project]
        if self.after is not None:
            return [entry.cursor for entry in wanted if entry.place > self.after]
        late = [entry.cursor for entry in wanted if entry in said[self.count :]]
        if not self.heard:
            return late
        cursors = [entry.cursor for entry in wanted]
        assert self.heard[0] in cursors, "it heard what it did not want"
        due = cursors[cursors.index(self.heard[0]) :]
        assert len(due) >= len(late), "events behind the opening are missing"
        return due

    def check(self, *, ended: bool, cursor: Place | None = None) -> None:
        """Fail where something is missing, repeated or out of order; `cursor` is what the viewer was told last."""
        due = self.due()
        assert self.heard == due[: len(self.heard)]
        assert not self.heard or self.model.broken[self.heard[-1]] <= self._breaks, "nobody told it of the hole"
        if not ended:
            assert self.heard == due, "it is not at the end of the log"
        if cursor is not None:
            places = {entry.cursor: entry.place for entry in self.model.said[self.project]}
            unheard = [one for one in due[len(self.heard) :] if places[one] <= cursor]
            assert [] == unheard, "its cursor is ahead of what it heard"


class Ear:
    """One viewer of the course, through all its connections."""

    def __init__(self, model: Model, kind: str, selection: Selection, tail: int) -> None:
        self.model = model
        self.kind = kind
        self.selection = selection
        self.tail = tail
        self.stretches: dict[str, list[Stretch]] = {project: [] for project in PROJECTS}
        self.cursors: dict[str, str] = {}
        self.watcher: Watcher | None = None
        self.wire: FakeWire | None = None
        self.poll: asyncio.Task[None] | None = None
        self.closing = False
        self.clogs = False
        """With the next bytes its buffer fills up, so that it is drained from there, but takes pushes still."""
        self._resumed: dict[str, str] = {}

    @property
    def projects(self) -> Sequence[str]:
        """Return what it watches."""
        return PROJECTS if self.kind == "many" else PROJECTS[:1]

    async def come(self) -> None:
        """Connect, with the cursors there are."""
        relay = self.model.relay
        if self.kind == "poll":
            self.poll = asyncio.create_task(self._poll())
            return
        asked = relay.asks(None if self.kind == "many" else "p")
        grant = await relay.admission.admit(asked)
        self.wire = FakeWire(FakeEncoding(legacy=self.kind == "legacy"))
        session = Session(relay.engine, grant, self.wire, many=self.kind == "many")
        self.watcher = watcher = Watcher(relay, session, self.wire)
        self.wire.on_write = self._hear
        self._resumed = dict(self.cursors)
        for project_id in self.projects:
            after = self.cursors.get(project_id)
            verdict = await relay.admission.judge(project_id, after)
            project = await relay.admission.open(project_id)
            watcher.session.subscribe(project, self.selection, after=after, tail=self.tail, verdict=verdict)

    def _hear(self, payload: bytes) -> None:
        assert self.watcher is not None
        assert self.wire is not None
        if self.clogs:
            self.clogs = False
            self.wire.fill()
            self.wire.take(60_000)
        for part in payload.split(b"\n"):
            heard = Watcher(self.model.relay, self.watcher.session, FakeWire())
            heard.wire.sent.append(part)
            (frame,) = heard.frames()
            for message in frame.get("messages", [frame]):
                self._note(message)
            self._move(frame)
        for project in self.projects:
            for stretch in self.stretches[project][-1:]:
                stretch.check(ended=True, cursor=self.model.place(self.cursors.get(project, "")))

    def _note(self, message: Mapping[str, Any]) -> None:
        project = message.get("project_id", "p")
        if message["type"] == "connection_established":
            resumed = self._resumed.get(project) if message["replay"] == "resume" else None
            self.begin(project, resumed)
            self.cursors[project] = message["cursor"]
        elif message["type"] == "workflow_log":
            assert message["id"] not in self.model.purged, "it was removed"
            self.stretches[project][-1].heard.append(message["id"])

    def _move(self, frame: Mapping[str, Any]) -> None:
        if self.kind == "many":
            self.cursors |= frame.get("cursors", {})
        elif cursor := frame.get("cursor") or frame.get("id"):
            self.cursors["p"] = cursor

    def begin(self, project: str, resumed: str | None) -> None:
        """Note an opening; the stretch before it is whole up to here."""
        for stretch in self.stretches[project][-1:]:
            stretch.check(ended=True)
        after = None if resumed is None else self.model.place(resumed) or Place(-1, -1, -1, -1)
        self.stretches[project].append(
            Stretch(self.model, project, self.selection, after=after, count=self.model.count(project))
        )

    def filter(self, selection: Selection) -> None:
        """Change what it wants, if it is live; on the way there is tested elsewhere."""
        if self.watcher is None or self.watcher.session.ended.done() or self.kind == "legacy":
            return
        session = self.watcher.session
        if self.wire is None or self.wire.buffered():
            return
        if not all(subscription.live for subscription in session.subscriptions.values()):
            return
        self.selection = selection
        for project, subscription in session.subscriptions.items():
            session.select(subscription, selection)
            self.stretches[project][-1].wishes.append((subscription.passed.place, selection))

    async def leave_and_come_back(self) -> None:
        """Reconnect with what it was told last."""
        if self.watcher is None or self.wire is None:
            return
        self.watcher.session.close(Disconnect.NORMAL)
        self.wire.leave()
        for project, stretches in self.stretches.items():
            for stretch in stretches[-1:]:
                stretch.check(ended=True, cursor=self.model.place(self.cursors.get(project, "")))
        await self.come()

    async def _poll(self) -> None:
        while not self.closing:
            after = self.cursors.get("p")
            answer = await self.model.relay.polls(
                after=after, wait=0.5, limit=5, tail=self.tail, selection=self.selection
            )
            if answer.opening.replay != "resume":
                self.begin("p", None)
            elif not self.stretches["p"]:
                self.begin("p", after)
            stretch = self.stretches["p"][-1]
            assert not self.model.purged & {entry.cursor for entry in answer.entries}, "it was removed"
            stretch.heard += [entry.cursor for entry in answer.entries]
            self.cursors["p"] = answer.cursor
            stretch.check(ended=True, cursor=self.model.place(answer.cursor))
            if answer.opening.replay == "gap":
                # A log that was made anew and is empty still has no cursor that is whole; a client paces itself.
                await asyncio.sleep(1)

    async def end(self) -> None:
        """Check that it has come to the end of the log, and leave."""
        if self.poll is not None:
            self.closing = True
            await self.poll
        for project in self.projects:
            assert self.stretches[project], "it was never opened"
            stretch = self.stretches[project][-1]
            stretch.check(ended=False, cursor=self.model.place(self.cursors[project]))
        if self.watcher is not None:
            ended = self.watcher.session.ended
            assert not ended.done(), ended
            self.watcher.session.close(Disconnect.NORMAL)


async def course(first: Sequence[Any], actions: Sequence[tuple[str, Any]], *, crowded: bool) -> None:
    """Go through the actions and fail where a viewer heard what it should not, or did not hear what it should."""
    journal = SlowJournal(max_events_per_project=12)
    relay = await Relay.begin(journal=journal, **LIMITS)
    model = Model(relay)
    ears: list[Ear] = []
    if crowded:
        for number in range(32):
            await relay.watches(selection=Selection(q=f"none-{number}"), turns=2)
    for action, value in [*(("watch", newcomer) for newcomer in first), ("turn", 50), *actions]:
        await act(model, ears, action, value)
    release(journal)
    relay.past.reopen()
    for ear in ears:
        ear.clogs = False
        if ear.wire is not None:
            ear.wire.take()
    await asyncio.sleep(120)
    for ear in ears:
        await ear.end()
    await relay.end()
    await settle()
    assert [] == [project for project in relay.log.projects.values() if project.channel]
    assert {asyncio.current_task()} == asyncio.all_tasks()
    assert [] == relay.observer.of("failed")


def release(journal: SlowJournal) -> None:
    """Let all reads of the journal go on."""
    for gate in (journal.before_read, journal.after_read):
        if gate is not None:
            gate.set()
    journal.before_read = journal.after_read = None


async def act(model: Model, ears: list[Ear], action: str, value: Any) -> None:  # noqa: ANN401, C901, PLR0912  # a table of verbs
    """Do one thing."""
    relay, journal = model.relay, model.relay.journal
    assert isinstance(journal, SlowJournal)
    ear = ears[(value[0] if action == "filter" else value) % len(ears)] if ears and action in OF_VIEWERS else None
    match action:
        case "say":
            model.say(value)
        case "burst":
            model.say([("p", number % 5 == 0) for number in range(value)])
        case "watch" if len(ears) < 6:
            ears.append(Ear(model, *value))
            await ears[-1].come()
        case "turn":
            await settle(value)
        case "pass":
            await asyncio.sleep(value)
        case "commit":
            await relay.commits()
        case "retain":
            await relay.past.retain(relay.clock.now())
        case "full" | "mend" | "rot" | "blind":
            await strike(relay, journal, action, value)
        case "purge":
            await model.purge(*value)
        case "hold":
            release(journal)
            if value:
                journal.before_read, journal.after_read = asyncio.Event(), asyncio.Event()
        case "break":
            # Two holes with nothing in between are one, told once.
            model.breaks += model.spoke
            model.spoke = False
            relay.breaks(value)
            relay.skips(3)
    if ear is None:
        return
    match action:
        case "fill" if ear.wire is not None:
            ear.wire.fill()
        case "clog":
            ear.clogs = True
        case "take" if ear.wire is not None:
            ear.wire.take()
        case "beat" if ear.watcher is not None:
            ear.watcher.session.beat()
        case "filter":
            ear.filter(value[1])
        case "return":
            await ear.leave_and_come_back()


async def strike(relay: Relay, journal: SlowJournal, what: str, value: bool | None) -> None:
    """Do something to the journal."""
    if what == "full":
        journal.full = FULL if value else None
    elif what == "blind" and relay.mender._opened:
        (relay.past.close if value else relay.past.reopen)()
    elif what in {"rot", "mend"} and journal.before_read is None:
        # A file is moved away when nobody reads it any more.
        if what == "rot":
            relay.trouble.found(ROT)
        await relay.mender._tried(after=0)


OF_VIEWERS = {"fill", "clog", "take", "beat", "filter", "return"}


@settings(max_examples=100, deadline=None)
@given(st.lists(NEWCOMER, max_size=4), ACTIONS, st.booleans())
def test_everybody_hears_what_it_wants_or_is_told_a_gap(
    first: list[Any], actions: list[tuple[str, Any]], crowded: bool
) -> None:
    """Fresh, resumed, filtered, slow, bundled, legacy and polling viewers, with events at every await."""
    with asyncio.Runner(loop_factory=HandLoop) as runner:
        runner.run(course(first, actions, crowded=crowded))
