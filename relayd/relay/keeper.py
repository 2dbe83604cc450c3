"""
What is read goes to the journal, with the position it was read at, in one transaction.

A log that can be read again is shown first and written behind, four times a second.  A log that can't is written
first: never show what a crash could unmake.

Law: a slow journal holds intake back, and with it the broker's acknowledgements; viewers get what was taken in.  One
that is too slow for one piece of work is given up like one that fails, but never in the middle of an event that only
it would hold: whether that was written nobody could tell, so it is waited for, and `/readyz` says so.
"""

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from contextlib import suppress
from typing import TypeVar

import msgspec

from relayd.core.ageing import Ageing
from relayd.core.floor import Floor
from relayd.core.staging import Staging
from relayd.core.timeline import Entry
from relayd.ports import Body, Clock, Commit, Journal, JournalError, Observer, Position, ProjectRow, Rejected
from relayd.relay.deadline import within
from relayd.relay.limits import Limits
from relayd.relay.past import Past
from relayd.relay.subscription import Watched

__all__ = ["Keeper", "Pending"]

T = TypeVar("T")

SNAPSHOT_SECONDS = 5.0
"""Snapshots are written at most so often; what lies between is folded forward when a project is loaded."""

SNAPSHOTS = 200
"""So many snapshots go into one transaction, to keep the loop's turns short."""

RETENTION_SECONDS = 10.0

LATE = "a transaction was not written"

BACKLOG = 8
"""So many full transactions may wait before intake does; then the broker's acks wait, too."""

BODY_BYTES, REJECTED_BYTES = 64, 512
"""What a body and a rejected event take beside their bytes: repeats have none, and a flood of them must count."""


class Pending:
    """What the next transaction will hold."""

    def __init__(self) -> None:
        """Begin empty."""
        self.bodies: list[Body] = []
        self.entries: dict[str, list[Entry]] = {}
        self.rejected: list[Rejected] = []
        self.floor: Floor | None = None
        self.events = 0
        self.nbytes = 0

    def add(self, staging: Staging, rejected: Sequence[Rejected]) -> None:
        """Add a batch."""
        for body in staging.bodies:
            self.bodies.append(Body(staging.epoch, body.offset, body.fingerprint, body.repeat_keys))
            self.events += len(body.entries)
        for project_id, said in staging.projects.items():
            self.entries.setdefault(project_id, []).extend([entry for _, entry in said])
        self.nbytes += staging.nbytes + BODY_BYTES * len(staging.bodies)
        self.nbytes += sum(len(item.body) + REJECTED_BYTES for item in rejected)
        self.rejected += rejected

    @property
    def position(self) -> Position | None:
        """Where the log has been read to, once this is written; None if it holds no body."""
        if not self.bodies:
            return None
        last = self.bodies[-1]
        return Position(last.epoch, last.offset, last.fingerprint)


class Keeper:
    """Gathers what was read and writes it."""

    def __init__(
        self, past: Past, position: Position | None, *, replays: bool, observer: Observer, clock: Clock, limits: Limits
    ) -> None:
        """Write into the journal of a past that was recovered at a position."""
        self._past = past
        self._log = past.log
        self._position = position
        self._replays = replays
        self._observer = observer
        self._clock = clock
        self._limits = limits
        self._pending = Pending()
        self._dirty: dict[str, Watched] = {}
        self._snapshots_at = clock.monotonic()
        self._ageing = Ageing(clock.now(), clock.monotonic())
        self._work = asyncio.Event()
        self._writing = asyncio.Lock()
        self._room = asyncio.Event()
        self._room.set()
        self.trouble = ""
        """A sentence for `/readyz` while the journal can't be written."""

    def keep(self, staging: Staging, rejected: Sequence[Rejected], touched: Sequence[Watched]) -> None:
        """Note a batch that was applied; it is written soon."""
        self.note(touched)
        if self._past.journal is None:
            return
        self._pending.add(staging, rejected)
        if self._pending.nbytes >= self._limits.commit_bytes:
            self._work.set()
        if self._pending.nbytes >= BACKLOG * self._limits.commit_bytes:
            self._room.clear()

    def note(self, touched: Sequence[Watched]) -> None:
        """Note projects whose snapshots are no longer true."""
        self._dirty |= {project.id: project for project in touched}

    def raise_floor(self, floor: Floor) -> None:
        """Note a floor of all projects; it is written with the next batch, for it belongs to what comes after it."""
        self._pending.floor = floor

    async def room(self) -> None:
        """Return when the journal is not too far behind."""
        await self._room.wait()

    async def write(self) -> None:
        """Write what is pending, for ever, at the pace of the limits."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._limits.commit_seconds):
                    await self._work.wait()
            self._work.clear()
            await self.flush()

    async def flush(self, *, everything: bool = False) -> None:
        """Write what is pending now; with `everything` all snapshots, too."""
        rows = self._rows(everything=everything)
        pending = self._pending
        if self._past.journal is None or (not pending.bodies and not rows):
            return
        self._pending = Pending()
        try:
            await self._commit(pending, rows)
        except JournalError as error:
            self.fail(error)
        finally:
            self._room.set()

    async def commit(self, staging: Staging, rejected: Sequence[Rejected]) -> None:
        """Write a batch that is not yet applied, and return when it is durable; raises JournalError."""
        pending, self._pending = self._pending, Pending()
        pending.add(staging, rejected)
        try:
            await self._commit(pending, [])
        except JournalError as error:
            self._observer.journal_failed(error)
            self.trouble = f"the journal can't be written, publishers are refused: {error}"
            raise

    async def open_all(self, project_ids: Iterable[str]) -> None:
        """Bring projects to memory before events of theirs are recorded; raises JournalError."""
        await self._in_time(self._past.open_all(project_ids), "a project was not read")

    async def retain(self) -> None:
        """Let the journal forget what is too old, and memory what is cold, for ever."""
        while True:
            while await self._retain():  # noqa: ASYNC110  # work in slices, no waiting
                await asyncio.sleep(0)
            # One that was folded forward when it was loaded is dirty, too; unwritten it could never be unloaded.
            if self._past.journal is not None:
                self.note([project for project in self._log.projects.values() if project.dirty])
            self._log.unload(projects=self._limits.projects)
            await asyncio.sleep(RETENTION_SECONDS)

    async def _retain(self) -> bool:
        work = self._past.retain(self._ageing.now(self._clock.now(), self._clock.monotonic()))
        if not self._replays:
            return await work  # What it drops must be known: a floor that was missed would call a part whole.
        try:
            return await self._in_time(work, "what is too old was not dropped")
        except JournalError as error:
            self.fail(error)
            return False

    def fail(self, error: JournalError) -> None:
        """Take note of a failure; with a log that can be read again, serve from memory alone from now on."""
        self._observer.journal_failed(error)
        if not self._replays or self._past.journal is None:
            return
        self.trouble = f"the journal is detached, live service goes on from memory: {error}"
        self._past.journal = None
        self._pending = Pending()
        self._log.detach()
        # Nobody waits any more for a journal to follow.
        self._room.set()

    def _rows(self, *, everything: bool) -> list[tuple[Watched, ProjectRow]]:
        now = self._clock.monotonic()
        if not everything and now - self._snapshots_at < SNAPSHOT_SECONDS:
            return []
        rows = []
        for project_id in list(self._dirty) if everything else list(self._dirty)[:SNAPSHOTS]:
            project = self._dirty.pop(project_id)
            if (written := row(project)) is not None:
                rows.append((project, written))
        if not self._dirty:
            self._snapshots_at = now
        return rows

    async def _commit(self, pending: Pending, rows: list[tuple[Watched, ProjectRow]]) -> None:
        # One at a time: snapshots alone are written at the last position, which another commit may be about to move.
        async with self._writing:
            await self._commit_alone(pending, rows)

    async def _commit_alone(self, pending: Pending, rows: list[tuple[Watched, ProjectRow]]) -> None:
        journal, position = self._past.journal, pending.position or self._position
        if journal is None or position is None:
            return
        began = self._clock.monotonic()
        try:
            await self._put(
                journal,
                Commit(
                    position=position,
                    bodies=pending.bodies,
                    entries=pending.entries,
                    projects=[written for _, written in rows],
                    rejected=pending.rejected,
                    received_at=self._clock.now(),
                    floor=pending.floor,
                ),
            )
        except JournalError:
            self.note([project for project, _ in rows])
            self._pending.floor = self._pending.floor or pending.floor
            raise
        self._position = position
        if self._past.journal is None:
            # It was given up meanwhile: from now on memory is all there is.
            return
        self._log.settled = self._log.end_of(position.offset)._replace(epoch=position.epoch)
        for project, written in rows:
            self._log.shelved.add(project.id)
            if project.place == written.place:
                project.dirty = False
        self._observer.committed(events=pending.events, seconds=self._clock.monotonic() - began)

    async def _put(self, journal: Journal, commit: Commit) -> None:
        if self._replays:
            await self._in_time(journal.commit(commit), LATE)
            return
        slow = asyncio.get_running_loop().call_later(self._limits.journal_patience_seconds, self._complain)
        try:
            await journal.commit(commit)
        finally:
            slow.cancel()
        self.trouble = ""

    def _complain(self) -> None:
        late = self._too_slow(LATE)
        self._observer.journal_failed(late)
        self.trouble = f"publishers wait for the journal: {late}"

    async def _in_time(self, work: Awaitable[T], what: str) -> T:
        """Return what the work returns; raises JournalError when it takes too long, and its end is not waited for."""
        try:
            return await within(self._limits.journal_patience_seconds, work)
        except TimeoutError:
            raise self._too_slow(what) from None

    def _too_slow(self, what: str) -> JournalError:
        seconds = self._limits.journal_patience_seconds
        return JournalError(
            f"{what} within {seconds:g} s: see whether the disk hangs or is overloaded, then restart relayd;"
            " `journal.patience_seconds` is how long it may take"
        )


def row(project: Watched) -> ProjectRow | None:
    """Return a project as the journal keeps it, None if it has no event."""
    if project.place is None:
        return None
    state = project.state
    return ProjectRow(
        project_id=project.id,
        place=project.place,
        snapshot=msgspec.json.encode(state),
        status=state.status,
        owner=state.owner,
        team=state.team,
        started_at=state.started_at,
        completed_at=state.completed_at,
        updated_at=state.updated_at,
    )
