import asyncio

import pytest

from tests.harness.audience import VanishedError
from tests.harness.loud import Loud, dozing, stuck, vanishing


def test_a_loud_project_tells_large_events_in_order() -> None:
    """Numbered from 0 in each project, padded, and the same for the same seed."""
    loud = Loud(200, projects=2, seed=3, nbytes=500)
    assert ["loud-1", "loud-2"] == loud.projects
    assert [("loud-2", number) for number in range(100)] == loud.keys("loud-2")
    assert ["project_started"] * 2 == [event["type"] for event in loud.burst() if len(str(event)) < 500]
    assert loud.burst() == Loud(200, projects=2, seed=3, nbytes=500).burst()


async def test_who_dozes_sleeps_through_what_is_published() -> None:
    """It reads some, and then none until so many more of its project are out, or all of them."""
    loud = Loud(40, projects=2, seed=3, nbytes=0)
    doze = dozing(loud, reads=10, misses=15)
    await doze(9)
    asleep = asyncio.create_task(ten(doze))
    for _ in range(2):
        await asyncio.sleep(0)
        assert not asleep.done()
        await loud.confirm(15)
    await asleep
    await loud.confirm(10)
    await doze(20)


async def ten(doze: object) -> None:
    """Read the tenth message."""
    assert callable(doze)
    await doze(10)


async def test_who_is_stuck_waits_to_be_freed() -> None:
    """It reads what it was told to read, and not one message more."""
    freed = asyncio.Event()
    stare = stuck(freed, reads=3)
    await stare(2)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(stare(3), 0)
    freed.set()
    await stare(3)


async def test_who_vanishes_is_gone() -> None:
    """After so many messages."""
    vanish = vanishing(reads=3)
    await vanish(2)
    with pytest.raises(VanishedError):
        await vanish(3)
