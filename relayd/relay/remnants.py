"""What a purge means to those who keep things: the journal, and the store of what could not be understood."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from relayd.core.log import Log
from relayd.core.purges import Purge, Purges
from relayd.core.purging import anew, scrub
from relayd.core.snapshot import Snapshot, read
from relayd.core.timeline import Entry
from relayd.ports import Doomed, Journal, ProjectRow, Rejected
from relayd.protocol import codec
from relayd.protocol.cursor import decode

__all__ = ["doomed_by", "is_gone", "purge_again"]


def doomed_by(purge: Purge) -> Doomed:
    """Return what a journal must hold no more."""
    after, before, item = purge.after, purge.before, purge.item

    def state(row: ProjectRow, payloads: Sequence[bytes]) -> ProjectRow:
        if item is None:
            # A state that is newer was folded without what is gone.
            return row if row.place > before else without(row, anew(read(row.snapshot)))
        if row.place < after or not payloads:
            return row
        left = read(row.snapshot)
        scrub(left, [entry_of(payload, purge) for payload in payloads])
        return without(row, left)

    named = b"" if item is not None or purge.project_id is None else b'"%s"' % purge.project_id.encode()
    return Doomed(project_id=purge.project_id, after=after, before=before, state=state, named=named)


def without(row: ProjectRow, state: Snapshot) -> ProjectRow:
    """Return a project's row with another state at the same place."""
    return replace(
        row,
        snapshot=msgspec.json.encode(state),
        status=state.status,
        started_at=state.started_at,
        completed_at=state.completed_at,
    )


def entry_of(payload: bytes, purge: Purge) -> Entry:
    """Return an entry of a payload as the journal keeps it, as far as a state is concerned."""
    message = codec.decode_event(payload)
    kind = str(message.__struct_config__.tag)
    cursor = message.id or ""
    return Entry(
        decode(cursor).place(purge.epoch), cursor, payload, kind, -1, message.agent, message.received_at or 0.0
    )


def is_gone(purges: Purges, rejected: Rejected) -> bool:
    """Tell whether an event that could not be understood was removed, by itself or with the project that it names."""
    if rejected.place.offset > purges.reach:
        return False
    mark = decode(rejected.cursor).fingerprint
    if purges.hides(rejected.place, None, mark):
        return True
    return any(
        one.item is None and one.after < rejected.place < one.before and doomed_by(one).named in rejected.body
        for one in purges.all()
    )


async def purge_again(log: Log[Any], journal: Journal) -> None:
    """Remove from a journal what was purged while it was away, or when the relay broke; raises JournalError."""
    purges = log.purges.all()
    if purges and await journal.purge([doomed_by(one) for one in purges]):
        await journal.scour()
