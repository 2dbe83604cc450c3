import asyncio
from itertools import pairwise

import pytest

from relayd.relay.turnstile import Turnstile


async def come(turnstile: Turnstile, who: int, through: list[int]) -> None:
    """Go through and say so."""
    await turnstile.enter()
    through.append(who)


async def test_few_do_not_wait() -> None:
    """As many as a turn takes go through without a turn of the loop in between."""
    turnstile, through = Turnstile(2), list[int]()
    for who in range(2):
        # A task that waits would have to be run again; one that does not ends at its first step.
        with pytest.raises(StopIteration):
            come(turnstile, who, through).send(None)
    assert [0, 1] == through


async def test_many_come_in_their_order_and_others_in_between() -> None:
    """Ten who come at once take several turns, and what is ready besides runs in each of them."""
    turnstile, through = Turnstile(2), list[int]()
    tasks = [asyncio.create_task(come(turnstile, who, through)) for who in range(10)]
    seen = []
    while len(through) < 10:
        await asyncio.sleep(0)
        seen.append(len(through))
    await asyncio.gather(*tasks)
    assert list(range(10)) == through
    assert all(later - earlier <= 2 for earlier, later in pairwise([0, *seen]))


async def test_who_gives_up_takes_nobody_s_turn() -> None:
    """A viewer that hangs up while it waits is passed over."""
    turnstile, through = Turnstile(1), list[int]()
    tasks = [asyncio.create_task(come(turnstile, who, through)) for who in range(4)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    tasks[2].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert [0, 3] == through


async def test_it_stands_still_when_nobody_comes() -> None:
    """After the last it turns once more, and a full turn is free again."""
    turnstile, through = Turnstile(1), list[int]()
    await come(turnstile, 0, through)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await asyncio.wait_for(come(turnstile, 1, through), 1)
    assert [0, 1] == through
