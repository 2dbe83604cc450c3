"""A journal in memory that keeps the contract of the one on disk; `JournalContract` is what both are tested with."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from relayd.core.floor import Floor
from relayd.core.timeline import Entry
from relayd.ports import (
    Aside,
    Body,
    Commit,
    Doomed,
    Found,
    JournalDamaged,
    JournalError,
    JournalMistake,
    Kept,
    Position,
    ProjectRow,
    Recovered,
    Rejected,
)
from relayd.protocol.cursor import Place, decode
from relayd.testing.journal_contract import JournalContract
from relayd.testing.journal_purging import Chunk, find, purge

__all__ = ["FakeJournal", "JournalContract"]


class FakeJournal:
    """
    Holds everything in memory; what was written is there again after `close` and `open`.

    Set `failure` and every verb but `close` raises it, set `full` and those that write do, set `damage` and `check`
    does; set `gate` and a commit waits for it, like one on a slow disk.
    """

    def __init__(
        self,
        *,
        max_age_seconds: float = 604_800,
        max_bytes: int = 1 << 40,
        max_events_per_project: int = 100_000,
        max_rejected: int = 10_000,
    ) -> None:
        """Begin empty; `max_bytes` counts payloads."""
        self.failure: JournalError | None = None
        self.full: JournalError | None = None
        self.damage: JournalDamaged | None = None
        self.gate: asyncio.Event | None = None
        self.commits: list[Commit] = []
        """All that were written, oldest first."""
        self.aside: list[Position | None] = []
        """Where the files ended that were moved away."""
        self._max_age = max_age_seconds
        self._max_bytes = max_bytes
        self._max_events = max_events_per_project
        self._max_rejected = max_rejected
        self._opened = False
        self._begin()

    def _begin(self) -> None:
        self._log: str | None = None
        self._position: Position | None = None
        self._floor: Floor | None = None
        self._floors: dict[str, Floor] = {}
        self._bodies: list[Body] = []
        self._chunks: list[Chunk] = []
        self._rows: dict[str, ProjectRow] = {}
        self._updated: dict[str, float] = {}
        self._rejected: dict[int, Rejected] = {}
        self._number = 0

    async def open(self, log: str, *, window: int) -> Recovered:
        """Return what was written so far; raises JournalError if it is open already or of another log."""
        if self.failure is not None:
            raise self.failure
        if self._opened:
            raise JournalMistake("the journal is open already")
        if self._log not in {None, log}:
            raise JournalMistake(f"the journal belongs to the log {self._log!r}, not to {log!r}")
        self._opened, self._log = True, log
        return Recovered(
            position=self._position,
            bodies=self._recovered(window),
            floors=dict(self._floors),
            floor=self._floor,
            projects=frozenset(self._updated),
        )

    def _recovered(self, window: int) -> list[Body]:
        bodies = self._bodies
        if self._position is not None and (not bodies or bodies[-1].offset != self._position.offset):
            bodies = [*bodies, Body(self._position.epoch, self._position.offset, self._position.fingerprint, ())]
        keys = 0
        for index in range(len(bodies) - 1, -1, -1):
            keys += len(bodies[index].repeat_keys)
            if keys >= window:
                return bodies[index:]
        return list(bodies)

    async def check(self) -> None:
        """Raise the damage, if a test has set one."""
        self._need()
        if self.damage is not None:
            raise self.damage

    async def set_aside(self, now: float) -> Aside | None:
        """Forget everything but where it ended; as file name comes the time."""
        self._opened = False
        if self._log is None:
            return None
        self.aside.append(self._position)
        self.damage = None
        self._begin()
        return Aside(f"aside-{now:.0f}")

    async def commit(self, commit: Commit) -> None:
        """Write all of it or nothing; raises JournalError for what lies before the stored position."""
        self._need_to_write()
        if self.gate is not None:
            await self.gate.wait()
            self._need_to_write()
        self._refuse(commit)
        self.commits.append(commit)
        self._position = commit.position
        self._bodies += commit.bodies
        for project_id, entries in commit.entries.items():
            if entries:
                self._chunks.append(Chunk(project_id, list(entries)))
                self._touch(project_id, self._chunks[-1].received_at)
        for row in commit.projects:
            self._rows[row.project_id] = row
            self._touch(row.project_id, row.updated_at)
        for one in commit.rejected:
            self._number += 1
            self._rejected[self._number] = one
            self._rejected.pop(self._number - self._max_rejected, None)
        if commit.floor is not None and (self._floor is None or commit.floor.place > self._floor.place):
            self._floor = commit.floor
        for project_id, floor in commit.floors.items():
            self._raise(project_id, floor)
            self._updated.setdefault(project_id, commit.received_at)

    def _raise(self, project_id: str, floor: Floor) -> None:
        old = self._floors.get(project_id)
        if old is None or floor.place > old.place:
            self._floors[project_id] = floor

    def _refuse(self, commit: Commit) -> None:
        if any(b"\n" in one.payload for entries in commit.entries.values() for one in entries):
            raise JournalError("a payload holds a line feed and can't be kept")
        if self._position is None:
            return
        stored = (self._position.epoch, self._position.offset)
        new = [(body.epoch, body.offset) for body in commit.bodies]
        new += [one.place[:2] for entries in commit.entries.values() for one in entries]
        if (commit.position.epoch, commit.position.offset) < stored or any(at <= stored for at in new):
            raise JournalError("the journal already holds the log up to there")

    def _touch(self, project_id: str, at: float) -> None:
        self._updated[project_id] = max(at, self._updated.get(project_id, at))

    async def load(self, project_id: str, *, newest: int) -> Kept | None:
        """Return one project, or None when it is not known."""
        self._need()
        if project_id not in self._updated:
            return None
        row = self._rows.get(project_id)
        entries = list(self._entries(project_id))
        since = [one for one in entries if row is None or one.place > row.place]
        return Kept(row=row, since=since, newest=entries[max(0, len(entries) - newest) :])

    async def read(
        self,
        project_id: str,
        *,
        after: Place | None = None,
        before: Place | None = None,
        limit: int,
        newest: bool = False,
    ) -> Sequence[Entry]:
        """Return up to `limit` entries strictly between the places, oldest first; `newest`: those nearest the end."""
        self._need()
        found = [
            one
            for one in self._entries(project_id)
            if (after is None or one.place > after) and (before is None or one.place < before)
        ]
        return found[max(0, len(found) - limit) :] if newest else found[:limit]

    def _entries(self, project_id: str) -> Iterator[Entry]:
        return (one for chunk in self._chunks if chunk.project_id == project_id for one in chunk.held)

    async def fingerprint(self, epoch: int, offset: int) -> bytes | None:
        """Return the fingerprint of the body at that offset, None when it is not known."""
        self._need()
        if self._position is not None and (self._position.epoch, self._position.offset) == (epoch, offset):
            return self._position.fingerprint
        return next((one.fingerprint for one in self._bodies if (one.epoch, one.offset) == (epoch, offset)), None)

    async def list_projects(self) -> Sequence[ProjectRow]:
        """Return all projects' newest rows."""
        self._need()
        return list(self._rows.values())

    async def retain(self, now: float) -> Mapping[str | None, Floor]:
        """Drop all that is beyond age, bytes or count; return raised floors by project (None: all projects)."""
        self._need_to_write()
        horizon = now - self._max_age
        raised: dict[str | None, Floor] = {}
        while self._chunks and self._chunks[0].received_at < horizon:
            self._drop(self._chunks[0], raised)
        events = Counter(chunk.project_id for chunk in self._chunks for _ in chunk.entries)
        for chunk in list(self._chunks):
            if events[chunk.project_id] - len(chunk.entries) >= self._max_events:
                events[chunk.project_id] -= len(chunk.entries)
                self._drop(chunk, raised)
            else:
                # Its oldest chunk stays, so all do.
                events[chunk.project_id] = 0
        while self._chunks and self._nbytes() > self._max_bytes:
            self._drop(self._chunks[0], raised)
        held = {chunk.project_id for chunk in self._chunks}
        for project_id in [one for one, at in self._updated.items() if at < horizon and one not in held]:
            self._forget(project_id, raised)
        return raised

    def _nbytes(self) -> int:
        return sum(len(one.payload) for chunk in self._chunks for one in chunk.entries)

    def _drop(self, chunk: Chunk, raised: dict[str | None, Floor]) -> None:
        self._chunks.remove(chunk)
        last = chunk.entries[-1]
        self._raise(chunk.project_id, Floor(last.place, decode(last.cursor).fingerprint))
        raised[chunk.project_id] = self._floors[chunk.project_id]

    def _forget(self, project_id: str, raised: dict[str | None, Floor]) -> None:
        del self._updated[project_id]
        row = self._rows.pop(project_id, None)
        own = self._floors.pop(project_id, None) or (Floor(row.place) if row is not None else None)
        if own is not None and (self._floor is None or own.place > self._floor.place):
            self._floor = raised[None] = own

    async def list_rejected(self, *, before: int | None, limit: int) -> Sequence[tuple[int, Rejected]]:
        """Return rejected events with their numbers, newest first."""
        self._need()
        return [one for one in reversed(self._rejected.items()) if before is None or one[0] < before][:limit]

    async def show_rejected(self, number: int) -> Rejected | None:
        """Return one rejected event."""
        self._need()
        return self._rejected.get(number)

    async def mark_replayed(self, number: int, now: float) -> None:
        """Note that a rejected event was published again; raises JournalError if it is not there."""
        self._need_to_write()
        if number not in self._rejected:
            raise JournalError(f"rejected event {number} is not (or no longer) in the journal")
        self._rejected[number] = replace(self._rejected[number], replayed_at=now)

    async def find(self, offset: int, item: int) -> Found:
        """Return what came of the raw events with that number in bodies at that offset, of any epoch and project."""
        self._need()
        return find(self._chunks, self._rejected, offset, item)

    async def purge(self, doomed: Sequence[Doomed]) -> int:
        """Empty the places of what is doomed, keep the places, and return how many events and rejected ones went."""
        self._need_to_write()
        return sum(purge(self._chunks, self._rows, self._rejected, one) for one in doomed)

    async def scour(self) -> Sequence[str]:
        """Do nothing: what was emptied is empty; name what was moved aside."""
        self._need_to_write()
        return [f"aside-{number}" for number, _ in enumerate(self.aside)]

    async def close(self) -> None:
        """Let go; what was written stays for the next `open`."""
        self._opened = False

    def _need(self) -> None:
        if self.failure is not None:
            raise self.failure
        if not self._opened:
            raise JournalError("the journal is not open")

    def _need_to_write(self) -> None:
        self._need()
        if self.full is not None:
            raise self.full
