import pytest

from relayd.ports import JournalError
from relayd.protocol.cursor import Place, decode
from relayd.testing.journal_words import commit, mark, refused, said


def test_an_entry_agrees_with_itself() -> None:
    """Cursor, place and fingerprint name the same body."""
    one = said("a", 3, item=1, part=2, epoch=4)
    assert decode(one.cursor).place(4) == one.place == Place(4, 3, 1, 2)
    assert decode(one.cursor).fingerprint == mark(4, 3)
    assert mark(4, 3) != mark(3, 3)


def test_a_commit_has_a_body_for_each_offset() -> None:
    """And its position is the last of them."""
    told = commit([said("a", 1), said("b", 1, item=1), said("a", 2)])
    assert [(1, (1,)), (2, (2,))] == [(body.offset, body.repeat_keys) for body in told.bodies]
    assert {"a": [1, 2], "b": [1]} == {
        project: [one.place.offset for one in entries] for project, entries in told.entries.items()
    }
    assert (0, 2, mark(0, 2)) == (told.position.epoch, told.position.offset, told.position.fingerprint)


async def test_a_refusal_is_a_sentence() -> None:
    """What was not refused fails the test that expected it."""

    async def refuse() -> None:
        raise JournalError("no")

    async def agree() -> None:
        pass

    assert await refused(refuse()) == "no"
    with pytest.raises(AssertionError, match="the journal did not refuse"):
        await refused(agree())
