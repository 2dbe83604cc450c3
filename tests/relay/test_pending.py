"""What a transaction holds, and what it weighs."""

from msgspec.structs import replace

from relayd.core.log import Log
from relayd.core.project import Project
from relayd.ports import Position
from relayd.relay.pending import BODY_BYTES, REJECTED_BYTES, Pending, row
from relayd.relay.subscription import Subscription
from relayd.testing.purge_contract import doomed
from tests.core.words import NAME, NOW, line, mark, said
from tests.relay.stage import poison


def staged(*texts: str) -> Pending:
    """Return what is pending when a body with lines was read at offset 5."""
    log: Log[Subscription] = Log(NAME)
    staging = log.stage()
    staging.add(5, mark(5), NOW, [said(line(text), name=text) for text in texts])
    pending = Pending()
    pending.add(staging, [poison()])
    return pending


def test_a_batch_is_added_with_all_that_belongs_to_it() -> None:
    """Bodies with the keys of their ids, events by project, what was not understood."""
    pending = staged("a", "b")
    assert Position(0, 5, mark(5)) == pending.position
    assert [2] == [len(body.repeat_keys) for body in pending.bodies]
    assert (2, 2, [poison()]) == (pending.events, len(pending.entries["shop"]), pending.rejected)


def test_nothing_has_no_position() -> None:
    """Only a body has a place to resume from."""
    assert (None, 0) == (Pending().position, Pending().nbytes)


def test_everything_has_a_weight() -> None:
    """A repeat and a poison, too: a flood of them must count."""
    pending = staged("a")
    (entry,) = pending.entries["shop"]
    assert len(entry.payload) + BODY_BYTES + REJECTED_BYTES + len(poison().body) == pending.nbytes


def test_the_oldest_that_was_not_understood_is_let_go_of() -> None:
    """Until the rest is light enough; it begins with what another left over."""
    several = [replace(poison(str(number)), body=b"x" * 1_000) for number in range(5)]
    pending = Pending(several)
    pending.shed(2 * (REJECTED_BYTES + 1_000))
    assert ["3", "4"] == [one.detail for one in pending.rejected]
    assert 2 * (REJECTED_BYTES + 1_000) == pending.nbytes
    pending.shed(0)
    pending.shed(0)
    assert ([], 0) == (pending.rejected, pending.nbytes)


def test_what_is_removed_is_not_written() -> None:
    """An event, or what could not be understood, of what is between the places; bodies and the others stay."""
    pending = staged("a", "b")
    first, second = pending.entries["shop"]
    gone = doomed("shop", first.place._replace(part=-1), second.place)
    assert 1 == pending.purge(gone)
    assert ([second], 1) == (pending.entries["shop"], len(pending.bodies))
    assert [poison()] == pending.rejected
    assert 0 == pending.purge(replace(gone, project_id="other"))
    assert 0 == pending.purge(doomed(None, named=b"words"))
    assert 1 == pending.purge(doomed(None, named=poison().body))
    assert [] == pending.rejected


def test_only_a_state_that_is_whole_is_a_row() -> None:
    """One without an event is nothing, one that lacks its beginning would overwrite it."""
    log: Log[Subscription] = Log(NAME)
    project: Project[Subscription] = log.open("shop")
    assert None is row(project)
    staging = log.stage()
    staging.add(5, mark(5), NOW, [said(line())])
    log.apply(staging)
    written = row(project)
    assert written is not None
    assert (project.place, "in_progress") == (written.place, written.status)
    project.partial = True
    assert None is row(project)
