import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from relayd.dialects.delivery import Delivery
from relayd.ports import LogBreak, Position, Unavailable
from relayd.sources.embedded import EmbeddedSource
from relayd.sources.settings import EmbeddedSettings
from relayd.testing.source_contract import Say, SourceContract, receipt, take
from tests.harness.follower import WallClock


def body(text: bytes) -> Delivery:
    """Return what a request brings."""
    return Delivery(offset=999, body=text, received_at=1.0)


def source_with(**settings: object) -> EmbeddedSource:
    """Return a source with these settings."""
    return EmbeddedSource(EmbeddedSettings.model_validate(settings), WallClock())


@pytest.fixture
def source() -> EmbeddedSource:
    """Give an embedded source."""
    return source_with()


@pytest.fixture
async def say(source: EmbeddedSource) -> AsyncIterator[Say]:
    """Give publishers who wait for their receipts elsewhere."""
    publishers: list[asyncio.Task[object]] = []

    async def speak(bodies: Sequence[bytes]) -> None:
        publishers.extend(asyncio.create_task(source.offer(body(text))) for text in bodies)
        await asyncio.sleep(0)

    yield speak
    for publisher in publishers:
        publisher.cancel()
    await asyncio.gather(*publishers, return_exceptions=True)


class TestContract(SourceContract):
    """An embedded source is a source."""


async def test_a_publisher_is_answered_when_it_is_settled(source: EmbeddedSource) -> None:
    """Not before: what is not written is not confirmed."""
    batches = source.batches(None)
    publisher = asyncio.create_task(source.offer(body(b"a")))
    (delivery,) = await take(batches, 1)
    await asyncio.sleep(0)
    assert not publisher.done()
    source.settle([receipt(delivery)])
    assert receipt(delivery) == await publisher
    assert (0, b"a") == (delivery.offset, delivery.body)
    await batches.aclose()


async def test_offsets_go_on_from_the_journal(source: EmbeddedSource, say: Say) -> None:
    """The journal is the log; what it recovered is counted on."""
    batches = source.batches(Position(0, 41, b"\0" * 6))
    await say([b"a", b"b"])
    assert [42, 43] == [delivery.offset for delivery in await take(batches, 2)]
    assert 43 == source.state().head_offset
    await batches.aclose()


async def test_a_publisher_who_hangs_up_loses_nothing(source: EmbeddedSource) -> None:
    """The event was let in: it is written, whoever is there to hear of it."""
    publisher = asyncio.create_task(source.offer(body(b"a")))
    await asyncio.sleep(0)
    publisher.cancel()
    await asyncio.wait({publisher})
    batches = source.batches(None)
    (delivery,) = await take(batches, 1)
    source.settle([receipt(delivery)])
    assert b"a" == delivery.body
    await batches.aclose()


async def test_what_could_not_be_written_is_told(source: EmbeddedSource) -> None:
    """The publisher keeps the event and may send it again; the next one is not harmed."""
    batches = source.batches(None)
    publishers = [asyncio.create_task(source.offer(body(text))) for text in (b"a", b"b")]
    first, second = await take(batches, 2)
    source.fail([first])
    source.settle([receipt(second)])
    with pytest.raises(Unavailable, match="send it again"):
        await publishers[0]
    assert receipt(second) == await publishers[1]
    await batches.aclose()


async def test_a_reader_that_ends_leaves_nobody_waiting(source: EmbeddedSource) -> None:
    """Handed on and not settled is unknown, and said so; what was not handed on waits for the next reader."""
    batches = source.batches(None)
    publisher = asyncio.create_task(source.offer(body(b"a")))
    await take(batches, 1)
    waiting = asyncio.create_task(source.offer(body(b"b")))
    await asyncio.sleep(0)
    await batches.aclose()
    with pytest.raises(Unavailable, match="before the event was confirmed"):
        await publisher
    batches = source.batches(Position(0, 0, b"\0" * 6))
    (delivery,) = await take(batches, 1)
    source.settle([receipt(delivery)])
    assert b"b" == (await waiting).delivery.body
    await batches.aclose()


@pytest.mark.parametrize("bound", [{"waiting": 1}, {"waiting_bytes": 4}])
async def test_publishers_wait_outside_for_room(bound: dict[str, int]) -> None:
    """Full is full, by number or by bytes; whoever waited comes in when there is room."""
    source = source_with(**bound)
    publishers = [asyncio.create_task(source.offer(body(text))) for text in (b"aaa", b"bbb")]
    await asyncio.sleep(0)
    batches = source.batches(None)
    first = await anext(batches)
    assert not isinstance(first, LogBreak)
    assert [b"aaa"] == [delivery.body for delivery in first]
    assert [b"bbb"] == [delivery.body for delivery in await take(batches, 1)]
    for publisher in publishers:
        publisher.cancel()
    await asyncio.gather(*publishers, return_exceptions=True)
    await batches.aclose()


async def test_without_room_the_publisher_is_asked_to_come_back() -> None:
    """Nobody waits for ever."""
    source = source_with(waiting=1, room_seconds=0.01)
    inside = asyncio.create_task(source.offer(body(b"a")))
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="too many events wait"):
        await source.offer(body(b"b"))
    inside.cancel()
    await asyncio.wait({inside})


async def test_a_body_over_the_bound_goes_alone() -> None:
    """A bound that can never be met would be a refusal nobody understands."""
    source = source_with(waiting_bytes=1)
    publisher = asyncio.create_task(source.offer(body(b"large")))
    batches = source.batches(None)
    assert [b"large"] == [delivery.body for delivery in await take(batches, 1)]
    await batches.aclose()
    with pytest.raises(Unavailable):
        await publisher


async def test_one_reader_at_a_time(source: EmbeddedSource, say: Say) -> None:
    """Two would split the log between them."""
    batches = source.batches(None)
    await say([b"a"])
    await take(batches, 1)
    with pytest.raises(RuntimeError, match="being read already"):
        await anext(source.batches(None))
    await batches.aclose()
