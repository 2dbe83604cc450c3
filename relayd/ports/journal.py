"""One relay's own view of the log on disk."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from relayd.core.floor import Floor
from relayd.core.purges import Purge
from relayd.core.timeline import Entry
from relayd.ports.sources import Position
from relayd.protocol.cursor import Place

__all__ = [
    "Aside",
    "Body",
    "Commit",
    "Doomed",
    "Found",
    "Journal",
    "JournalDamaged",
    "JournalError",
    "JournalMistake",
    "Kept",
    "ProjectRow",
    "PurgeBook",
    "Recovered",
    "Rejected",
]


class Body(Struct, frozen=True, gc=False):
    """One body of the log as the journal remembers it: checkpoint and window of repeats."""

    epoch: int
    offset: int
    fingerprint: bytes
    repeat_keys: Sequence[int]
    """64-bit keys of the message ids in it that were new, in order."""


class ProjectRow(Struct, frozen=True, kw_only=True):
    """A project's state at a place, as the journal keeps it and lists it."""

    project_id: str
    place: Place
    snapshot: bytes
    """JSON of the fold, read by `core.project` only."""
    status: str
    owner: str | None
    team: str | None
    started_at: float | None
    completed_at: float | None
    updated_at: float


class Rejected(Struct, frozen=True, kw_only=True):
    """An event that could not be understood, with all that is needed to see why and to publish it again."""

    cursor: str
    place: Place
    reason: str
    detail: str
    headers: Mapping[str, Any]
    body: bytes
    received_at: float
    truncated: bool = False
    """The body was over the limit for keeping; only its beginning is here."""
    replayed_at: float | None = None


class Commit(Struct, frozen=True, kw_only=True):
    """What one transaction writes: position and data can't disagree."""

    position: Position
    bodies: Sequence[Body]
    entries: Mapping[str, Sequence[Entry]]
    """By project, in the log's order."""
    projects: Sequence[ProjectRow]
    rejected: Sequence[Rejected]
    received_at: float
    floor: Floor | None = None
    """A new floor for all projects, after a hole."""
    floors: Mapping[str, Floor] = {}
    """New floors of single projects, whose events were let go before they were written."""


class Recovered(Struct, frozen=True, kw_only=True):
    """What a journal knows when it opens."""

    position: Position | None
    bodies: Sequence[Body]
    """The newest ones, oldest first, with at least the window of repeats in keys (or all there are)."""
    floors: Mapping[str, Floor]
    floor: Floor | None
    """The floor of all projects."""
    projects: frozenset[str]
    """Ids of all projects it can load."""


class Kept(Struct, frozen=True, kw_only=True):
    """One project as the journal holds it: the newest snapshot, and the entries after it to fold forward."""

    row: ProjectRow | None
    since: Sequence[Entry]
    newest: Sequence[Entry]
    """The newest entries, oldest first, to fill a timeline."""


class Doomed(Struct, frozen=True, kw_only=True):
    """What the journal shall hold no more, strictly between two places."""

    project_id: str | None
    """Whose events; None: only what could not be understood."""
    after: Place
    before: Place
    state: Callable[[ProjectRow, Sequence[bytes]], ProjectRow]
    """Returns the project's row without what is gone, given the payloads of what goes now."""
    named: bytes = b""
    """Rejected events go if these bytes stand in them; all, if there are none."""


class Found(Struct, frozen=True, kw_only=True):
    """What came of one raw event."""

    entries: Sequence[Entry]
    rejected: Sequence[Rejected]


class Aside(Struct, frozen=True):
    """Where a file was moved to, and which older ones made room for it."""

    path: str
    gone: Sequence[str] = ()


class JournalError(Exception):
    """The journal can't do it; the message says why and what an operator can do."""


class JournalDamaged(JournalError):
    """What the file holds can't be trusted any more; trying again does not help, a new file does."""


class JournalMistake(JournalError):
    """The file is not this relay's to use: another log's or process's, too new, out of reach; people mend that."""


class Journal(Protocol):
    """One relay's own view of the log on disk; every place it tells is durable."""

    async def open(self, log: str, *, window: int) -> Recovered:
        """Open or create it for that log; raises JournalMistake, JournalDamaged or JournalError, and is closed then."""
        ...

    async def check(self) -> None:
        """Look through what an unclean stop left behind, beside all else; raises JournalDamaged, JournalError."""
        ...

    async def set_aside(self, now: float) -> Aside | None:
        """Close it and move its file out of the way, so that `open` makes a new one; None where there is none."""
        ...

    async def commit(self, commit: Commit) -> None:
        """Write all of it or nothing."""
        ...

    async def load(self, project_id: str, *, newest: int) -> Kept | None:
        """Return one project, or None when the journal does not know it."""
        ...

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
        ...

    async def fingerprint(self, epoch: int, offset: int) -> bytes | None:
        """Return the fingerprint of the body at that offset, None when it is not (or no longer) known."""
        ...

    async def list_projects(self) -> Sequence[ProjectRow]:
        """Return all projects' newest rows."""
        ...

    async def retain(self, now: float) -> Mapping[str | None, Floor]:
        """Drop a slice of what is beyond age, bytes or count; return raised floors by project (None: all projects)."""
        ...

    async def list_rejected(self, *, before: int | None, limit: int) -> Sequence[tuple[int, Rejected]]:
        """Return rejected events with their numbers, newest first."""
        ...

    async def show_rejected(self, number: int) -> Rejected | None:
        """Return one rejected event."""
        ...

    async def mark_replayed(self, number: int, now: float) -> None:
        """Note that a rejected event was published again."""
        ...

    async def find(self, offset: int, item: int) -> Found:
        """Return what came of the raw events with that number in bodies at that offset, of any epoch and project."""
        ...

    async def purge(self, doomed: Sequence[Doomed]) -> int:
        """Empty the places of what is doomed, keep the places, and return how many events and rejected ones went."""
        ...

    async def scour(self) -> Sequence[str]:
        """Leave nothing in the file of what it holds no more; return the files moved aside that may still hold it."""
        ...

    async def close(self) -> None:
        """Finish what was begun and let go of the file."""
        ...


class PurgeBook(Protocol):
    """Where a relay notes what was removed for good, apart from the journal, which may be lost."""

    @property
    def lasting(self) -> bool:
        """What is noted is there again after a restart."""
        ...

    async def read(self, log: str) -> Sequence[Purge]:
        """Return what was noted; raises JournalMistake if it can't be read or is of another log."""
        ...

    async def write(self, log: str, purges: Sequence[Purge]) -> None:
        """Note all of these in place of what was noted, durably; raises JournalError."""
        ...
