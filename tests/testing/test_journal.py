import asyncio

import pytest

from relayd.ports import JournalError
from relayd.protocol.cursor import Place
from relayd.testing.journal import FakeJournal, JournalContract
from relayd.testing.journal_words import LIMITS, LOG, NOW, commit, refused, said, settle


class TestFakeJournal(JournalContract):
    """The fake keeps the contract."""

    @pytest.fixture
    def journal(self) -> FakeJournal:
        return FakeJournal(**LIMITS)


async def test_it_fails_as_told() -> None:
    """A relay can be tested with a journal that breaks, and with one that comes back."""
    journal = FakeJournal()
    await journal.open(LOG, window=1)
    journal.failure = JournalError("the disk is full")
    assert await refused(journal.commit(commit([said("a", 1)]))) == "the disk is full"
    journal.failure = None
    await journal.commit(commit([said("a", 1)]))
    assert len(journal.commits) == 1


async def test_it_is_as_slow_as_told() -> None:
    """A commit waits for the gate."""
    journal = FakeJournal()
    await journal.open(LOG, window=1)
    journal.gate = asyncio.Event()
    writing = asyncio.create_task(journal.commit(commit([said("a", 1)])))
    await asyncio.sleep(0)
    assert await journal.load("a", newest=1) is None
    journal.gate.set()
    await writing
    assert await journal.load("a", newest=1) is not None


async def test_it_drops_by_bytes() -> None:
    """The oldest payloads go until the rest fits."""
    journal = FakeJournal(max_bytes=3 * len(said("a", 1).payload))
    await journal.open(LOG, window=1)
    for offset in range(5):
        await journal.commit(commit([said("a", offset)]))
    assert Place(0, 1) == (await settle(journal, NOW))["a"].place
    assert [2, 3, 4] == [one.place.offset for one in await journal.read("a", limit=9)]
