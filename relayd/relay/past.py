"""What memory no longer holds: projects on the shelf, old entries, old checkpoints."""

import asyncio
from collections.abc import Iterable, Sequence

from msgspec import Struct

from relayd.core.channel import Passed
from relayd.core.floor import BELOW_ALL, Verdict
from relayd.core.selection import select
from relayd.core.timeline import Entry
from relayd.ports import Journal, JournalError, Observer
from relayd.protocol import cursor as cursors
from relayd.protocol.commands import Selection
from relayd.protocol.cursor import BEGINNING, Place
from relayd.relay.subscription import Watched, WatchedLog

__all__ = ["Past", "Tail"]


class Tail(Struct, frozen=True):
    """The newest entries of a project that a selection lets pass, and where a viewer stands before and after them."""

    entries: Sequence[Entry]
    before: str
    """A cursor strictly before the first of them."""
    passed: Passed
    """What has been passed once they are read, the unwanted included."""


class Past:
    """Reads the log back to its floors: from memory where it can, from the journal where it must."""

    def __init__(self, log: WatchedLog, journal: Journal | None, *, observer: Observer, newest: int) -> None:
        """Read on behalf of a log; `newest` entries come to memory with a project."""
        self.log = log
        self.journal = journal
        self._observer = observer
        self._newest = newest
        self._loading: dict[str, asyncio.Task[None]] = {}
        # While retention runs, rows may be gone whose floor the log does not know yet.
        self._retaining = asyncio.Lock()

    async def open(self, project_id: str) -> Watched:
        """Return a project, brought to memory if the journal has it; raises JournalError."""
        # Looked at again behind the wait: it may have been shelved before this one's turn came, and who held on to it
        # then would hear nothing for ever.
        while project_id in self.log.shelved and project_id not in self.log.projects:
            await asyncio.shield(self._loaded(project_id))
        return self.log.open(project_id)

    def _loaded(self, project_id: str) -> asyncio.Task[None]:
        """Return the one task that loads a project: two who come at once must get the same."""
        task = self._loading.get(project_id)
        if task is None:
            task = self._loading[project_id] = asyncio.create_task(self._load(project_id))
            task.add_done_callback(lambda _: self._loading.pop(project_id, None))
        return task

    async def open_all(self, project_ids: Iterable[str]) -> None:
        """Bring projects to memory before events of theirs are recorded."""
        for project_id in list(project_ids):
            if project_id in self.log.shelved:
                await self.open(project_id)

    async def _load(self, project_id: str) -> None:
        kept = await self.journal.load(project_id, newest=self._newest) if self.journal is not None else None
        if kept is None:
            self.log.open(project_id)
            return
        self.log.adopt(
            project_id,
            snapshot=None if kept.row is None else kept.row.snapshot,
            since=kept.since,
            newest=kept.newest,
            whole=len(kept.newest) < self._newest,
        )

    async def judge(self, project_id: str, after: str) -> Verdict:
        """Say what a cursor's text is worth; raises BadCursorError, JournalError."""
        if after == BEGINNING:
            return self.log.judge_beginning(project_id)
        cursor = cursors.decode(after)
        verdict = self.log.judge(project_id, cursor)
        if verdict.kind != "ask":
            return verdict
        epoch = self.log.epoch
        known = await self.journal.fingerprint(epoch, cursor.offset) if self.journal is not None else None
        # What stood in a log that was made anew meanwhile proves nothing for the one that is there now.
        return self.log.judge(project_id, cursor, known if known is not None and epoch == self.log.epoch else b"")

    def place(self, after: str) -> Place:
        """Return the place of a cursor that was judged whole."""
        return BELOW_ALL if after == BEGINNING else cursors.decode(after).place(self.log.epoch)

    async def read(self, project: Watched, after: Place, limit: int) -> Sequence[Entry] | None:
        """
        Return up to `limit` entries after a place that memory does not reach back to, oldest first.

        None: retention has dropped some of them, the reader has a gap.  Raises JournalError.
        """
        if self.journal is None:
            return None
        entries = await self.journal.read(project.id, after=after, limit=limit)
        async with self._retaining:
            floor = self.log.floor_of(project.id)
        # Only now: a floor that rose while the rows were read makes them a part, and a part is never called whole.
        return None if floor is not None and after < floor.place else entries

    async def tail(self, project: Watched, count: int, selection: Selection, *, whole: bool = False) -> Tail:
        """
        Return up to `count` of the newest entries that the selection lets pass; raises JournalError.

        History may reach over a hole in the log; a `whole` tail begins behind it.
        """
        timeline = project.timeline
        held = timeline.slice(timeline.base, timeline.end)
        # Taken before the first await: what is recorded from here on comes after the tail.
        floor, hole = self.log.floor_of(project.id), self.log.floor
        reached = (BELOW_ALL, timeline.bottom, held[-1].place if held else None, None if floor is None else floor.place)
        passed = Passed(max(place for place in reached if place is not None), self.log.head_cursor())
        older: Sequence[Entry] = ()
        if len(held) <= count and timeline.bottom is not None and self.journal is not None:
            limit = count + 1 - len(held)
            # With nothing held, only up to where the viewer goes on: what is recorded meanwhile comes after the tail.
            before = held[0].place if held else just_after(passed.place)
            older = await self.journal.read(project.id, before=before, limit=limit, newest=True)
        entries = [*older, *held]
        if whole and hole is not None and not hole.fingerprint:
            entries = [entry for entry in entries if entry.place > hole.place]
        wanted = list(select(selection, entries))[-count:] if count else []
        cursor = self._cursor_before(project, entries, wanted[0]) if wanted else passed.cursor
        return Tail(wanted, cursor, passed)

    def _cursor_before(self, project: Watched, entries: Sequence[Entry], first: Entry) -> str:
        """Return a cursor strictly before the first entry, as near as one is known."""
        position = entries.index(first)
        if position:
            return entries[position - 1].cursor
        floor = self.log.floor_of(project.id)
        if floor is None:
            return BEGINNING
        if floor.fingerprint:
            return str(cursors.Cursor(self.log.identity, *floor.place[1:], floor.fingerprint))
        # A hole lies before it: whoever resumes from here must be told of a gap, and below the floor it is told.
        return str(cursors.Cursor(self.log.identity, 0, 0, 0, bytes(6)))

    async def retain(self, now: float) -> bool:
        """Let the journal drop a slice of what is too old; tell whether it dropped anything."""
        if self.journal is None:
            return False
        async with self._retaining:
            try:
                floors = await self.journal.retain(now)
            except JournalError as error:
                self._observer.journal_failed(error)
                return False
            for project_id, floor in floors.items():
                self.log.raise_floor(project_id, floor)
        return bool(floors)


def just_after(place: Place) -> Place:
    """Return a bound that lets a place itself be read and nothing behind it."""
    return place._replace(part=place.part + 1)
