"""
Never is a missed event called whole.

A machine lets a log grow, shrink, lose its journal and get it back, break and begin again in any order, and keeps a
book of all that was ever said.  Viewers come back with any cursor that was ever given to anybody; what they are told
is compared with the book.  Hypothesis looks for the shortest course that goes wrong.
"""

from collections.abc import Mapping, Sequence

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from relayd.core.floor import BELOW_ALL, Floor, Verdict
from relayd.core.log import Log
from relayd.core.outage import begin_partial, forsake, missed
from relayd.core.project import Project
from relayd.core.repeats import repeat_key
from relayd.core.selection import select
from relayd.core.snapshot import read
from relayd.core.timeline import Entry
from relayd.dialects.delivery import Item
from relayd.protocol.commands import EVERYTHING, Selection
from relayd.protocol.cursor import BEGINNING, Cursor, Place, decode
from tests.core.words import NAME, at, line, mark, said

WINDOW = 6
PROJECTS = ("a", "b", "c")
MANY = 15
"""So many cursors are out before the worst happens, else there would be nothing to lose."""

Event = tuple[str, int | None, bool]
"""Project, message id if it has one, whether it is understood."""
Told = tuple[int, tuple[Event, ...]]
"""Offset and events of a body: with these the log can be read again."""
Step = tuple[int, tuple[Event, ...]]
"""How far the next body is from the one before, and its events."""

bodies = st.lists(
    st.tuples(st.sampled_from(PROJECTS), st.none() | st.integers(0, 9), st.sampled_from([True, True, True, False])),
    min_size=1,
    max_size=4,
).map(tuple)
batches = st.lists(st.tuples(st.integers(1, 2), bodies), min_size=3, max_size=6)
selections = st.sampled_from([EVERYTHING, Selection(level="error"), Selection(agent=frozenset({"coder"}))])


def heard(offset: int, events: tuple[Event, ...]) -> list[Item]:
    """Return what the events of a body say; their texts, levels and agents follow from where they stand."""
    return [
        said(
            *[
                line(f"{offset}.{number}", project, level=level, agent=agent)
                for level, agent in [("error", None), ("info", "coder"), ("info", "tester")][: 1 + number % 2]
            ]
            if understood
            else [],
            name=None if name is None else f"id {name}",
        )
        for number, (project, name, understood) in enumerate(events)
    ]


class Kept:
    """A journal in memory: exactly what was settled and not dropped."""

    def __init__(self) -> None:
        self.entries: dict[str, list[Entry]] = {}
        self.marks: dict[tuple[int, int], bytes] = {}
        self.keys: list[tuple[int, list[int]]] = []
        self.floors: dict[str, Floor] = {}
        self.floor: Floor | None = None
        self.snapshots: dict[str, tuple[Place, bytes]] = {}

    def add(self, entries: Mapping[str, Sequence[Entry]], floor: Floor | None) -> None:
        """Write entries behind those that are there."""
        for project, several in entries.items():
            self.entries.setdefault(project, []).extend(several)
        self.floor = floor or self.floor

    def raise_floor(self, project: str, floor: Floor) -> None:
        """Raise the floor of a project."""
        if project not in self.floors or self.floors[project].place < floor.place:
            self.floors[project] = floor

    def since(self, project: str, place: Place) -> list[Entry]:
        """Return a project's entries after a place."""
        return [entry for entry in self.entries.get(project, []) if entry.place > place]


class Living(RuleBasedStateMachine):
    """A log, its journal, and the book of all that was ever said."""

    def __init__(self) -> None:
        super().__init__()
        self.log: Log[str] = Log(NAME, window=WINDOW)
        self.kept: Kept | None = None
        self.said: dict[str, list[Entry]] = {project: [] for project in PROJECTS}
        """The book."""
        self.offset = -1
        self.unsettled: list[Told] = []
        self.pending: dict[str, list[Entry]] = {}
        self.pending_floor: Floor | None = None
        self.pending_keys: list[tuple[int, list[int]]] = []
        self.cursors: list[tuple[int, str]] = [(0, BEGINNING)]
        """Every cursor that was ever given to anybody, with the epoch it was given in."""
        self.lost: dict[str, Place] = {}
        """By project: up to where a gap may be told, because something at or before it was dropped."""
        self.lost_by_all = BELOW_ALL
        self.count: dict[str, int] = dict.fromkeys(PROJECTS, 0)
        """How many events a project ever had."""
        self.forgotten: set[str] = set()
        """Projects whose state was let go of before it was written."""

    # -- the log ---------------------------------------------------------------------------------------------------

    @initialize(kept=st.sampled_from([True, True, False]), offset=st.sampled_from([0, 0, 5]), batch=batches)
    def begin(self, kept: bool, offset: int, batch: list[Step]) -> None:
        """A relay starts, with a journal or without, at the log's beginning or in its middle."""
        if kept:
            self.kept = Kept()
            self.log.restore(epoch=0, marks=[], keys=[], floors={}, floor=None, projects=[])
        if offset:
            self.pending_floor = self.log.begin_at(offset)
            self.lost_by_all = self.pending_floor.place
            self.offset = offset - 1
        # Hypothesis leaves rules out in many of its courses; without anything said they would prove nothing.
        self.say(batch)

    @rule(batch=batches)
    def say(self, batch: list[Step]) -> None:
        """Some bodies come; a first attempt to stage them fails and changes nothing."""
        told: list[Told] = []
        for step, events in batch:
            self.offset += step
            told.append((self.offset, events))
        dropped = self.log.stage()
        for offset, events in told:
            dropped.add(offset, mark(offset, self.log.epoch), float(offset), heard(offset, events))
        self.take(told)
        for project, entries in self.recorded:
            self.said[project] += entries
            self.count[project] += len(entries)
        self.unsettled += told
        if self.log.loose or self.log.blind:
            self.everybody_comes_back()

    def everybody_comes_back(self) -> None:
        """Viewers of all projects come with every cursor."""
        for project in PROJECTS:
            self.come_back(project=project, selection=EVERYTHING, slices=2)

    def take(self, told: Sequence[Told]) -> None:
        """Stage and apply bodies, with their projects in memory."""
        self.log.pinned = {event[0] for _, events in told for event in events}
        for project in self.log.pinned:
            if self.hidden(project):
                begin_partial(self.log, project)
            self.open(project)
        staging = self.log.stage()
        recorded: dict[str, list[Entry]] = {}
        for offset, events in told:
            body = staging.add(offset, mark(offset, self.log.epoch), float(offset), heard(offset, events))
            for message, entry in body.entries:
                recorded.setdefault(message.project_id, []).append(entry)
                if not self.log.loose:
                    self.pending.setdefault(message.project_id, []).append(entry)
                self.cursors.append((self.log.epoch, entry.cursor))
            if not self.log.loose:
                self.pending_keys.append((offset, list(body.repeat_keys)))
        touched = self.log.apply(staging)
        assert sorted(recorded) == sorted(project.id for project in touched)
        self.recorded = list(recorded.items())
        self.cursors.append((self.log.epoch, self.log.head_cursor()))

    @precondition(lambda self: self.log.head is not None)
    @rule()
    def break_off(self) -> None:
        """The log has a hole."""
        assert self.log.head is not None
        self.lost_by_all = self.log.head._replace(item=1 << 20)
        self.pending_floor = self.log.break_("truncated")
        self.offset += 3

    @precondition(lambda self: self.log.epoch < 2 and len(self.cursors) > MANY)
    @rule(batch=batches)
    def begin_anew(self, batch: list[Step]) -> None:
        """The log was deleted and made anew."""
        self.pending_floor = self.log.break_("recreated")
        self.lost_by_all = Place(self.log.epoch, -1)
        self.said = {project: [] for project in PROJECTS}
        self.offset = -1
        if batch[0][0] == 1:
            self.say(batch)

    # -- the journal -----------------------------------------------------------------------------------------------

    @precondition(lambda self: self.kept is not None and not self.log.loose and self.log.head is not None)
    @rule(states=st.booleans(), then=st.sampled_from(["", "trim", "unload", "unload"]))
    def settle(self, states: bool, then: str) -> None:
        """What is pending is written, with or without the projects' states; then memory may be freed."""
        kept, log = self.kept, self.log
        assert kept is not None
        assert log.head is not None
        kept.add(self.pending, self.pending_floor)
        kept.keys += self.pending_keys
        kept.marks.update(((log.epoch, offset), mark(offset, log.epoch)) for offset, _ in self.pending_keys)
        self.pending, self.pending_keys, self.pending_floor, self.unsettled = {}, [], None, []
        log.settled = log.head
        if states:
            self.write_states()
        if then == "trim":
            self.trim(1, 1 << 40)
        elif then == "unload":
            self.unload(0)

    def write_states(self) -> None:
        """Write the states of all projects in memory that are whole."""
        assert self.kept is not None
        for there in self.log.projects.values():
            if there.place is not None and not there.partial:
                self.kept.snapshots[there.id] = (there.place, msgspec.json.encode(there.state))
                there.dirty = False
                self.log.shelved.add(there.id)

    @precondition(lambda self: self.kept is not None and not self.log.loose)
    @rule(project=st.sampled_from(PROJECTS), count=st.integers(1, 3))
    def retain(self, project: str, count: int) -> None:
        """The journal drops the oldest of a project."""
        assert self.kept is not None
        entries = self.kept.entries.get(project, [])
        gone = entries[:count]
        del entries[:count]
        if gone:
            floor = Floor(gone[-1].place, decode(gone[-1].cursor).fingerprint)
            self.kept.raise_floor(project, floor)
            self.log.raise_floor(project, floor)
            self.lose(project, floor.place)
            if gone[-1].place > self.kept.snapshots.get(project, (BELOW_ALL, b""))[0]:
                self.forgotten.add(project)

    @precondition(lambda self: self.kept is not None and not self.log.loose and len(self.cursors) > MANY)
    @rule(freed=st.sampled_from(["", "trim", "unload"]))
    def fall_out(self, freed: str) -> None:
        """It can't be written any more, and the relay goes on from memory."""
        if freed and self.log.head is not None:
            self.settle(states=True, then=freed)
        self.log.loose = True
        self.pending, self.pending_keys, self.pending_floor = {}, [], None
        self.everybody_comes_back()

    @precondition(lambda self: self.kept is not None and self.log.loose and self.log.head is not None)
    @rule(nbytes=st.sampled_from([0, 600, 1 << 40, 1 << 40]), again=st.booleans())
    def catch_up(self, nbytes: int, again: bool) -> None:
        """It can be written again, and is brought up to what memory holds; then the process may be killed."""
        kept, log = self.kept, self.log
        assert kept is not None
        assert log.head is not None
        lost = missed(log, log.settled, nbytes=nbytes)
        for project, floor in lost.floors.items():
            if floor != log.floors.get(project):
                self.lose(project, floor.place)
                self.tear(log.projects[project])
                log.raise_floor(project, floor)
        kept.add(lost.entries, log.floor)
        for project, floor in lost.floors.items():
            kept.raise_floor(project, floor)
        kept.keys.append((log.head.offset, list(lost.keys)))
        kept.marks.update(((log.epoch, offset), print_) for offset, print_ in lost.bodies)
        self.write_states()
        log.settled, log.loose, self.unsettled = log.head, False, []
        if again and log.epoch == 0:
            self.start_again()
        self.everybody_comes_back()

    @precondition(lambda self: self.kept is not None)
    @rule(freed=st.sampled_from(["", "unload", "unload"]))
    def go_blind(self, freed: str) -> None:
        """It can't be read any more, perhaps just when memory was freed."""
        if freed and self.log.head is not None and not self.log.loose:
            self.settle(states=True, then=freed)
        self.log.blind = True
        self.everybody_comes_back()

    @precondition(lambda self: self.log.blind)
    @rule()
    def see_again(self) -> None:
        """It can be read again, and who had to begin without it is made whole."""
        assert self.kept is not None
        self.log.blind = False
        for project in [one for one in self.log.projects.values() if one.partial]:
            place, snapshot = self.kept.snapshots.get(project.id, (BELOW_ALL, None))
            state = None if snapshot is None else read(snapshot)
            project.mend(state, place, self.kept.since(project.id, place))
        self.everybody_comes_back()

    @precondition(lambda self: self.kept is not None and len(self.cursors) > MANY)
    @rule()
    def lose_the_journal(self) -> None:
        """Its file is damaged, and a new one begun."""
        for project in PROJECTS:
            there = self.log.projects.get(project)
            if there is None and project in self.log.shelved:
                self.lose(project, self.log.head or BELOW_ALL)
                self.forgotten.add(project)
            elif there is not None and there.timeline.bottom is not None:
                self.lose(project, there.timeline.bottom)
            if there is not None and there.partial:
                self.forgotten.add(project)
        forsake(self.log)
        self.kept, self.log.blind = Kept(), False
        self.pending, self.pending_keys, self.pending_floor = {}, [], None
        self.unsettled = []
        self.everybody_comes_back()

    @precondition(lambda self: self.kept is not None and self.log.head is not None and self.log.epoch == 0)
    @rule()
    def start_again(self) -> None:
        """The process is killed; the next one goes on from the journal and reads again what was not settled."""
        kept, before = self.kept, self.log
        assert kept is not None
        if not kept.marks or self.pending_floor is not None or (before.floor != kept.floor and before.loose):
            # There is nothing to go on from, or the source would have to tell again of a hole.
            return
        self.log = Log(NAME, window=WINDOW)
        self.log.restore(
            epoch=0,
            marks=[(offset, print_) for (_, offset), print_ in sorted(kept.marks.items())],
            keys=[key for _, keys in kept.keys for key in keys],
            floors=kept.floors,
            floor=kept.floor,
            projects={*kept.entries, *kept.snapshots, *kept.floors},
        )
        pending, self.pending, self.pending_keys = self.pending, {}, []
        if self.unsettled:
            self.take(self.unsettled)
        assert before.loose or pending == self.pending
        assert list(before.repeats) == list(self.log.repeats)
        assert before.head_cursor() == self.log.head_cursor()
        self.everybody_comes_back()

    def hidden(self, project: str) -> bool:
        """Return whether a project is only in a journal that can't be read."""
        return self.log.blind and project in self.log.shelved and project not in self.log.projects

    def open(self, project: str) -> Project[str]:
        """Return a project, from the journal if it is there."""
        if self.kept is None or project in self.log.projects or project not in self.log.shelved:
            return self.log.open(project)
        place, snapshot = self.kept.snapshots.get(project, (BELOW_ALL, None))
        entries = self.kept.entries.get(project, [])
        return self.log.adopt(
            project,
            snapshot=snapshot,
            place=None if snapshot is None else place,
            since=self.kept.since(project, place),
            newest=entries[-2:],
            whole=len(entries) < 2,
        )

    # -- memory ----------------------------------------------------------------------------------------------------

    @rule(events=st.integers(0, 4), nbytes=st.sampled_from([0, 600, 1_500, 1 << 40]))
    def trim(self, events: int, nbytes: int) -> None:
        """Memory is full."""
        ends = {project.id: project.timeline.base for project in self.log.projects.values()}
        self.log.trim(list(self.log.projects.values()), events=events, nbytes=nbytes)
        for project in self.log.projects.values():
            if project.timeline.base > ends[project.id]:
                assert project.timeline.bottom is not None
                assert self.log.loose or project.timeline.bottom <= self.log.settled
                if project.timeline.bottom > self.log.settled:
                    self.lose(project.id, project.timeline.bottom)
                    self.tear(project)
            bound = self.log.loose or project.place is None or self.log.settled == self.log.head
            assert not bound or len(project.timeline) <= events + events // 4
        assert not self.log.loose or self.log.nbytes <= nbytes

    @rule(projects=st.integers(0, 2))
    def unload(self, projects: int) -> None:
        """There are too many projects."""
        self.log.pinned = set()
        before = dict(self.log.projects)
        shelved = set(self.log.shelved)
        self.log.unload(projects=projects)
        for project in before.keys() - self.log.projects.keys():
            there = before[project]
            kept = there.place is None or (there.place <= self.log.settled and (not there.dirty or project in shelved))
            assert kept or self.log.loose
            if not kept and there.place is not None:
                self.lost_by_all = max(self.lost_by_all, there.place)
                self.forgotten.add(project)

    def lose(self, project: str, place: Place) -> None:
        """Note in the book that a gap may be told up to there."""
        self.lost[project] = max(self.lost.get(project, BELOW_ALL), place)

    def tear(self, project: Project[str]) -> None:
        """Note in the book that events are gone; a partial state can't be made whole without them."""
        if project.partial:
            self.forgotten.add(project.id)

    # -- viewers ---------------------------------------------------------------------------------------------------

    @rule(project=st.sampled_from(PROJECTS), selection=selections, slices=st.integers(1, 4))
    def come_back(self, project: str, selection: Selection, slices: int) -> None:
        """Viewers come with every cursor that was ever given to anybody."""
        if self.hidden(project):
            # They are asked to come again.
            return
        self.open(project)
        for epoch, text in self.cursors:
            self.come_back_with(epoch, text, project, selection, slices)

    def come_back_with(self, epoch: int, text: str, project: str, selection: Selection, slices: int) -> None:
        """A viewer comes with a cursor that was given to somebody in an epoch."""
        verdict, cursor = self.judge(project, text)
        if verdict.kind == "ahead":
            assert cursor is not None
            assert self.log.head is None or cursor.offset > self.log.head.offset
            assert epoch != self.log.epoch
        elif verdict.kind == "gap":
            assert self.may_be_a_gap(project, cursor, epoch)
        else:
            assert verdict.place is not None
            missed = [entry for entry in self.said[project] if entry.place > verdict.place]
            assert epoch == self.log.epoch or text == BEGINNING
            assert verdict.place >= self.lost_by_all
            told = self.told(project, verdict.place, slices)
            assert [entry.cursor for entry in missed] == [entry.cursor for entry in told]
            assert list(select(selection, missed)) == list(select(selection, told))

    @rule(project=st.sampled_from(PROJECTS), where=st.tuples(st.integers(0, 30), st.integers(0, 3), st.integers(0, 3)))
    def make_a_cursor_up(self, project: str, where: tuple[int, int, int]) -> None:
        """A viewer comes with a cursor that nobody gave it: whatever it is told, it is not told a part."""
        if self.hidden(project):
            return
        self.open(project)
        cursor = at(*where, epoch=self.log.epoch)
        verdict, _ = self.judge(project, str(cursor))
        if verdict.place is not None:
            missed = [entry for entry in self.said[project] if entry.place > verdict.place]
            assert missed == self.told(project, verdict.place, 3)
        forged, _ = self.judge(project, str(cursor._replace(fingerprint=b"forged")))
        assert forged.kind in {"gap", "ahead"}

    def judge(self, project: str, text: str) -> tuple[Verdict, Cursor | None]:
        """Judge a cursor as the relay does: the journal is asked if need be."""
        if text == BEGINNING:
            return self.log.judge_beginning(project), None
        cursor = decode(text)
        verdict = self.log.judge(project, cursor)
        if verdict.kind == "ask":
            known = None
            if self.kept is not None and not self.log.blind:
                known = self.kept.marks.get((self.log.epoch, cursor.offset))
            verdict = self.log.judge(project, cursor, known or b"")
            assert verdict.kind in {"whole", "gap"}
        return verdict, cursor

    def may_be_a_gap(self, project: str, cursor: Cursor | None, epoch: int) -> bool:
        """Return whether the book has a reason for a gap."""
        floor = max(self.lost.get(project, BELOW_ALL), self.lost_by_all)
        if self.log.blind:
            floor = max(floor, self.log.projects[project].timeline.bottom or BELOW_ALL)
        if cursor is None:
            return floor > BELOW_ALL
        if epoch != self.log.epoch or cursor.place(epoch) < floor:
            return True
        known = {body for body, _ in self.log.marks._marks.items()}
        there = self.kept is not None and not self.log.blind and (epoch, cursor.offset) in self.kept.marks
        return cursor.offset not in known and not there

    def told(self, project: str, place: Place, most: int) -> list[Entry]:
        """Return what a viewer is told after a place: slices from memory, and from the journal below it."""
        timeline, told = self.open(project).timeline, list[Entry]()
        while (index := timeline.index_after(place)) != timeline.end:
            if index is not None:
                page = timeline.slice(index, min(index + most, timeline.end))
            else:
                assert self.kept is not None
                assert not self.log.blind
                assert timeline.bottom is not None
                page = self.kept.since(project, place)[:most]
                if not page:
                    place = timeline.bottom
                    continue
            told += page
            place = page[-1].place
        return told

    # -- always ----------------------------------------------------------------------------------------------------

    @invariant()
    def bytes_are_counted(self) -> None:
        """Those of all timelines together."""
        timelines = [project.timeline for project in self.log.projects.values()]
        for timeline in timelines:
            entries = timeline.slice(timeline.base, timeline.end)
            assert timeline.nbytes == sum(len(entry.payload) for entry in entries)
            assert sorted(entries, key=lambda entry: entry.place) == entries
        assert self.log.nbytes == sum(timeline.nbytes for timeline in timelines)

    @invariant()
    def windows_are_bounded(self) -> None:
        """However many bodies and ids came."""
        assert len(self.log.marks) <= WINDOW
        assert len(self.log.repeats) <= WINDOW

    @invariant()
    def memory_and_journal_hold_what_was_not_dropped(self) -> None:
        """A project in memory that is above its floor is all there."""
        for project in self.log.projects.values():
            floor = self.log.floor_of(project.id)
            place = floor.place if floor is not None else BELOW_ALL
            wanted = [entry.cursor for entry in self.said[project.id] if entry.place > place]
            assert wanted == [entry.cursor for entry in self.told(project.id, place, 9)]

    @invariant()
    def states_are_true(self) -> None:
        """A project's state counts each of its events once, those of the deleted log included."""
        for project in self.log.projects.values():
            if project.partial or project.id in self.forgotten or project.place is None:
                continue
            assert project.place == self.newest(project.id)
            assert self.count[project.id] == sum(project.state.counts.values())
            if self.said[project.id]:
                assert self.said[project.id][-1].cursor == project.state.cursor

    def newest(self, project: str) -> Place | None:
        """Return the place of a project's newest event of this log or, where it has none, of the one in memory."""
        return self.said[project][-1].place if self.said[project] else self.log.projects[project].place


def test_ids_have_keys_of_their_own() -> None:
    """The machine's ids are told apart."""
    assert 10 == len({repeat_key(f"id {number}") for number in range(10)})


Living.TestCase.settings = settings(deadline=None, max_examples=100, stateful_step_count=40)
test_never_is_a_missed_event_called_whole = Living.TestCase
