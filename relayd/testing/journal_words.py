"""The words in which tests of journals speak: entries, commits and states out of a few numbers."""

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import TypedDict

import msgspec

from relayd.core.floor import Floor
from relayd.core.timeline import Entry
from relayd.ports import Body, Commit, Journal, JournalError, Position, ProjectRow, Rejected
from relayd.protocol.cursor import Cursor, Place, identity
from relayd.protocol.messages import LEVELS, WorkflowLog

__all__ = ["LIMITS", "LOG", "NOW", "between", "commit", "mark", "poison", "refused", "row", "said", "settle"]

LOG = "contract"
NOW = 1_000.0


class Limits(TypedDict):
    """What bounds a journal."""

    max_age_seconds: float
    max_bytes: int
    max_events_per_project: int
    max_rejected: int


LIMITS: Limits = {"max_age_seconds": 100.0, "max_bytes": 1 << 40, "max_events_per_project": 10, "max_rejected": 3}


def mark(epoch: int, offset: int) -> bytes:
    """Return the fingerprint of the body at that offset."""
    return blake2b(b"%d:%d" % (epoch, offset), digest_size=6).digest()


def said(
    project_id: str, offset: int, *, item: int = 0, part: int = 0, epoch: int = 0, at: float = NOW, text: str = "step"
) -> Entry:
    """Return a log line of a project at a place."""
    cursor = str(Cursor(identity(LOG), offset, item, part, mark(epoch, offset)))
    message = WorkflowLog(
        project_id=project_id, timestamp=at, id=cursor, received_at=at, agent="coder", level="error", message=text
    )
    payload = msgspec.json.encode(message)
    return Entry(Place(epoch, offset, item, part), cursor, payload, "workflow_log", LEVELS["error"], "coder", at)


def row(
    project_id: str, place: Place, *, status: str = "working", owner: str = "ada", updated_at: float = NOW
) -> ProjectRow:
    """Return a project's state at a place."""
    return ProjectRow(
        project_id=project_id,
        place=place,
        snapshot=b'{"progress":50}',
        status=status,
        owner=owner,
        team=None,
        started_at=NOW,
        completed_at=None,
        updated_at=updated_at,
    )


def poison(offset: int) -> Rejected:
    """Return an event that nobody understands, with all that a hostile producer puts in."""
    return Rejected(
        cursor=str(Cursor(identity(LOG), offset, 0, 0, mark(0, offset))),
        place=Place(0, offset),
        reason="not_json",
        detail="the body is no JSON: send an object",
        headers={"retries": 3, "half": "\ud800", "nested": {"a": [1, None]}},
        body=b"\xff\x00{",
        received_at=NOW,
    )


def commit(
    entries: Sequence[Entry] = (),
    *,
    position: tuple[int, int] | None = None,
    projects: Sequence[ProjectRow] = (),
    rejected: Sequence[Rejected] = (),
    floor: Floor | None = None,
    floors: Mapping[str, Floor] | None = None,
) -> Commit:
    """Return a commit of these entries, each body with its offset as its one key; `position` is (epoch, offset)."""
    places = sorted({one.place[:2] for one in entries})
    at = position or places[-1]
    by_project: dict[str, list[Entry]] = {}
    for one in entries:
        by_project.setdefault(msgspec.json.decode(one.payload)["project_id"], []).append(one)
    return Commit(
        position=Position(*at, mark(*at)),
        bodies=[Body(epoch, offset, mark(epoch, offset), (offset,)) for epoch, offset in places],
        entries=by_project,
        projects=projects,
        rejected=rejected,
        received_at=NOW,
        floor=floor,
        floors=floors or {},
    )


async def refused(attempt: Awaitable[object]) -> str:
    """Return the sentence with which the journal refuses; fails if it does not."""
    try:
        await attempt
    except JournalError as error:
        return str(error)
    raise AssertionError("the journal did not refuse")


async def settle(journal: Journal, now: float) -> dict[str | None, Floor]:
    """Let the journal drop all there is to drop, and return the floors it raised."""
    raised: dict[str | None, Floor] = {}
    while slice_ := await journal.retain(now):
        raised |= slice_
    return raised


def between(entries: Iterable[Entry], after: Place | None, before: Place | None) -> list[Entry]:
    """Return the entries strictly between two places."""
    return [one for one in entries if (after or one.place[:0]) < one.place < (before or Place(99, 0))]
