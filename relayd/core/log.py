"""
The log as this relay knows it: one order, every event once, every project's state and recent past.

Law 1: what stands here is final.  A `Staging` prepares a batch without changing anything; `apply` changes
       everything in one step, and nothing in between can fail or wait.
Law 2: a place is a function of the log alone; repeats and rejected events have one, too.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Generic, Literal

from relayd.core.channel import Member
from relayd.core.floor import BELOW_ALL, Floor, Marks, Verdict
from relayd.core.project import Project
from relayd.core.purges import Purges
from relayd.core.repeats import WINDOW, RepeatWindow
from relayd.core.snapshot import read
from relayd.core.staging import Staging
from relayd.core.timeline import Entry, Timeline
from relayd.protocol import cursor as cursors
from relayd.protocol.cursor import BEGINNING, Cursor, Place

__all__ = ["Log"]

END = 0xFFFF
"""An item and a part that no event reaches (a body has at most 10,000): the end of a body, still fit for a cursor."""


class Log(Generic[Member]):
    """All that is known of the log; `Member` is what a viewer is to the relay."""

    def __init__(self, name: str, *, window: int = WINDOW) -> None:
        """Begin empty, for the log of that name."""
        self.identity = cursors.identity(name)
        self.epoch = 0
        self.head: Place | None = None
        self.floor: Floor | None = None
        """Below it nothing is whole, in any project."""
        self.floors: dict[str, Floor] = {}
        self.projects: dict[str, Project[Member]] = {}
        """Those in memory, the coldest first."""
        self.shelved: set[str] = set()
        """Ids of projects that the journal can load."""
        self.settled = BELOW_ALL
        """What the journal holds up to."""
        self.loose = True
        """Memory may let go of what the journal does not hold, and floors say so: there is none, or it can't write."""
        self.blind = False
        """The journal can't be read: memory is all there is to tell."""
        self.pinned: set[str] = set()
        """Projects that are about to be written to; they stay in memory."""
        self.nbytes = 0
        self.repeats = RepeatWindow(window)
        self.purges = Purges()
        self.marks = Marks(window)
        self._spelled: tuple[Place | None, str] = (None, BEGINNING)

    # -- beginning ----------------------------------------------------------------------------------------------

    def restore(
        self,
        *,
        epoch: int,
        marks: Sequence[tuple[int, bytes]],
        keys: Iterable[int],
        floors: Mapping[str, Floor],
        floor: Floor | None,
        projects: Iterable[str],
    ) -> None:
        """Take over what the journal recovered; `marks` are (offset, fingerprint) of this epoch, oldest first."""
        self.epoch = epoch
        self.repeats.restore(keys)
        for offset, fingerprint in marks:
            self.marks.put(offset, fingerprint)
        self.head = self.end_of(marks[-1][0]) if marks else None
        self.settled = self.head or BELOW_ALL
        self.loose = False
        self.floors, self.floor = dict(floors), floor
        self.shelved.update(projects)

    def adopt(
        self,
        project_id: str,
        *,
        snapshot: bytes | None,
        place: Place | None = None,
        since: Sequence[Entry],
        newest: Sequence[Entry],
        whole: bool,
    ) -> Project[Member]:
        """
        Bring a shelved project to memory.

        Its snapshot, of a place, is folded forward by the entries `since`; `newest` fill the timeline; `whole` says
        that the journal holds nothing older than those.
        """
        if project_id in self.projects:
            return self.projects[project_id]
        project: Project[Member] = Project(project_id, state=read(snapshot) if snapshot is not None else None)
        bottom = None
        if not whole:
            # Just below the oldest held entry is as far back as memory can vouch for.
            bottom = newest[0].place._replace(part=newest[0].place.part - 1) if newest else self.settled
        elif project_id in self.floors:
            bottom = self.floors[project_id].place
        project.revive(Timeline(newest, bottom=bottom), since, place)
        self.nbytes += project.timeline.nbytes
        self.projects[project_id] = project
        return project

    def open(self, project_id: str) -> Project[Member]:
        """Return a project that is in memory or new; one that is shelved must be adopted first."""
        project = self.projects.get(project_id)
        if project is None:
            project = self.projects[project_id] = Project(project_id, state=self.purges.state(project_id))
        return project

    def end_of(self, offset: int) -> Place:
        """Return the place behind the last event of the body at an offset."""
        return Place(self.epoch, offset, END, END)

    def forget_empty(self, project_id: str) -> None:
        """Let go of a project of which nothing is known and which nobody watches: somebody only asked for it."""
        project = self.projects.get(project_id)
        if project is not None and project.place is None and not project.channel and project_id not in self.pinned:
            del self.projects[project_id]

    # -- growing ------------------------------------------------------------------------------------------------

    def stage(self) -> Staging:
        """Begin a batch."""
        return Staging(self.identity, self.epoch, self.repeats, self.purges)

    def apply(self, staging: Staging) -> list[Project[Member]]:
        """Make a batch part of the log and return the projects it touched, each once."""
        for body in staging.bodies:
            self.marks.put(body.offset, body.fingerprint)
            self.repeats.remember(body.repeat_keys)
        touched: list[Project[Member]] = []
        for project_id, said in staging.projects.items():
            # Taking it out and putting it back keeps the coldest first.
            project = self.projects.pop(project_id, None) or Project(project_id, state=self.purges.state(project_id))
            self.projects[project_id] = project
            project.record(said)
            touched.append(project)
        self.nbytes += staging.nbytes
        if staging.bodies:
            self.head = self.end_of(staging.bodies[-1].offset)
        return touched

    def begin_at(self, offset: int) -> Floor:
        """Note that reading began in the middle of the log: nothing below that offset was ever seen."""
        return self.raise_floor(None, Floor(Place(self.epoch, offset, -1, -1)))

    def break_(self, cause: Literal["truncated", "recreated"]) -> Floor:
        """Note that the log did not go on where it was left, and return the floor that all projects have now."""
        if cause == "recreated":
            self.epoch += 1
            self.head = None
            self.marks.clear()
            # The window is a function of the log, and this is another log.
            self.repeats.clear()
            return self.raise_floor(None, Floor(Place(self.epoch, -1, -1, -1)))
        return self.raise_floor(None, Floor(Place(self.epoch, -1 if self.head is None else self.head.offset, END + 1)))

    # -- shrinking ----------------------------------------------------------------------------------------------

    def raise_floor(self, project_id: str | None, floor: Floor) -> Floor:
        """Raise the floor of a project, or of all (None); a floor never sinks."""
        old = self.floor if project_id is None else self.floors.get(project_id)
        if old is not None and old.place >= floor.place:
            return old
        if project_id is None:
            self.floor = floor
            # What lies below says nothing any more; kept, there would be one for each project that ever was.
            self.floors = {name: own for name, own in self.floors.items() if own.place >= floor.place}
        elif self.floor is None or floor.place >= self.floor.place:
            self.floors[project_id] = floor
        return floor

    def trim(self, touched: Iterable[Project[Member]], *, events: int, nbytes: int) -> None:
        """
        Keep each touched project at `events` entries (plus a quarter, to trim seldom), all of them at `nbytes`.

        Beyond that the oldest entries of the coldest projects go, an eighth of all, to trim seldom; so a hot project
        keeps what its viewers have yet to be sent.
        """
        most = events + events // 4
        for project in touched:
            if len(project.timeline) > most:
                self._drop(project, len(project.timeline) - events)
        if self.nbytes <= nbytes:
            return
        goal = nbytes - nbytes // 8
        for project in list(self.projects.values()):
            self._drop(project, project.timeline.oldest(self.nbytes - goal))
            if self.nbytes <= goal:
                return

    def _drop(self, project: Project[Member], count: int) -> None:
        before = project.timeline.nbytes
        last = project.timeline.drop(count if self.loose else project.timeline.droppable(count, self.settled))
        self.nbytes -= before - project.timeline.nbytes
        if last is not None and last.place > self.settled:
            self.raise_floor(project.id, Floor(last.place, cursors.decode(last.cursor).fingerprint))

    def unload(self, *, projects: int) -> None:
        """
        Shelve the coldest projects beyond the bound: those that nobody watches and whose state the journal has.

        While it can't be written others are forgotten, too, and the floor of all takes over what they were.
        """
        surplus = len(self.projects) - projects
        for kept in (True, False) if self.loose else (True,):
            for project in list(self.projects.values()):
                if surplus <= 0:
                    return
                if project.channel or project.id in self.pinned or kept != self._is_kept(project):
                    continue
                del self.projects[project.id]
                self.nbytes -= project.timeline.nbytes
                surplus -= 1
                if not kept and project.place is not None:
                    mark = cursors.decode(project.state.cursor).fingerprint if project.state.cursor else b""
                    self.raise_floor(None, Floor(project.place, mark))

    def _is_kept(self, project: Project[Member]) -> bool:
        """Tell whether a project would come back from the journal as it is."""
        if project.place is None:
            return True
        # Without a snapshot its state would have to be folded anew; while none can be written, it has to be.
        folded = self.loose and project.id in self.shelved
        return project.place <= self.settled and (folded or not project.dirty)

    # -- answering ----------------------------------------------------------------------------------------------

    def floor_of(self, project_id: str) -> Floor | None:
        """Return the higher of a project's floor and the floor of all; while blind, how far back memory reaches."""
        own = self.floors.get(project_id)
        if own is None or (self.floor is not None and self.floor.place > own.place):
            own = self.floor
        if self.blind:
            reach = self._reach(project_id)
            return own if reach is None or (own is not None and own.place >= reach.place) else reach
        return own

    def _reach(self, project_id: str) -> Floor | None:
        """Return how far back memory alone can tell of a project, None for all of it."""
        project = self.projects.get(project_id)
        if project is None:
            return self.ceiling() if project_id in self.shelved else None
        return None if project.timeline.bottom is None else Floor(project.timeline.bottom)

    def ceiling(self) -> Floor | None:
        """Return the floor below which nothing is left of all that was read; None while nothing was."""
        return None if self.head is None else Floor(self.head, self.marks.get(self.head.offset) or b"")

    def head_cursor(self) -> str:
        """Return the cursor of the newest place, `0` while the log is empty."""
        head, text = self._spelled
        if head is not self.head:
            # Every group of a flush that is at its end asks for the same text.
            text = self._spell(self.head)
            self._spelled = (self.head, text)
        return text

    def _spell(self, head: Place | None) -> str:
        if head is None:
            return BEGINNING
        mark = self.marks.get(head.offset) or b""
        return str(Cursor(self.identity, head.offset, head.item, head.part, mark.ljust(6, b"\0")))

    def judge(self, project_id: str, cursor: Cursor, fingerprint: bytes | None = None) -> Verdict:
        """
        Say what a cursor is worth; every row of docs/protocol.md section 3.

        `fingerprint` is what the journal answered after a verdict of `ask` (empty: it does not know).
        """
        if cursor.log != self.identity:
            return Verdict("gap", "other_log")
        place = cursor.place(self.epoch)
        if self.head is None or place.offset > self.head.offset:
            return Verdict("ahead")
        floor = self.floor_of(project_id)
        if floor is not None and place < floor.place:
            return Verdict("gap", "below_floor")
        known = self.marks.get(place.offset) if fingerprint is None else fingerprint
        if known is None and floor is not None and place == floor.place:
            known = floor.fingerprint or None
        if known is None:
            return Verdict("ask")
        if known != cursor.fingerprint:
            return Verdict("gap", "other_event" if known else "unknown_event")
        return Verdict("whole", place=place)

    def judge_beginning(self, project_id: str) -> Verdict:
        """Say what the cursor `0` is worth: whole only if nothing was ever dropped, `ahead` while nothing was read."""
        if self.floor_of(project_id) is not None:
            return Verdict("gap", "below_floor")
        return Verdict("ahead") if self.head is None else Verdict("whole", place=BELOW_ALL)
