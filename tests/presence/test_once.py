import asyncio

import pytest

from relayd.ports import KEPT_SECONDS, SharedOneUse, TooManyUsed
from relayd.presence.memory import MemoryPresence
from relayd.presence.once import MemoryOneUse


async def test_each_name_is_used_once() -> None:
    """However many come with it at the same moment."""
    once = MemoryOneUse()

    assert [True] + [False] * 19 == await asyncio.gather(*(once.use(b"a", now=0.0) for _ in range(20)))
    assert await once.use(b"b", now=0.0)


async def test_a_use_is_known_for_long_enough() -> None:
    """And no longer: names come from strangers, and would fill the memory."""
    once = MemoryOneUse()
    for number in range(250):
        assert await once.use(b"%d" % number, now=number / 1_000)
    assert not await once.use(b"0", now=KEPT_SECONDS - 0.1)
    for _ in range(3):
        assert not await once.use(b"249", now=KEPT_SECONDS + 0.2489)
    assert [b"249"] == list(once._used)
    assert await once.use(b"249", now=KEPT_SECONDS + 0.249)


async def test_with_no_room_left_nobody_is_let_in() -> None:
    """Rather than forget one that may come again; when the first has grown old there is room."""
    once = MemoryOneUse(most=2)
    assert await once.use(b"a", now=0.0)
    assert await once.use(b"b", now=1.0)
    with pytest.raises(TooManyUsed):
        await once.use(b"c", now=2.0)
    assert not await once.use(b"a", now=2.0)
    assert await once.use(b"c", now=KEPT_SECONDS)
    with pytest.raises(TooManyUsed):
        await once.use(b"d", now=KEPT_SECONDS)


def test_a_presence_that_is_alone_shares_nothing() -> None:
    """So the relay has a memory of its own."""
    assert not isinstance(MemoryPresence(), SharedOneUse)
