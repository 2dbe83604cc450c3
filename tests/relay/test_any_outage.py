"""
Whatever becomes of the journal, in whatever order: what is called whole is whole, before and after every restart.

A stream stands beside the relay, from which it reads again what its journal does not hold.  After each step somebody
comes back with every cursor that was ever given to anybody.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from relayd.core.outage import begin_partial
from relayd.core.timeline import Entry
from relayd.ports import JournalDamaged, JournalError
from relayd.protocol.cursor import BEGINNING, Place
from relayd.relay.subscription import Watched
from relayd.testing.journal import FakeJournal
from relayd.testing.world import HandLoop, settle
from tests.relay.stage import Relay, line

PROJECTS = ("p", "q", "r")
FULL = JournalError("the disk is full")
ROT = JournalDamaged("it is rotten")
LIMITS: dict[str, Any] = {"timeline_events": 4, "timeline_bytes": 3_000, "commit_bytes": 900}
PAGE = 3

Event = tuple[str, int | None]
"""Whose it is, and its id if it has one."""

BODY = st.lists(st.tuples(st.sampled_from("ppqr"), st.none() | st.integers(0, 6)), min_size=1, max_size=4)
STEPS = st.lists(
    st.one_of(
        # Named more than once: what happens most.
        st.tuples(st.just("say"), st.lists(BODY, min_size=1, max_size=4)),
        st.tuples(st.just("say"), st.lists(BODY, min_size=1, max_size=4)),
        st.tuples(st.just("commit"), st.booleans()),
        st.tuples(st.just("commit"), st.booleans()),
        st.tuples(st.just("full"), st.booleans()),
        st.tuples(st.just("hang"), st.booleans()),
        st.tuples(st.just("blind"), st.booleans()),
        st.tuples(st.just("mend"), st.none()),
        st.tuples(st.just("mend"), st.none()),
        st.tuples(st.just("rot"), st.none()),
        st.tuples(st.just("retain"), st.none()),
        st.tuples(st.just("unload"), st.integers(0, 2)),
        st.tuples(st.just("begin again"), st.sampled_from(("killed", "killed", "stopped"))),
        st.tuples(st.just("made anew"), st.none()),
        st.tuples(st.just("retention passes"), st.none()),
    ),
    min_size=8,
    max_size=40,
)


class Told(Struct, frozen=True):
    """A body of the stream, what the relay made of it, and the first that was there then."""

    offset: int
    events: Sequence[Event]
    entries: Sequence[tuple[str, Entry]]


class World:
    """A stream, a journal, and the relay that reads the one into the other."""

    def __init__(self) -> None:
        self.journal = FakeJournal(max_events_per_project=12)
        self.relay: Relay
        self.stream: list[Told] = []
        self.epoch = 0
        self.offset = 0
        self.cursors: dict[str, set[int]] = {BEGINNING: {0}}
        """Every cursor that was given to anybody, with the epochs it was given in."""
        self.forgotten: set[str] = set()
        """Projects whose states may lack something: more was lost than events."""

    async def begin(self) -> None:
        """Start a relay, and let it read what it has not."""
        self.relay = await Relay.begin(journal=self.journal, **LIMITS)
        log, position = self.relay.log, self.relay.keeper.position
        if position is None:
            # Nothing is remembered: the warm-up covers all of the stream, but what was said before is no more.
            log.epoch = self.epoch
        elif position.epoch != self.epoch:
            while log.epoch < self.epoch:
                self.relay.breaks("recreated")
            position = None
        for told in self.stream:
            if position is None or told.offset > position.offset:
                await self.read(told)

    async def read(self, told: Told) -> None:
        """Let the relay take in a body again, and see that it makes the same of it."""
        entries = await self.take(told.offset, told.events)
        assert [entry.cursor for _, entry in told.entries] == [entry.cursor for _, entry in entries]

    async def take(self, offset: int, events: Sequence[Event]) -> list[tuple[str, Entry]]:
        """Let the relay take in a body, as intake does."""
        log = self.relay.log
        log.pinned = {project for project, _ in events}
        missing = [name for name in log.pinned if name not in log.projects and name in log.shelved]
        try:
            await self.relay.past.open_all(missing)
        except JournalError:
            for name in missing:
                begin_partial(log, name)
        self.relay._offset = offset
        if log.head is None and offset > 0 and log.floor is None:
            self.relay.keeper.raise_floor(log.begin_at(offset))
        lines = [line("x" * 60, project) for project, _ in events]
        staged = self.relay.stage(*lines, names=[None if name is None else f"id {name}" for _, name in events])
        self.relay.records(staged)
        log.pinned = set()
        # What memory lets go of before they are made whole is in no other place.
        self.forgotten |= {project.id for project in log.projects.values() if project.partial and log.loose}
        return [(message.project_id, entry) for body in staged.bodies for message, entry in body.entries]

    async def say(self, events: Sequence[Event]) -> None:
        """Let the swarm say a body."""
        told = Told(self.offset, events, await self.take(self.offset, events))
        self.stream.append(told)
        self.offset += 2
        for cursor in (*(entry.cursor for _, entry in told.entries), self.relay.log.head_cursor()):
            self.cursors.setdefault(cursor, set()).add(self.epoch)

    def missed(self, project: str, place: Place) -> list[str]:
        """Return the cursors of a project's events of this log behind a place."""
        return [entry.cursor for told in self.stream for name, entry in told.entries
                if name == project and entry.place > place]  # fmt: skip

    async def end(self, how: str) -> None:
        """End the relay."""
        self.hang(held=False)
        await settle()
        if how == "stopped":
            await self.relay.mender.end()
        await self.relay.end()
        await settle()

    def hang(self, *, held: bool) -> None:
        """Let transactions hang, or go on."""
        if self.journal.gate is not None:
            self.journal.gate.set()
        self.journal.gate = asyncio.Event() if held else None

    # -- what is true -------------------------------------------------------------------------------------------

    async def check(self) -> None:
        """Come back to each project with every cursor."""
        for name in PROJECTS:
            try:
                project = await self.relay.past.open(name)
            except JournalError:
                assert self.relay.log.blind
                continue
            for cursor, epochs in self.cursors.items():
                await self.comes_back(project, cursor, epochs)
            self.state_is_true(project)

    async def comes_back(self, project: Watched, cursor: str, epochs: set[int]) -> None:
        """Come back with a cursor, and read on to the end."""
        verdict = await self.relay.past.judge(project.id, cursor)
        if verdict.kind != "whole":
            return
        assert verdict.place is not None
        assert cursor == BEGINNING or self.epoch in epochs
        heard = await self.heard(project, verdict.place)
        assert heard is None or self.missed(project.id, verdict.place) == heard

    async def heard(self, project: Watched, place: Place) -> list[str] | None:
        """Return the cursors that a viewer is shown from a place on, None if it is told a gap on its way."""
        timeline, heard = project.timeline, list[str]()
        while (index := timeline.index_after(place)) != timeline.end:
            bottom = timeline.bottom
            if index is not None:
                page: Sequence[Entry] | None = timeline.slice(index, min(index + PAGE, timeline.end))
            else:
                page = await self.relay.past.read(project, place, PAGE)
            if page is None:
                return None
            heard += [entry.cursor for entry in page]
            assert page or bottom is not None
            place = page[-1].place if page else bottom or place
        return heard

    def state_is_true(self, project: Watched) -> None:
        """Each event of this log is counted at least once, and none twice, unless more than events was lost."""
        if project.partial or project.id in self.forgotten or self.epoch:
            return
        count = sum(project.state.counts.values())
        assert Counter(name for told in self.stream for name, _ in told.entries)[project.id] == count


async def course(steps: Sequence[tuple[str, Any]]) -> None:
    """Go through the steps."""
    world = World()
    await world.begin()
    for step, value in steps:
        await take_step(world, step, value)
        await settle()
        await world.check()
    await world.end("killed")
    # However it was left, it comes back as it is meant to be.
    world.journal.full = None
    await world.begin()
    await world.check()
    assert not world.relay.log.loose
    await world.end("stopped")
    assert {asyncio.current_task()} == asyncio.all_tasks()


async def take_step(world: World, step: str, value: Any) -> None:  # noqa: ANN401, C901, PLR0912  # a table of verbs
    """Take one step."""
    relay, log, journal = world.relay, world.relay.log, world.journal
    match step:
        case "say":
            for events in value:
                await world.say(events)
        case "commit":
            await relay.keeper.flush(everything=value)
        case "full":
            journal.full = FULL if value else None
        case "hang":
            world.hang(held=value)
        case "blind" if value:
            relay.past.close()
        case "blind":
            relay.past.reopen()
            await relay.past.mend()
        case "rot":
            world.hang(held=False)
            world.forgotten |= {name for name in log.shelved if name not in log.projects}
            world.forgotten |= {project.id for project in log.projects.values() if project.partial}
            relay.trouble.found(ROT)
            await heals(world)
        case "mend":
            world.hang(held=False)
            if log.blind and relay.trouble.damage is None:
                relay.past.reopen()
            await heals(world)
        case "retain":
            await relay.past.retain(relay.clock.now())
            rows = {name: row.place for name, row in journal._rows.items()}
            world.forgotten |= {name for name, floor in journal._floors.items()
                                if name not in rows or rows[name] < floor.place}  # fmt: skip
        case "unload":
            held = {name: project for name, project in log.projects.items() if project.place is not None}
            log.unload(projects=value)
            gone = [project for name, project in held.items() if name not in log.projects]
            world.forgotten |= {project.id for project in gone if project.place and project.place > log.settled}
            world.forgotten |= {project.id for project in gone if log.loose}
        case "begin again":
            await world.end(value)
            await world.begin()
        case "made anew":
            world.stream.clear()
            world.epoch, world.offset = world.epoch + 1, 0
            relay.breaks("recreated")
        case "retention passes" if world.stream:
            world.offset += 4
            relay.breaks("truncated")


async def heals(world: World) -> None:
    """Let the journal be tried; it comes back as soon as it can be written, and not before."""
    relay, log = world.relay, world.relay.log
    before = log.loose
    # With the file goes the position; a log made anew, of which nothing was read, leaves nothing to write then.
    news = log.head is not None or (relay.keeper.position is not None and relay.trouble.damage is None)
    healed = await relay.mender._tried(after=0)
    assert healed or world.journal.full is not None
    assert log.loose == (not healed)
    assert not (healed and before and news) or world.journal.full is None


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_what_is_called_whole_is_whole(steps: list[tuple[str, Any]]) -> None:
    """Full disks, disks that hang, damage, restarts, logs made anew, in any order."""
    with asyncio.Runner(loop_factory=HandLoop) as runner:
        runner.run(course(steps))
