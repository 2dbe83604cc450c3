import msgspec
import pytest

from relayd.core.purges import Purge, Purges
from relayd.core.snapshot import Snapshot, read
from relayd.ports import JournalError, ProjectRow, Rejected
from relayd.protocol.cursor import Cursor, Place
from relayd.relay.remnants import doomed_by, is_gone, purge_again
from relayd.testing.journal import FakeJournal
from relayd.testing.journal_words import LOG, commit, mark, said
from tests.relay.stage import P, Relay, poison

WHOLE = Purge(epoch=0, offset=5, item=None, fingerprint=mark(0, 5), project_id=P, owner="ada")
EVENT = Purge(epoch=0, offset=3, item=0, fingerprint=mark(0, 3), project_id=P)


def state(offset: int, **fields: object) -> ProjectRow:
    """Return a project's row at a place."""
    snapshot = Snapshot(project_id=P, owner="ada", status="failed", completed_at=9.0, **fields)  # type: ignore[arg-type]
    return ProjectRow(
        project_id=P,
        place=Place(0, offset),
        snapshot=msgspec.json.encode(snapshot),
        status=snapshot.status,
        owner="ada",
        team=None,
        started_at=1.0,
        completed_at=9.0,
        updated_at=9.0,
    )


def test_the_row_of_a_project_begins_anew() -> None:
    """Its columns, too; one that was written since then is clean."""
    row = doomed_by(WHOLE).state(state(5, message="bird"), [])
    assert ("initializing", None, None, "ada") == (row.status, row.started_at, row.completed_at, row.owner)
    assert b"bird" not in row.snapshot
    newer = state(6, message="sparrow")
    assert newer is doomed_by(WHOLE).state(newer, [])


def test_the_row_of_a_project_says_no_more_what_one_event_said() -> None:
    """One that is older than the event never did, nor one of which nothing goes now."""
    payload = said(P, 3, text="bird").payload
    row = doomed_by(EVENT).state(state(4, message="bird", counts={"workflow_log": 2}), [payload])
    assert (None, {"workflow_log": 1}) == (read(row.snapshot).message, read(row.snapshot).counts)
    older = state(2, message="bird")
    assert older is doomed_by(EVENT).state(older, [payload])
    assert (same := state(4, message="bird")) is doomed_by(EVENT).state(same, [])


@pytest.mark.parametrize(
    ("offset", "body", "gone"),
    [(5, b'{"project_id": "p"}', True), (6, b'{"project_id": "p"}', False), (5, b'{"project_id": "pp"}', False)],
)
def test_a_rejected_event_goes_with_the_project_that_it_names(*, offset: int, body: bytes, gone: bool) -> None:
    """Up to the same place, and only with that one."""
    purges = Purges([WHOLE, Purge(epoch=0, offset=9, item=0, fingerprint=b"", project_id="other")])
    assert gone == is_gone(purges, rejected(offset, body))


def test_a_rejected_event_that_was_removed_by_itself_is_gone() -> None:
    """Whatever is in it; at a place that nothing reaches it costs one comparison."""
    assert is_gone(Purges([EVENT]), rejected(3))
    assert not is_gone(Purges([EVENT]), rejected(2))
    assert not is_gone(Purges(), rejected(3))


def rejected(offset: int, body: bytes = b"{") -> Rejected:
    """Return an event that nobody understands, at a place."""
    cursor = str(Cursor(b"12345", offset, 0, 0, mark(0, offset)))
    return msgspec.structs.replace(poison(), cursor=cursor, place=Place(0, offset), body=body)


async def test_a_journal_that_comes_back_is_emptied(relay: Relay) -> None:
    """Of all that was removed while it was away; without that nothing is written."""
    journal = FakeJournal()
    await journal.open(LOG, window=4)
    await journal.commit(commit([said(P, 3), said(P, 4)]))
    journal.full = JournalError("the disk is full")
    await purge_again(relay.log, journal)
    journal.full = None
    relay.log.purges = Purges([EVENT])
    await purge_again(relay.log, journal)
    assert [4] == [one.place.offset for one in await journal.read(P, limit=9)]
    await purge_again(relay.log, journal)
