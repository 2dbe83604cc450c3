"""The source on a real stream: order, resume, breaks, and what a broker does on a bad day."""

import asyncio
import time
from collections.abc import Sequence
from random import Random

import pytest
from pamqp import commands
from pamqp.common import FieldTable
from pydantic import SecretStr

from relayd.dialects.delivery import Delivery
from relayd.ports import LogBreak, Position
from relayd.rabbitmq.consume import RabbitSource
from relayd.rabbitmq.settings import RabbitSettings
from relayd.testing.source_contract import Say, SourceContract
from tests.harness.checker import GAP, check
from tests.harness.follower import Follower, WallClock, position_of, receipt, until
from tests.harness.forged import publish_forged
from tests.harness.proxy import Proxy
from tests.harness.rabbitmq import PrivateRabbit
from tests.harness.stream import Stream


@pytest.fixture
def source(stream: Stream) -> RabbitSource:
    """Give a source on this test's stream."""
    return stream.source()


@pytest.fixture
def say(stream: Stream) -> Say:
    """Give a publisher for it."""
    return stream.say


class TestContract(SourceContract):
    """A stream is a source."""


def numbered(first: int, last: int) -> list[bytes]:
    """Return bodies that tell their number."""
    return [b'{"n":%d}' % number for number in range(first, last)]


async def read_all(stream: Stream, count: int) -> list[Delivery]:
    """Return the first deliveries of a fresh reader."""
    async with Follower(stream.source()) as reader:
        await reader.until_count(count)
    return reader.deliveries


async def test_order_holds_under_load(stream: Stream) -> None:
    """A task is started per delivery; none may overtake another, while publishing goes on and acks flow."""
    async with Follower(stream.source(prefetch=300, ack_every=100)) as reader:
        channel = await stream.channel.get_underlay_channel()
        async with asyncio.TaskGroup() as group:
            for body in numbered(0, 5_000):
                group.create_task(channel.basic_publish(body, routing_key=stream.settings.queue))
        await reader.until_count(5_000, seconds=50)
    offsets = [delivery.offset for delivery in reader.deliveries]
    assert sorted(set(offsets)) == offsets
    assert numbered(0, 5_000) == reader.bodies


async def test_a_resume_goes_on_behind_the_position(stream: Stream) -> None:
    """The message at the position comes again from the broker and is not handed on again."""
    await stream.say(numbered(0, 10))
    third = (await read_all(stream, 10))[3]
    source = stream.source()
    async with Follower(source, position_of(source, third)) as reader:
        await reader.until_count(6)
        await stream.say(numbered(10, 12))
        await reader.until_count(8)
    assert numbered(4, 12) == reader.bodies
    assert [] == reader.breaks


async def test_a_resume_at_the_end_is_caught_up_at_once(stream: Stream) -> None:
    """Nothing is behind the position, and that is known without waiting for the next message."""
    await stream.say(numbered(0, 3))
    last = (await read_all(stream, 3))[-1]
    source = stream.source()
    async with Follower(source, position_of(source, last)) as reader:
        await reader.until_state(lambda: source.state().caught_up)
        assert last.offset == source.state().head_offset
        await stream.say(numbered(3, 4))
        await reader.until_count(1)
    assert numbered(3, 4) == reader.bodies


async def test_properties_travel(stream: Stream) -> None:
    """Id, type, user and plain headers come along; the broker's own offset header does not."""
    headers = {"relayd-owner": "ann", "n": 7, "ratio": 0.5, "yes": True, "nothing": None, "list": [1]}
    started = time.time()
    await stream.say([b"{}"], headers=headers, content_type="application/json", user_id="guest")
    (delivery,) = await read_all(stream, 1)
    assert ("{}", "application/json", "guest", "") == (
        delivery.message_id,
        delivery.content_type,
        delivery.user_id,
        delivery.exchange,
    )
    assert {"relayd-owner": "ann", "n": 7, "ratio": 0.5, "yes": True, "nothing": None} == delivery.headers
    assert started <= delivery.received_at <= time.time()


async def test_acks_keep_the_stream_flowing(stream: Stream) -> None:
    """Far more messages than the prefetch arrive, those that make no full ack among them."""
    async with Follower(stream.source(prefetch=10, ack_every=7)) as reader:
        await stream.say(numbered(0, 95))
        await reader.until_count(95)
    assert numbered(0, 95) == reader.bodies


async def test_without_settling_the_broker_stops_at_the_prefetch(stream: Stream) -> None:
    """What is not processed is not acknowledged, so memory holds one prefetch and no more."""
    await stream.say(numbered(0, 30))
    async with Follower(stream.source(prefetch=10, ack_every=1), settles=False) as reader:
        await reader.until_count(10)
        await reader.until_state(lambda: reader.source.state().head_offset == 29)
        assert numbered(0, 10) == reader.bodies


async def test_truncation_is_told(stream: Stream) -> None:
    """The broker silently begins at the oldest message it has; the relay says that something is missing."""
    await stream.delete()
    small: FieldTable = {
        "x-queue-type": "stream",
        "x-max-length-bytes": 300_000,
        "x-stream-max-segment-size-bytes": 100_000,
    }
    await stream.channel.declare_queue(stream.settings.queue, durable=True, arguments=small)
    await stream.say([b"first"])
    (first,) = await read_all(stream, 1)
    for number in range(40):
        await stream.say([b"%03d" % number + b"." * 30_000])
    source = stream.source()
    async with Follower(source, position_of(source, first)) as reader:
        await reader.until(lambda: bool(reader.bodies) and reader.bodies[-1].startswith(b"039"))
    assert ["truncated"] == reader.breaks
    assert "truncated" == getattr(reader.seen[0], "cause", None)
    assert reader.deliveries[0].offset > first.offset + 1


async def test_a_stream_recreated_while_away_is_told(stream: Stream) -> None:
    """Same offset, other message: everything of the new log comes, from its beginning."""
    await stream.say(numbered(0, 5))
    last = (await read_all(stream, 5))[2]
    await stream.delete()
    await stream.declare()
    await stream.say([b"new %d" % number for number in range(6)])
    source = stream.source()
    async with Follower(source, position_of(source, last)) as reader:
        await reader.until_count(6)
    assert ["recreated"] == reader.breaks
    assert [b"new %d" % number for number in range(6)] == reader.bodies


async def test_a_shorter_stream_is_a_recreated_one(stream: Stream) -> None:
    """Beyond the end the broker is silent for ever; the relay looks at the end and knows."""
    await stream.say([b"only"])
    source = stream.source()
    async with Follower(source, Position(0, 1_000, b"\0" * 6)) as reader:
        await reader.until_count(1)
        await stream.say([b"next"])
        await reader.until_count(2)
    assert ["recreated"] == reader.breaks
    assert [b"only", b"next"] == reader.bodies


async def test_an_empty_stream_at_a_position_is_a_recreated_one(stream: Stream) -> None:
    """What comes into the new log later is handed on, from the first message."""
    source = stream.source()
    async with Follower(source, Position(0, 7, b"\0" * 6)) as reader:
        await reader.until(lambda: reader.breaks == ["recreated"])
        await reader.until_state(lambda: source.state().caught_up)
        await stream.say(numbered(0, 3))
        await reader.until_count(3)
    assert numbered(0, 3) == reader.bodies


async def test_a_stream_recreated_while_reading_is_told(stream: Stream) -> None:
    """The broker ends the consumer and leaves the channel open; the reader notices and goes on with the new log."""
    source = stream.source()
    async with Follower(source) as reader:
        await stream.say(numbered(0, 5))
        await reader.until_count(5)
        await stream.delete()
        await reader.until_state(lambda: not source.state().connected)
        await stream.declare()
        await stream.say([b"new %d" % number for number in range(3)])
        await reader.until_count(8)
    assert ["recreated"] == reader.breaks
    assert [*numbered(0, 5), b"new 0", b"new 1", b"new 2"] == reader.bodies


async def test_a_restart_of_the_broker_loses_and_repeats_nothing(rabbitmq: PrivateRabbit, stream: Stream) -> None:
    """All before and all after, once and in order; not found and no replica right after the start are waited out."""
    source = stream.source()
    async with Follower(source) as reader:
        await stream.say(numbered(0, 50))
        await reader.until_count(50)
        await rabbitmq.ctl_async("stop_app")
        await reader.until_state(lambda: not source.state().connected)
        await rabbitmq.ctl_async("start_app")
        async with Stream(stream.settings) as again:
            await reader.until_state(lambda: source.state().connected)
            await again.say(numbered(50, 100))
            await reader.until_count(100)
        await reader.until_state(lambda: source.state().caught_up)
    assert numbered(0, 100) == reader.bodies
    assert [] == reader.breaks


async def test_cuts_at_any_moment_lose_and_repeat_nothing(rabbitmq: PrivateRabbit, stream: Stream) -> None:
    """Twenty resets while events flow: in the middle of a frame, while connecting, while resuming."""
    random = Random(20)
    bodies = numbered(0, 2_000)
    async with Proxy(rabbitmq.port) as proxy:
        url = stream.settings.url.get_secret_value().replace(f":{rabbitmq.port}/", f":{proxy.port}/")
        source = stream.source(url=SecretStr(url), prefetch=200, ack_every=50, batch=20, backoff_seconds=0.05)
        async with Follower(source) as reader, asyncio.TaskGroup() as group:
            group.create_task(stream.say(bodies))
            while proxy.accepted <= 20:
                await asyncio.sleep(random.uniform(0, 0.3))
                proxy.cut()
            await reader.until_count(len(bodies))
    report = check(bodies, [one.body if isinstance(one, Delivery) else GAP for one in reader.seen])
    assert "whole" == report.verdict, report


async def test_a_missing_queue_is_reported_and_not_made(stream: Stream) -> None:
    """An empty stream in the place of a lost one would hide the loss; an operator decides."""
    await stream.delete()
    source = stream.source()
    async with Follower(source) as reader:
        await reader.until_state(lambda: "is missing since" in source.state().detail)
        assert stream.settings.queue in source.state().detail
        assert not source.state().connected
        await stream.declare()
        await stream.say([b"at last"])
        await reader.until_count(1)
    assert [b"at last"] == reader.bodies


async def test_a_source_may_create_its_stream_once(stream: Stream) -> None:
    """With `create` the first connection declares; a queue that is deleted later is still not made anew."""
    await stream.delete()
    source = stream.source(create=True)
    async with Follower(source) as reader:
        await reader.until_state(lambda: source.state().connected)
        await stream.say(numbered(0, 1))
        await reader.until_count(1)
        await stream.delete()
        await reader.until_state(lambda: "is missing since" in source.state().detail)


async def test_an_empty_stream_is_caught_up(stream: Stream) -> None:
    """A fresh relay on a fresh stream is ready."""
    source = stream.source()
    async with Follower(source) as reader:
        await reader.until_state(lambda: source.state().caught_up)
    assert "stopped" == source.state().detail


async def test_a_queue_that_is_no_stream_is_named(stream: Stream) -> None:
    """A classic queue would lose what is acknowledged; nothing of it is taken."""
    await stream.delete()
    await stream.channel.declare_queue(stream.settings.queue, durable=True)
    await stream.say([b"kept"])
    source = stream.source()
    async with Follower(source) as reader:
        await reader.until_state(lambda: not source.state().connected and "stream" in source.state().detail)
    assert [] == reader.bodies


async def test_poison_bodies_pass_through(stream: Stream) -> None:
    """What a body means is not the source's business."""
    poison = [b"", b"\0", b"\xff\xfe", b"{", b"NaN", b"[" * 100_000, b'{"a":"\\ud800"}', b"x" * 1_000_000]
    await stream.say(poison)
    assert poison == [delivery.body for delivery in await read_all(stream, len(poison))]


async def publish_poisoned(stream: Stream, body: bytes, message_id: bytes) -> None:
    """Publish with a message id that is no text."""
    honest = "I" * len(message_id)
    await publish_forged(
        stream.settings.url.get_secret_value(),
        body,
        key=stream.settings.queue,
        properties=commands.Basic.Properties(message_id=honest),
        forged={honest.encode(): message_id},
    )


async def test_properties_that_cannot_be_decoded_do_not_end_the_reading(stream: Stream) -> None:
    """The library drops the connection at bytes that are no text; the stream keeps them, so it would do so for ever."""
    await stream.say(numbered(0, 3))
    await publish_poisoned(stream, b"poison", b"\xff\xfe\xff")
    await publish_poisoned(stream, b"poison too", b"\xff" * 40)
    await stream.say(numbered(3, 6))
    source = stream.source()
    async with Follower(source) as reader:
        await reader.until_count(8)
        await stream.say(numbered(6, 8))
        await reader.until_count(10)
    assert [*numbered(0, 3), b"poison", b"poison too", *numbered(3, 8)] == reader.bodies
    assert [None, None] == [delivery.message_id for delivery in reader.deliveries[3:5]]
    assert list(range(10)) == [delivery.offset for delivery in reader.deliveries]
    # Who comes later and resumes there finds the same message.
    again = stream.source()
    async with Follower(again, position_of(again, reader.deliveries[3])) as later:
        await later.until_count(6)
    assert [] == later.breaks


async def test_a_routing_key_that_is_no_text_does_not_end_the_reading(stream: Stream) -> None:
    """Nobody here looks at routing keys, broken ones least of all."""
    queue = await stream.channel.get_queue(stream.settings.queue)
    await queue.bind("amq.fanout")
    url = stream.settings.url.get_secret_value()
    await publish_forged(url, b"poison", exchange="amq.fanout", key="KKKK", forged={b"KKKK": b"\xff\xfe\xfd\xfc"})
    await stream.say(numbered(0, 2))
    async with Follower(stream.source()) as reader:
        await reader.until_count(3)
    await queue.unbind("amq.fanout")
    assert [b"poison", *numbered(0, 2)] == reader.bodies


async def test_closing_is_quick_and_it_can_be_read_again(stream: Stream) -> None:
    """A reader that stops leaves no consumer behind; the next one may begin elsewhere."""
    await stream.say(numbered(0, 5))
    source = stream.source()
    async with Follower(source) as reader:
        await reader.until_count(5)
        started = time.monotonic()
    assert time.monotonic() - started < 5
    async with Follower(source, position_of(source, reader.deliveries[1])) as second:
        await second.until_count(3)
    assert numbered(2, 5) == second.bodies


def deliveries_of(batch: Sequence[Delivery] | LogBreak) -> Sequence[Delivery]:
    """Return the deliveries of a batch that is no break."""
    assert not isinstance(batch, LogBreak)
    return batch


async def lose_connection(source: RabbitSource) -> None:
    """Cut it, and return when the source has noticed."""
    current = source._current
    assert current is not None
    await current._connection.close()
    await until(lambda: source._current is not current)


async def test_memory_holds_one_prefetch_over_reconnects(stream: Stream) -> None:
    """A relay that can't take anything in now, on a connection that comes and goes, does not fill up."""
    await stream.say(numbered(0, 60))
    source = stream.source(prefetch=10, ack_every=1)
    batches = source.batches(None)
    read: list[Delivery] = []
    while len(read) < 10:
        read.extend(deliveries_of(await anext(batches)))
    await lose_connection(source)
    await until(lambda: len(source._queue) >= 9)
    await lose_connection(source)
    # It is connected again by now, and waits with the subscription until somebody reads.
    await until(lambda: not source._drained.is_set())
    assert source._current is None
    assert len(source._queue) <= 10
    source.settle([receipt(delivery) for delivery in read])
    while len(read) < 60:
        batch = deliveries_of(await anext(batches))
        read.extend(batch)
        source.settle([receipt(delivery) for delivery in batch])
    await batches.aclose()
    assert numbered(0, 60) == [delivery.body for delivery in read]


async def test_memory_holds_so_many_bytes(stream: Stream) -> None:
    """The prefetch counts messages, which may be of any size; while nobody takes them in, no more are read."""
    bodies = [b"%02d" % number + b"." * 100_000 for number in range(60)]
    await stream.say(bodies)
    source = stream.source(backlog_mib=1)
    batches = source.batches(None)
    read = [*deliveries_of(await anext(batches))]
    await until(lambda: not source._valve.is_open)
    # The channel holds a few frames, and the loop what it was about to hand over.
    assert 1_000_000 < sum(len(waiting.body) for waiting in source._queue if isinstance(waiting, Delivery)) < 1_500_000
    reading = source._current
    while len(read) < len(bodies):
        read.extend(deliveries_of(await anext(batches)))
        source.settle([receipt(delivery) for delivery in read[-1:]])
    assert reading is source._current
    await batches.aclose()
    assert bodies == [delivery.body for delivery in read]


async def test_what_a_dead_channel_delivered_is_not_acknowledged_on_a_new_one(stream: Stream) -> None:
    """Its tags mean other messages there, or none, at which the broker closes the channel."""
    await stream.say(numbered(0, 5))
    source = stream.source()
    batches = source.batches(None)
    read: list[Delivery] = []
    while len(read) < 5:
        read.extend(deliveries_of(await anext(batches)))
    await lose_connection(source)
    await until(lambda: source._current is not None)
    current = source._current
    source.settle([receipt(delivery) for delivery in read])
    assert current is not None
    # The one that was delivered again, and nothing of what the old channel delivered.
    assert 1 == current._settled_tag
    await batches.aclose()


async def test_one_reader_at_a_time(stream: Stream) -> None:
    """Two would acknowledge each other's messages."""
    source = stream.source()
    async with Follower(source) as reader:
        await reader.until_state(lambda: source.state().connected)
        with pytest.raises(RuntimeError, match="being read already"):
            await anext(source.batches(None))


def test_the_log_is_named_after_host_and_queue() -> None:
    """Equal for all relays that read the same stream, whatever their user, password or broker node."""
    one, other = (
        RabbitSource(RabbitSettings.model_validate({"url": url}), WallClock())
        for url in ("amqp://a:b@one/swarms", "amqps://c:d@other:5999/swarms?heartbeat=9")
    )
    assert "rabbitmq:swarms:relayd.events" == one.log == other.log
    assert one.replays


async def test_no_broker_is_waited_for(stream: Stream) -> None:
    """A relay that starts before its broker says so and connects when it can."""
    source = stream.source(url=SecretStr("amqp://guest:guest@127.0.0.1:1/"))
    async with Follower(source) as reader:
        await reader.until_state(lambda: "trying again" in source.state().detail)
        assert "127.0.0.1:1" in source.state().detail
        assert "guest:guest" not in source.state().detail
