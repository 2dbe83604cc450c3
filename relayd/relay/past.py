"""
What memory no longer holds: projects on the shelf, old entries, old checkpoints.

Law: nobody waits for ever.  Who asks a journal that hangs is told so after a while; from then on, and until it has
answered, nobody else asks, memory is all there is, and floors say how far back that reaches.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeVar

from msgspec import Struct

from relayd.core.channel import Passed
from relayd.core.floor import BELOW_ALL, Verdict
from relayd.core.selection import select
from relayd.core.snapshot import read
from relayd.core.timeline import Entry
from relayd.ports import Journal, JournalDamaged, JournalError, Kept, Observer, ProjectRow
from relayd.protocol import cursor as cursors
from relayd.protocol.commands import Selection
from relayd.protocol.cursor import BEGINNING, Place
from relayd.relay.deadline import in_time
from relayd.relay.subscription import Watched, WatchedLog
from relayd.relay.trouble import Trouble

__all__ = ["Past", "Tail"]

T = TypeVar("T")


class Tail(Struct, frozen=True):
    """The newest entries of a project that a selection lets pass, and where a viewer stands before and after them."""

    entries: Sequence[Entry]
    before: str
    """A cursor strictly before the first of them."""
    passed: Passed
    """What has been passed once they are read, the unwanted included."""


class Past:
    """Reads the log back to its floors: from memory where it can, from the journal where it must."""

    def __init__(
        self,
        log: WatchedLog,
        journal: Journal | None,
        *,
        trouble: Trouble,
        observer: Observer,
        newest: int,
        patience: float,
    ) -> None:
        """Read on behalf of a log; `newest` entries come to memory with a project, `patience` is in seconds."""
        self.log = log
        self.journal = journal
        self._trouble = trouble
        self._observer = observer
        self._newest = newest
        self._patience = patience
        self._loading: dict[str, asyncio.Task[None]] = {}
        # While retention runs, rows may be gone whose floor the log does not know yet.
        self._retaining = asyncio.Lock()
        self._closed = False
        self._hanging: set[asyncio.Future[Any]] = set()

    # -- whether it can be asked --------------------------------------------------------------------------------

    def close(self) -> None:
        """Let nobody ask the journal any more."""
        self._closed = self.log.blind = True

    def reopen(self) -> None:
        """Let it be asked again, unless it hangs."""
        self._closed = False
        self.log.blind = bool(self._hanging)

    @property
    def sentence(self) -> str:
        """For `/readyz`: what hangs; empty while all is well."""
        if not self._hanging:
            return ""
        return "the journal does not answer: what memory does not hold can't be told; see whether its disk hangs"

    async def _ask(self, what: str, ask: Callable[[Journal], Awaitable[T]]) -> T:
        """Return the answer to a question that takes so long at most; raises JournalError."""
        if self.journal is None or self.log.blind:
            raise JournalError(self.sentence or "the journal is detached")
        work = asyncio.ensure_future(ask(self.journal))
        try:
            return await in_time(work, self._patience, what)
        except JournalDamaged as damage:
            self._trouble.found(damage)
            raise
        except JournalError:
            if not work.done():
                self._hanging.add(work)
                self.log.blind = True
                work.add_done_callback(self._answered)
            raise

    def _answered(self, work: "asyncio.Future[Any]") -> None:
        self._hanging.discard(work)
        self.log.blind = self._closed or bool(self._hanging)

    # -- projects -----------------------------------------------------------------------------------------------

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
        kept = await self._kept(project_id, newest=self._newest)
        if kept is None:
            self.log.open(project_id)
            return
        self.log.adopt(
            project_id,
            snapshot=None if kept.row is None else kept.row.snapshot,
            place=None if kept.row is None else kept.row.place,
            since=self.log.purges.left(project_id, kept.since),
            newest=self.log.purges.left(project_id, kept.newest),
            whole=len(kept.newest) < self._newest,
        )

    async def mend(self) -> None:
        """Make projects whole that had to begin without what the journal holds of them; raises JournalError."""
        for project in [one for one in self.log.projects.values() if one.partial]:
            if self.log.blind:
                return
            bottom = project.timeline.bottom
            kept = await self._kept(project.id, newest=0)
            # What memory let go of meanwhile was written meanwhile, and is not in the answer: it is asked for again.
            if project.timeline.bottom == bottom and self.log.projects.get(project.id) is project:
                row, since = (None, ()) if kept is None else (kept.row, kept.since)
                state, place = (None, BELOW_ALL) if row is None else (read(row.snapshot), row.place)
                project.mend(state, place, since)

    async def _kept(self, project_id: str, *, newest: int) -> Kept | None:
        return await self._ask("a project was not read", lambda journal: journal.load(project_id, newest=newest))

    async def list_projects(self) -> Sequence[ProjectRow]:
        """Return the journal's rows of all projects, none without a journal; raises JournalError."""
        if self.journal is None:
            return ()
        return await self._ask("the list of projects was not read", lambda journal: journal.list_projects())

    # -- entries ------------------------------------------------------------------------------------------------

    async def judge(self, project_id: str, after: str) -> Verdict:
        """Say what a cursor's text is worth; raises BadCursorError, JournalError."""
        if after == BEGINNING:
            return self.log.judge_beginning(project_id)
        cursor = cursors.decode(after)
        verdict = self.log.judge(project_id, cursor)
        if verdict.kind != "ask":
            return verdict
        epoch = self.log.epoch
        known = None
        if self.journal is not None and not self.log.blind:
            known = await self._ask(
                "a place was not looked up", lambda journal: journal.fingerprint(epoch, cursor.offset)
            )
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
        if self.journal is None or self.log.blind:
            return None
        entries = await self._behind(project, after, limit)
        if self._retaining.locked():
            await in_time(asyncio.ensure_future(self._retained()), self._patience, "what is too old was not dropped")
        floor = self.log.floor_of(project.id)
        # Only now: a floor that rose while the rows were read makes them a part, and a part is never called whole.
        return None if floor is not None and after < floor.place else entries

    async def _behind(self, project: Watched, after: Place, limit: int) -> Sequence[Entry]:
        while True:
            ask = partial(read_after, project_id=project.id, after=after, limit=limit)
            rows = await self._ask("events were not read", ask)
            left = self.log.purges.left(project.id, rows)
            if left or not rows:
                return left
            # What was removed meanwhile is passed over: nothing left would mean that nothing comes.
            after = rows[-1].place

    async def older(self, project: Watched, before: Place | None, limit: int) -> Sequence[Entry]:
        """Return up to `limit` entries before a place, the newest of them, as far as they can be read, oldest first."""
        if self.journal is None or self.log.blind:
            return ()
        rows = await self._ask(
            "events were not read",
            lambda journal: journal.read(project.id, before=before, limit=limit, newest=True),
        )
        return self.log.purges.left(project.id, rows)

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
        if len(held) <= count and timeline.bottom is not None:
            limit = count + 1 - len(held)
            # With nothing held, only up to where the viewer goes on: what is recorded meanwhile comes after the tail.
            before = held[0].place if held else just_after(passed.place)
            older = await self.older(project, before, limit)
            if whole and floor is not None:
                # What the journal has below it may end before a hole of this project's own.
                older = [entry for entry in older if entry.place > floor.place]
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

    # -- retention ----------------------------------------------------------------------------------------------

    async def _retained(self) -> None:
        async with self._retaining:
            return

    async def retain(self, now: float) -> bool:
        """Let the journal drop a slice of what is too old; tell whether it dropped anything."""
        if self.journal is None:
            return False
        async with self._retaining:
            try:
                floors = await self.journal.retain(now)
            except JournalError as error:
                self._observer.journal_failed(error)
                if isinstance(error, JournalDamaged):
                    self._trouble.found(error)
                return False
            for project_id, floor in floors.items():
                self.log.raise_floor(project_id, floor)
        return bool(floors)


def just_after(place: Place) -> Place:
    """Return a bound that lets a place itself be read and nothing behind it."""
    return place._replace(part=place.part + 1)


async def read_after(journal: Journal, *, project_id: str, after: Place, limit: int) -> Sequence[Entry]:
    """Return a journal's entries behind a place."""
    return await journal.read(project_id, after=after, limit=limit)
