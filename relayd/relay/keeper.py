"""
What is read goes to the journal, with the position it was read at, in one transaction.

A log that can be read again is shown first and written behind, four times a second.  A log that can't is written
first: never show what a crash could unmake.

Law 1: a slow journal holds intake back, and with it the broker's acknowledgements; viewers get what was taken in.  One
that is too slow for one piece of work is given up like one that fails, but never in the middle of an event that only
it would hold: whether that was written nobody could tell, so it is waited for, and `/readyz` says so.
Law 2: one transaction at a time, also of those that were given up: what it wrote is known only when it has ended.
Law 3: a journal that was given up is written again with one transaction that brings it up to what memory holds; what
memory let go of meanwhile is below the floors that are written with it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress

from relayd.core.floor import BELOW_ALL, Floor
from relayd.core.outage import missed
from relayd.core.staging import Staging
from relayd.ports import Body, Clock, Commit, Doomed, JournalError, Observer, Position, ProjectRow, Rejected
from relayd.protocol.cursor import Place
from relayd.relay.deadline import complaining, in_time, late
from relayd.relay.limits import Limits
from relayd.relay.past import Past
from relayd.relay.pending import Pending, row
from relayd.relay.subscription import Watched
from relayd.relay.trouble import Trouble

__all__ = ["Keeper"]

SNAPSHOT_SECONDS = 5.0
"""Snapshots are written at most so often; what lies between is folded forward when a project is loaded."""

SNAPSHOTS = 200
"""So many snapshots go into one transaction, to keep the loop's turns short."""

LATE = "a transaction was not written"

BACKLOG = 8
"""So many full transactions may wait before intake does; then the broker's acks wait, too."""


class Keeper:
    """Gathers what was read and writes it."""

    def __init__(
        self, past: Past, *, replays: bool, trouble: Trouble, observer: Observer, clock: Clock, limits: Limits
    ) -> None:
        """Write into the journal of a past, once somebody has set the position it was recovered at."""
        self._past = past
        self._log = past.log
        self._replays = replays
        self._trouble = trouble
        self._observer = observer
        self._clock = clock
        self._limits = limits
        self._pending = Pending()
        self._dirty: dict[str, Watched] = {}
        self._snapshots_at = clock.monotonic()
        self._work = asyncio.Event()
        self._writing = asyncio.Lock()
        self._room = asyncio.Event()
        self._room.set()
        self._left: tuple[asyncio.Future[None], Commit] | None = None
        self._follows = True
        """What comes is pending; else memory alone has it."""
        self.position: Position | None = None
        """What the journal holds up to."""

    def keep(self, staging: Staging, rejected: Sequence[Rejected], touched: Sequence[Watched]) -> None:
        """Note a batch that was applied; it is written soon."""
        if self._past.journal is None:
            return
        self.note(touched)
        most = BACKLOG * self._limits.commit_bytes
        if not self._follows:
            self._pending.reject(rejected)
            self._pending.shed(most)
            return
        self._pending.add(staging, rejected)
        if self._pending.nbytes >= self._limits.commit_bytes:
            self._work.set()
        if self._pending.nbytes >= most and self._log.loose:
            # It is just catching up, and nobody waits for that: it will have to catch up once more.
            self._forget_pending()
        elif self._pending.nbytes >= most:
            self._room.clear()

    def note(self, touched: Sequence[Watched]) -> None:
        """Note projects whose snapshots are no longer true."""
        self._dirty |= {project.id: project for project in touched}

    def forget_gone(self) -> None:
        """Forget what was noted of projects that memory has let go of."""
        held = self._log.projects
        self._dirty = {name: project for name, project in self._dirty.items() if held.get(name) is project}

    def raise_floor(self, floor: Floor) -> None:
        """Note a floor of all projects; it is written with the next batch, for it belongs to what comes after it."""
        self._pending.floor = floor

    def purge(self, doomed: Doomed) -> int:
        """Let go of what is doomed before it is written, and return how many events that were."""
        return self._pending.purge(doomed)

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
        # One at a time: snapshots alone are written at the last position, which another commit may be about to move.
        async with self._writing:
            if self._past.journal is None or self._log.loose:
                return
            if not await self._ended():
                self.fail(JournalError("a transaction that nobody waited for was not written"))
                return
            rows = self._rows(everything=everything)
            pending = self._pending
            if not pending.bodies and not rows:
                return
            self._pending = Pending()
            try:
                await self._write(pending, rows)
            except JournalError as error:
                self.fail(error)
                if self._log.loose:
                    self._pending.rejected[:0] = pending.rejected
            finally:
                self._room.set()

    async def commit(self, staging: Staging, rejected: Sequence[Rejected]) -> None:
        """Write a batch that is not yet applied, and return when it is durable; raises JournalError."""
        if self._past.journal is None:
            return
        async with self._writing:
            pending, self._pending = self._pending, Pending()
            pending.add(staging, rejected)
            try:
                await self._write(pending, [])
            except JournalError as error:
                self._trouble.tell(error, f"the journal can't be written, publishers are refused: {error}")
                raise

    async def catch_up(self) -> None:
        """Bring a journal that was given up to where the log is, and write it again from there; raises JournalError."""
        async with self._writing:
            while self._log.loose and self._past.journal is not None:
                await self._ended()
                await self._catch_up_once()
                self._log.loose = not self._follows

    async def idle(self) -> None:
        """Return when nothing is being written any more, nor what was given up."""
        async with self._writing:
            await self._ended()

    def reached(self, position: Position) -> None:
        """Take note that the journal holds everything up to a position."""
        self.position = position
        self._log.settled = self._end_of(position)

    def fail(self, error: JournalError) -> None:
        """Take note of a failure; a log that can be read again is served from memory alone until that is mended."""
        if not self._replays:
            self._observer.journal_failed(error)
            return
        self._trouble.tell(error, f"the journal is detached, live service goes on from memory: {error}")
        self._log.loose = True
        self._forget_pending()
        # Nobody waits any more for a journal to follow.
        self._room.set()

    def _forget_pending(self) -> None:
        self._follows = False
        self._pending = Pending(self._pending.rejected)

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

    async def _catch_up_once(self) -> None:
        log, position = self._log, self.position
        after = BELOW_ALL if position is None else self._end_of(position)
        lost = missed(log, after, nbytes=self._limits.catch_up_bytes)
        bodies = [Body(log.epoch, offset, mark, ()) for offset, mark in lost.bodies]
        if bodies:
            # With the last of them: whoever begins there remembers all of these, and in this order.
            bodies[-1] = Body(log.epoch, *lost.bodies[-1], tuple(lost.keys))
        pending = Pending(self._pending.rejected)
        pending.bodies, pending.floor = bodies, log.floor
        pending.entries = {name: list(entries) for name, entries in lost.entries.items()}
        pending.events = sum(map(len, lost.entries.values()))
        # From here on what comes is pending again; should this fail, memory has it all the same.
        self._pending, self._follows = Pending(), True
        try:
            await self._write(pending, self._rows(everything=True), floors=lost.floors)
        except JournalError:
            self._forget_pending()
            self._pending.rejected[:0] = pending.rejected
            raise

    async def _write(
        self,
        pending: Pending,
        rows: list[tuple[Watched, ProjectRow]],
        floors: Mapping[str, Floor] | None = None,
    ) -> None:
        position = pending.position or self.position
        if position is None:
            return
        began = self._clock.monotonic()
        commit = Commit(
            position=position,
            bodies=pending.bodies,
            entries=pending.entries,
            projects=[written for _, written in rows],
            rejected=pending.rejected,
            received_at=self._clock.now(),
            floor=pending.floor,
            floors=floors or {},
        )
        try:
            await self._put(commit)
        except JournalError:
            self.note([project for project, _ in rows])
            self._pending.floor = self._pending.floor or pending.floor
            raise
        self._written(commit)
        for project, written in rows:
            self._log.shelved.add(project.id)
            if project.place == written.place:
                project.dirty = False
        self._observer.committed(events=pending.events, seconds=self._clock.monotonic() - began)

    async def _put(self, commit: Commit) -> None:
        journal, patience = self._past.journal, self._limits.journal_patience_seconds
        assert journal is not None  # noqa: S101  # whoever writes has looked
        work = asyncio.ensure_future(journal.commit(commit))
        self._left = work, commit
        try:
            if self._replays:
                await in_time(work, patience, LATE)
                return
            with complaining(patience, self._complain):
                # Who waits for it may be ended; it is written all the same, and its position is the journal's.
                await asyncio.shield(work)
        finally:
            self._left = None if work.done() else self._left
        self._trouble.over()

    async def _ended(self) -> bool:
        """Wait for a transaction that was given up, and tell whether it was written after all, or there was none."""
        if self._left is None:
            return True
        work, commit = self._left
        await asyncio.wait({work})
        self._left = None
        written = not work.cancelled() and work.exception() is None
        if written:
            self._written(commit)
        return written

    def _written(self, commit: Commit) -> None:
        self.reached(commit.position)
        for project_id, floor in commit.floors.items():
            self._log.raise_floor(project_id, floor)

    def _end_of(self, position: Position) -> Place:
        return self._log.end_of(position.offset)._replace(epoch=position.epoch)

    def _complain(self) -> None:
        error = late(LATE, self._limits.journal_patience_seconds)
        self._trouble.tell(error, f"publishers wait for the journal: {error}")
