"""
The few verbs that the relay needs from the world.

A port holds the fewest verbs that do.  Adapters stand in the rooms above, fakes in `relayd.testing`.
"""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct

from relayd.core.access import Decision, ProjectFacts, Viewer
from relayd.core.timeline import Entry
from relayd.dialects.delivery import Delivery, Item
from relayd.protocol.cursor import Place
from relayd.protocol.disconnect import Disconnect

__all__ = [
    "AuthFailed",
    "Authorizer",
    "Body",
    "Clock",
    "Commit",
    "Encoding",
    "Floor",
    "Holder",
    "Ingest",
    "Journal",
    "JournalError",
    "Kept",
    "LogBreak",
    "NoPlace",
    "Observer",
    "Position",
    "Presence",
    "ProjectRow",
    "Receipt",
    "Recovered",
    "Rejected",
    "Source",
    "SourceState",
    "Ticket",
    "TokenVerifier",
    "Wire",
]

# -- sources ----------------------------------------------------------------------------------------------------


class Position(Struct, frozen=True):
    """The last body a relay has processed; a resume starts there, inclusive, and compares the fingerprint."""

    epoch: int
    offset: int
    fingerprint: bytes


class LogBreak(Struct, frozen=True):
    """
    The log did not go on where it was left; comes between two batches.

    `truncated`: retention dropped events this relay never read; the next batch begins behind the hole.
    `recreated`: the log was deleted and made anew; offsets begin again.
    """

    cause: Literal["truncated", "recreated"]


class Receipt(Struct, frozen=True):
    """What became of one delivery, told to the source when it is safe to acknowledge it."""

    delivery: Delivery
    cursor: str
    accepted: int
    repeated: int
    rejected: Sequence[Item]


class SourceState(Struct, frozen=True):
    """How a source is; `detail` is a sentence for `/readyz`."""

    connected: bool
    caught_up: bool
    detail: str
    head_offset: int | None = None
    """The newest offset known to be in the log, where the source can know."""


class Source(Protocol):
    """Where events come from, in one order, each with an offset that never changes."""

    name: str
    log: str
    """The log's identity; equal for all relays that read the same log, over restarts."""
    replays: bool
    """It can be read again from a position; if not, the journal is the log and is written before anything is shown."""

    def batches(self, position: Position | None) -> AsyncGenerator[Sequence[Delivery] | LogBreak]:
        """Yield what there is, in order, for ever, from behind the position; reconnects by itself; ends on cancel."""
        ...

    def settle(self, receipts: Sequence[Receipt]) -> None:
        """Take note that these deliveries, the oldest unsettled ones, are processed: acknowledge or answer them."""
        ...

    def state(self) -> SourceState:
        """Return how it is now."""
        ...


class Ingest(Protocol):
    """A source that events can be handed to over HTTP."""

    async def offer(self, delivery: Delivery) -> Receipt:
        """Return what became of it once it is durable; the source gives its `offset`, what is passed is ignored."""
        ...


# -- journal ----------------------------------------------------------------------------------------------------


class Floor(Struct, frozen=True):
    """The place of the last event that retention dropped; a cursor below it can't be served whole."""

    place: Place
    fingerprint: bytes = b""
    """Empty where the body at that place was never seen (a hole)."""


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


class JournalError(Exception):
    """The journal can't do it; the message says why and what an operator can do."""


class Journal(Protocol):
    """One relay's own view of the log on disk; every place it tells is durable."""

    async def open(self, log: str, *, window: int) -> Recovered:
        """Open or create it for that log; raises JournalError if it is in use, of another log, or too new."""
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

    async def close(self) -> None:
        """Finish what was begun and let go of the file."""
        ...


# -- viewers ----------------------------------------------------------------------------------------------------


class Encoding(Protocol):
    """How a kind of viewer reads messages; a hashable value: viewers with equal encodings share bytes."""

    envelope: bool
    """Many messages travel as one frame; if not, each costs a frame of the pace."""
    modern: bool
    """The viewer understands notices and a snapshot inside `connection_established`."""

    def frame(self, entries: Sequence[Entry], cursor: str, sent_at: float) -> bytes:
        """Return the bytes for these entries; `cursor` is what the viewer has passed once it has read them."""
        ...

    def say(self, payload: bytes, cursor: str | None = None) -> bytes:
        """Return the bytes for one encoded message or notice that is not in the log."""
        ...

    def beat(self, cursor: str) -> bytes:
        """Return the bytes of a sign of life that also tells the cursor where the transport has a way to."""
        ...


class Wire(Protocol):
    """One viewer's socket."""

    encoding: Encoding

    def push(self, payload: bytes) -> bool:
        """Write now and return True, or write nothing and return False because the buffer is full."""
        ...

    def write(self, payload: bytes) -> None:
        """Write whatever the buffer holds; for the catch-up, which awaits `drain` after each."""
        ...

    async def drain(self) -> None:
        """Return when the buffer is low; raises ConnectionError when the viewer is gone."""
        ...

    def buffered(self) -> int:
        """Return the bytes that the kernel has not taken yet."""
        ...

    async def close(self, disconnect: Disconnect, sentence: str, retry_after_ms: int) -> None:
        """Say why and end, bounded in time."""
        ...

    def abort(self) -> None:
        """End at once."""
        ...


class AuthFailed(Exception):
    """The token does not open; `reason` is a metric label and never told to the stranger."""

    def __init__(self, reason: str) -> None:
        """Keep the label."""
        super().__init__(reason)
        self.reason = reason


class TokenVerifier(Protocol):
    """Turns a token into a viewer."""

    def verify(self, token: str, now: float) -> Viewer:
        """Return who it is; raises AuthFailed."""
        ...


class Authorizer(Protocol):
    """Says who may see what; several are combined by `any_grants`."""

    name: str

    async def decide(self, viewer: Viewer, project: ProjectFacts) -> Decision:
        """Return the answer; never raises for a reason of the viewer's."""
        ...


class Holder(Struct, frozen=True, kw_only=True):
    """One place that a user holds."""

    connection_id: str
    user: str
    transport: str
    project_id: str | None
    since: float
    """Unix seconds."""
    session: str | None = None


class NoPlace(Exception):
    """All places of the user are taken."""

    def __init__(self, holders: Sequence[Holder]) -> None:
        """Keep who holds them."""
        super().__init__(f"{len(holders)} places are taken")
        self.holders = holders


class Ticket(Protocol):
    """A place that was taken."""

    def release(self) -> None:
        """Give it back, synchronously, as often as called."""
        ...


class Presence(Protocol):
    """Counts connections per user and tells who watches what."""

    async def take(self, holder: Holder, *, evict: Callable[[Disconnect], None]) -> Ticket:
        """Take a place, `evict`ing an older holder of the same session; raises NoPlace."""
        ...

    async def of_user(self, user: str) -> Sequence[Holder]:
        """Return the places a user holds."""
        ...

    async def of_project(self, project_id: str) -> Sequence[Holder]:
        """Return who watches a project."""
        ...

    def evict(self, connection_id: str, *, user: str) -> bool:
        """End a connection of that user; False when there is none."""
        ...

    def counts(self) -> Mapping[str, int]:
        """Return the number of places by transport, on this relay."""
        ...


# -- the rest ----------------------------------------------------------------------------------------------------


class Clock(Protocol):
    """The two clocks: `now` for people (Unix seconds), `monotonic` for intervals."""

    def now(self) -> float:
        """Return Unix seconds."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        ...


class Observer(Protocol):
    """Is told, in the past tense; metrics and logs are its business."""

    def ingested(self, counts: Mapping[str, int], nbytes: int) -> None:
        """Messages by type were recorded."""
        ...

    def repeated(self, count: int) -> None:
        """Events were recognised as repeats."""
        ...

    def rejected(self, item: Rejected) -> None:
        """An event could not be understood."""
        ...

    def flushed(self, transport: str, *, viewers: int, events: int, nbytes: int, oldest_age: float) -> None:
        """A group was served: `events` to each of `viewers`, `nbytes` each; the oldest waited `oldest_age` seconds."""
        ...

    def replayed(self, transport: str, *, events: int, nbytes: int) -> None:
        """A viewer that was behind was sent a part of the past."""
        ...

    def admitted(self, transport: str, seconds: float) -> None:
        """A viewer came in."""
        ...

    def refused(self, transport: str, disconnect: Disconnect, reason: str) -> None:
        """Somebody was not let in; `reason` is a closed label."""
        ...

    def disconnected(self, summary: Mapping[str, Any], disconnect: Disconnect) -> None:
        """A connection ended; `summary` is its one canonical log line."""
        ...

    def gapped(self, cause: str) -> None:
        """A viewer was told that its past is not whole; `cause` is a closed label."""
        ...

    def broke(self, cause: str) -> None:
        """The log did not go on where it was left."""
        ...

    def committed(self, *, events: int, seconds: float) -> None:
        """A transaction of the journal was written."""
        ...

    def journal_failed(self, error: Exception) -> None:
        """The journal could not do what it was asked."""
        ...

    def noticed(self, event: str, fields: Mapping[str, Any]) -> None:
        """Something worth a log line happened."""
        ...

    def failed(self, what: str, error: BaseException) -> str:
        """Something of ours broke; return the incident id under which the log holds it."""
        ...
