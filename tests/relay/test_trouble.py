"""What is told of a journal that can't be used."""

import asyncio

from relayd.ports import JournalDamaged, JournalError
from relayd.relay.trouble import Trouble
from relayd.testing.world import FakeClock, RecordingObserver, settle

GONE = JournalError("the disk is full")
ROT = JournalDamaged("it is rotten")


def troubled() -> tuple[Trouble, RecordingObserver, FakeClock]:
    """Return a trouble, who is told of it, and the clock."""
    observer, clock = RecordingObserver(), FakeClock()
    return Trouble(observer, clock), observer, clock


async def test_a_trouble_has_a_beginning_and_an_end() -> None:
    """The end tells how long it was; each failure is counted."""
    trouble, observer, clock = troubled()
    trouble.over()
    trouble.tell(GONE, "first")
    clock.advance(5)
    trouble.tell(GONE, "second")
    clock.advance(2)
    assert "second" == trouble.sentence
    trouble.over()
    assert ("", [7], [GONE, GONE]) == (
        trouble.sentence, observer.of("journal_attached"), observer.of("journal_failed")
    )  # fmt: skip
    trouble.over()
    assert [7] == observer.of("journal_attached")


async def test_whoever_mends_is_woken() -> None:
    """By a failure, by damage, and again by damage that is found while all seems well."""
    trouble, _, _ = troubled()
    waiting = asyncio.create_task(trouble.wait())
    await settle(3)
    assert not waiting.done()
    trouble.tell(GONE, "x")
    await waiting
    trouble.over()
    waiting = asyncio.create_task(trouble.wait())
    await settle(3)
    assert not waiting.done()
    trouble.found(ROT)
    await waiting
    trouble.over()
    await trouble.wait()
    assert ROT is trouble.damage
