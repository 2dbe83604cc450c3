import pytest

from relayd.core.purges import Purge
from relayd.ports import JournalError
from relayd.testing.journal_purging import Chunk, FakePurgeBook, find, purge
from relayd.testing.journal_words import LOG, NOW, said
from relayd.testing.purge_contract import doomed


def test_a_chunk_that_is_emptied_keeps_its_places() -> None:
    """Retention goes by them."""
    entries = [said("a", 1), said("a", 2, at=NOW + 1)]
    chunks = [Chunk("a", entries)]
    assert 2 == purge(chunks, {}, {}, doomed("a"))
    assert [] == list(chunks[0].held)
    assert NOW + 1 == chunks[0].received_at
    assert [one.place for one in entries] == [one.place for one in chunks[0].entries]
    assert [] == list(find(chunks, {}, 1, 0).entries)


async def test_a_book_keeps_what_it_is_told_unless_it_fails() -> None:
    """All of it each time."""
    one = Purge(epoch=0, offset=1, item=0, fingerprint=b"", project_id="a")
    book = FakePurgeBook()
    await book.write(LOG, [one])
    book.failure = JournalError("the disk is full")
    with pytest.raises(JournalError, match="full"):
        await book.write(LOG, [])
    assert [one] == list(await book.read(LOG))
