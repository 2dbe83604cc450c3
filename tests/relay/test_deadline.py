import asyncio

import pytest

from relayd.relay.deadline import within
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
