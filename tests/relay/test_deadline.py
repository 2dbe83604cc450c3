import asyncio
import gc

import pytest

from relayd.ports import JournalError
from relayd.relay.deadline import complaining, in_time, late, within
from relayd.testing.world import settle
from tests.relay.stage import Relay


async def answers(after: float) -> str:
    """Answer after so many seconds."""
    await asyncio.sleep(after)
    return "yes"


async def test_what_is_in_time_is_returned(relay: Relay) -> None:
    """Or raised."""
    assert "yes" == await within(10, answers(after=9))
    with pytest.raises(ZeroDivisionError):
        await within(10, fails())


async def fails() -> None:
    """Fail."""
    raise ZeroDivisionError


async def test_what_takes_too_long_is_left(relay: Relay) -> None:
    """It is told that nobody waits any more, and its end is not waited for."""
    work = asyncio.ensure_future(answers(after=100))
    began = relay.clock.monotonic()
    with pytest.raises(TimeoutError):
        await within(10, work)
    assert 10 == round(relay.clock.monotonic() - began)
    await settle()
    assert work.cancelled()


async def test_a_pause_of_our_own_is_not_the_others(relay: Relay) -> None:
    """Stopped for minutes, we find the time over; the answer has come meanwhile, and is read in the next turn."""
    gate = asyncio.Event()
    waiting = asyncio.create_task(within(10, gate.wait()))
    await settle()
    relay.clock.advance(600)
    await asyncio.sleep(0.1)
    assert not waiting.done()
    gate.set()
    assert await waiting


async def test_who_is_cancelled_takes_the_work_along(relay: Relay) -> None:
    """Nobody is left who wants it."""
    work = asyncio.ensure_future(answers(after=100))
    waiting = asyncio.create_task(within(10, work))
    await settle()
    waiting.cancel()
    await settle()
    assert waiting.cancelled()
    assert work.cancelled()


# -- the journal ----------------------------------------------------------------------------------------------------


async def answered(gate: asyncio.Event) -> str:
    """Return an answer once the gate is open."""
    await gate.wait()
    return "answer"


async def test_work_of_the_journal_returns_what_it_returns() -> None:
    """Or raises what it raises."""
    gate = asyncio.Event()
    gate.set()
    assert "answer" == await in_time(asyncio.ensure_future(answered(gate)), 1, "x")
    broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    broken.set_exception(JournalError("the disk is gone"))
    with pytest.raises(JournalError, match="the disk is gone"):
        await in_time(broken, 1, "x")


async def test_work_of_the_journal_that_takes_too_long_goes_on() -> None:
    """Nobody waits for it any more; whoever holds it can."""
    gate = asyncio.Event()
    work = asyncio.ensure_future(answered(gate))
    with pytest.raises(JournalError, match="a project was not read within 2 s: see whether the disk hangs"):
        await in_time(work, 2, "a project was not read")
    assert not work.done()
    gate.set()
    assert "answer" == await work


async def test_who_waits_for_ever_complains_once() -> None:
    """And not at all if it did not take so long."""
    complaints: list[str] = []
    with complaining(5, lambda: complaints.append("late")):
        await asyncio.sleep(4)
    await asyncio.sleep(10)
    assert [] == complaints
    with complaining(5, lambda: complaints.append("late")):
        await asyncio.sleep(100)
    assert ["late"] == complaints


def test_the_sentence_names_the_setting() -> None:
    """So that an operator finds it."""
    assert "`journal.patience_seconds`" in str(late("x", 60))


@pytest.mark.parametrize("cancelled", [True, False])
async def test_work_that_fails_when_nobody_waits_is_no_fault(*, cancelled: bool) -> None:
    """Whoever waited was told that it takes too long, or is gone."""
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    gate = asyncio.Event()

    async def fails_late() -> None:
        await gate.wait()
        raise JournalError("the disk is gone")

    waiting = asyncio.create_task(in_time(asyncio.ensure_future(fails_late()), 1, "x"))
    await settle()
    if cancelled:
        waiting.cancel()
    await asyncio.wait({waiting})
    assert waiting.cancelled() == cancelled
    assert waiting.cancelled() or isinstance(waiting.exception(), JournalError)
    gate.set()
    await settle()
    gc.collect()
    assert [] == told
