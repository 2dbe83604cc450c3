"""What every source promises, as tests: inherit, and give the fixtures `source` and `say`."""
# ruff: noqa: S101 - assert is how a test speaks, and it says its numbers

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from relayd.dialects.delivery import Delivery
from relayd.ports import LogBreak, Position, Receipt, Source
from relayd.protocol.cursor import fingerprint, identity

__all__ = ["Say", "SourceContract"]

Say = Callable[[Sequence[bytes]], Awaitable[None]]
"""Puts bodies into the log, in order, without waiting for a receipt."""

SECONDS = 20.0
"""Longest wait for what must come; a busy machine is slow."""

Batches = AsyncGenerator[Sequence[Delivery] | LogBreak]


class SourceContract:
    """Inherit it as `Test…` with a fixture `source`, unread and empty, and a fixture `say` that feeds it."""

    async def test_what_is_said_comes_in_order(self, source: Source, say: Say) -> None:
        """Offsets grow, bodies are the same bytes, poison among them."""
        said = [b"{}", b"", b"\xff\0", b"[" * 1000]
        batches = source.batches(None)
        await say(said)
        read = await take(batches, len(said))
        await batches.aclose()
        assert said == [delivery.body for delivery in read]
        offsets = [delivery.offset for delivery in read]
        assert sorted(set(offsets)) == offsets

    async def test_what_is_said_later_comes_later(self, source: Source, say: Say) -> None:
        """A reader that waits hears it."""
        batches = source.batches(None)
        waiting = asyncio.ensure_future(take(batches, 1))
        await asyncio.sleep(0)
        await say([b"later"])
        assert [delivery.body for delivery in await waiting] == [b"later"]
        await batches.aclose()

    async def test_it_goes_on_behind_a_position(self, source: Source, say: Say) -> None:
        """What was processed does not come again; what was not comes again if the source replays."""
        batches = source.batches(None)
        await say([b"a", b"b", b"c"])
        first, second, _ = await take(batches, 3)
        source.settle([receipt(first), receipt(second)])
        await batches.aclose()
        batches = source.batches(position(source, second))
        await say([b"d"])
        expected = [b"c", b"d"] if source.replays else [b"d"]
        read = await take(batches, len(expected))
        await batches.aclose()
        assert expected == [delivery.body for delivery in read]
        assert read[0].offset > second.offset

    async def test_it_can_say_where_its_log_ends(self, source: Source, say: Say) -> None:
        """By that a relay tells a place that is still on its way from one that is nowhere."""
        batches = source.batches(None)
        await say([b"a", b"b"])
        *_, last = await take(batches, 2)
        async with asyncio.timeout(SECONDS):
            # It may be asked again: a log that is far away does not always answer.
            while (newest := await source.newest()) is None:  # noqa: ASYNC110 - see above
                await asyncio.sleep(0.01)
        assert last.offset == newest
        await batches.aclose()

    async def test_more_settled_than_asked_for_does_no_harm(self, source: Source, say: Say) -> None:
        """A receipt that was under way when the reader changed finds nobody, and that is all."""
        batches = source.batches(None)
        await say([b"a"])
        (first,) = await take(batches, 1)
        source.settle([receipt(first)])
        source.settle([receipt(first)])
        source.fail([first])
        await say([b"b"])
        assert [delivery.body for delivery in await take(batches, 1)] == [b"b"]
        await batches.aclose()

    async def test_closing_takes_no_time(self, source: Source, say: Say) -> None:
        """A reader that waits for events can be ended at once, and the state says something before and after."""
        assert source.state().detail
        batches = source.batches(None)
        await say([b"a"])
        await take(batches, 1)
        assert source.state().connected
        async with asyncio.timeout(SECONDS):
            waiting = asyncio.ensure_future(anext(batches))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait({waiting})
            await batches.aclose()
        assert source.state().detail


async def take(batches: Batches, count: int) -> list[Delivery]:
    """Return the next deliveries; raises AssertionError at a break, and TimeoutError when they don't come."""
    read: list[Delivery] = []
    async with asyncio.timeout(SECONDS):
        while len(read) < count:
            batch = await anext(batches)
            assert not isinstance(batch, LogBreak), batch
            read.extend(batch)
    return read


def receipt(delivery: Delivery) -> Receipt:
    """Return what a relay says of a body with one good event."""
    return Receipt(delivery=delivery, cursor=str(delivery.offset), accepted=1, repeated=0, rejected=())


def position(source: Source, delivery: Delivery) -> Position:
    """Return the position of a relay that has processed it."""
    mark = fingerprint(identity(source.log), delivery.message_id, delivery.body)
    return Position(epoch=0, offset=delivery.offset, fingerprint=mark)
