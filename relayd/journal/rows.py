"""
Rows and what they mean: chunks of entries, packed bodies, projects, rejected events.

Chunks are not compressed: deflate at its fastest halved the file and the bytes written, and added 60 % to the
processor time of a commit, which is what there is least of.
"""

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from struct import Struct as Layout
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from relayd.core.timeline import Entry
from relayd.ports import Body, JournalError, ProjectRow, Rejected
from relayd.protocol.cursor import Place, decode
from relayd.protocol.messages import LEVELS

__all__ = [
    "CHUNK_BYTES",
    "Checkpoint",
    "Chunk",
    "Repeats",
    "checkpoints",
    "chunks",
    "entry",
    "place_of",
    "project_row",
    "project_values",
    "rejected_event",
    "rejected_values",
    "repeats",
    "unpack_marks",
    "unpack_repeats",
]

CHUNK_BYTES = 1 << 20
"""A body is cut here, so that reading a few events never loads more; one event over it has a chunk of its own."""

MARK = Layout(">Q6s")
MARK_WITH_KEYS = Layout(">Q6sI")


class Chunk(NamedTuple):
    """Consecutive entries of one project and one commit: `body` is their payloads joined by line feeds."""

    epoch: int
    first_offset: int
    last_offset: int
    last_item: int
    last_part: int
    last_fingerprint: bytes
    events: int
    received_at: float
    body: bytes


class Checkpoint(NamedTuple):
    """Offsets and fingerprints of the bodies of one commit, ascending, 14 bytes each."""

    epoch: int
    first_offset: int
    last_offset: int
    bodies: bytes


class Repeats(NamedTuple):
    """The bodies of one commit that had new message ids, with their keys."""

    epoch: int
    keys: int
    bodies: bytes


class Head(Struct, gc=False):
    """What an entry needs of its payload."""

    id: str
    type: str
    received_at: float
    level: str = ""
    agent: str | None = None


class Id(Struct, gc=False):
    """What a place needs of a payload."""

    id: str


HEAD = msgspec.json.Decoder(Head)
ID = msgspec.json.Decoder(Id)


def chunks(entries: Sequence[Entry]) -> Iterator[Chunk]:
    """Cut a project's entries of one commit into chunks; raises JournalError for a payload with a line feed."""
    first, last = entries[0].place.epoch, entries[-1].place.epoch
    # They are in the log's order, so where the ends are of one log all are.
    runs = [(first, entries)] if first == last else groupby(entries, key=lambda one: one.place.epoch)
    for epoch, run in runs:
        part: list[Entry] = []
        size = 0
        for one in run:
            if part and size + len(one.payload) >= CHUNK_BYTES:
                yield chunk(epoch, part)
                part, size = [], 0
            part.append(one)
            size += len(one.payload) + 1
        yield chunk(epoch, part)


def chunk(epoch: int, entries: Sequence[Entry]) -> Chunk:
    """Return one chunk; the newest receive time is the chunk's, so that none is dropped before its time."""
    body = b"\n".join([one.payload for one in entries])
    if body.count(b"\n") != len(entries) - 1:
        raise JournalError("a payload holds a line feed and can't be kept: it must be JSON on one line")
    last = entries[-1]
    return Chunk(
        epoch,
        entries[0].place.offset,
        last.place.offset,
        last.place.item,
        last.place.part,
        decode(last.cursor).fingerprint,
        len(entries),
        max(one.received_at for one in entries),
        body,
    )


def entry(epoch: int, line: bytes) -> Entry:
    """Return the entry that was kept as this line."""
    head = HEAD.decode(line)
    return Entry(
        place=decode(head.id).place(epoch),
        cursor=head.id,
        payload=line,
        type=head.type,
        level=LEVELS.get(head.level, -1),
        agent=head.agent,
        received_at=head.received_at,
    )


def place_of(epoch: int, line: bytes) -> Place:
    """Return just the place of a line."""
    return decode(ID.decode(line).id).place(epoch)


def checkpoints(bodies: Sequence[Body]) -> Iterator[Checkpoint]:
    """Pack the bodies of a commit; one row, or one for each log if it was made anew in between."""
    for epoch, group in groupby(bodies, key=attrgetter("epoch")):
        run = list(group)
        packed = b"".join([MARK.pack(body.offset, body.fingerprint) for body in run])
        yield Checkpoint(epoch, run[0].offset, run[-1].offset, packed)


def unpack_marks(packed: bytes) -> Iterator[tuple[int, bytes]]:
    """Return the offsets and fingerprints of a checkpoint, in the log's order."""
    return MARK.iter_unpack(packed)


def repeats(bodies: Sequence[Body]) -> Iterator[Repeats]:
    """Pack the bodies that had new message ids; those without need no room in the window."""
    for epoch, group in groupby((body for body in bodies if body.repeat_keys), key=attrgetter("epoch")):
        run = list(group)
        packed = b"".join([pack_keys(body) for body in run])
        yield Repeats(epoch, sum(len(body.repeat_keys) for body in run), packed)


def pack_keys(body: Body) -> bytes:
    """Return `offset 8 · fingerprint 6 · count 4 · key 8 …`."""
    keys = body.repeat_keys
    return MARK_WITH_KEYS.pack(body.offset, body.fingerprint, len(keys)) + Layout(f">{len(keys)}Q").pack(*keys)


def unpack_repeats(epoch: int, packed: bytes) -> Iterator[Body]:
    """Return the bodies of one row of repeats, in the log's order."""
    at = 0
    while at < len(packed):
        offset, mark, count = MARK_WITH_KEYS.unpack_from(packed, at)
        at += MARK_WITH_KEYS.size
        keys = Layout(f">{count}Q").unpack_from(packed, at)
        at += 8 * count
        yield Body(epoch, offset, mark, keys)


def storable(text: str | None) -> str | None:
    """Return a text that SQLite takes: half a surrogate pair, which a hostile producer can send, becomes `?`."""
    return None if text is None else text.encode("utf-8", "replace").decode()


def seconds(at: float | None) -> float | None:
    """Return a time as it will be read again: a whole number, too, becomes one with a point."""
    return None if at is None else float(at)


def project_values(row: ProjectRow) -> tuple[Any, ...]:
    """Return the columns of `snapshots` behind `project`."""
    return (
        *row.place,
        row.status,
        storable(row.owner),
        storable(row.team),
        seconds(row.started_at),
        seconds(row.completed_at),
        seconds(row.updated_at),
        row.snapshot,
    )


def project_row(values: Sequence[Any]) -> ProjectRow:
    """Return the project of `project_id` and the columns of `project_values`."""
    project_id, epoch, offset, item, part, status, owner, team, started_at, completed_at, updated_at, snapshot = values
    return ProjectRow(
        project_id=project_id,
        place=Place(epoch, offset, item, part),
        snapshot=snapshot,
        status=status,
        owner=owner,
        team=team,
        started_at=started_at,
        completed_at=completed_at,
        updated_at=updated_at,
    )


def rejected_values(one: Rejected) -> tuple[Any, ...]:
    """Return the columns of `rejected` behind `number`; headers that are no JSON are kept as text."""
    # Not msgspec: a header may be any AMQP value or half a surrogate pair, and poison must not stop the commit.
    headers = json.dumps(dict(one.headers), default=str)
    return (
        one.cursor,
        *one.place,
        one.reason,
        storable(one.detail),
        headers,
        one.body,
        one.received_at,
        one.truncated,
        one.replayed_at,
    )


def rejected_event(values: Sequence[Any]) -> Rejected:
    """Return the rejected event of the columns of `rejected_values`."""
    cursor, epoch, offset, item, part, reason, detail, headers, body, received_at, truncated, replayed_at = values
    return Rejected(
        cursor=cursor,
        place=Place(epoch, offset, item, part),
        reason=reason,
        detail=detail,
        headers=json.loads(headers),
        body=body,
        received_at=received_at,
        truncated=bool(truncated),
        replayed_at=replayed_at,
    )
