import asyncio

import aio_pika
import pytest

from relayd.rabbitmq.publish import Forbidden, NotPublished, Publisher, Unconfirmed, Unroutable
from relayd.rabbitmq.settings import RabbitSettings
from relayd.rabbitmq.topology import setup
from tests.harness.follower import Follower
from tests.harness.rabbitmq import PrivateRabbit
from tests.harness.stream import Stream


@pytest.fixture
async def published(rabbit_settings: RabbitSettings) -> RabbitSettings:
    """Give settings whose exchange and stream are there."""
    await setup(rabbit_settings.url.get_secret_value(), rabbit_settings)
    return rabbit_settings


async def test_many_are_in_flight_and_none_is_lost(published: RabbitSettings) -> None:
    """Each call returns with its confirm; ids and headers travel."""
    bodies = [b"%d" % number for number in range(300)]
    async with Publisher(published) as publisher:
        await asyncio.gather(
            *(
                publisher.publish("p", "workflow_log", body, message_id=body.decode(), headers={"n": 1})
                for body in bodies
            )
        )
    async with Stream(published) as stream, Follower(stream.source()) as reader:
        await reader.until_count(300)
    assert sorted(bodies) == sorted(reader.bodies)
    assert all(one.message_id == one.body.decode() and one.headers == {"n": 1} for one in reader.deliveries)
    assert {"application/json"} == {one.content_type for one in reader.deliveries}


async def test_an_exchange_without_a_queue_is_told(published: RabbitSettings) -> None:
    """The broker would confirm and drop it."""
    async with Stream(published) as stream:
        await stream.delete()
        async with Publisher(published) as publisher:
            with pytest.raises(Unroutable, match="has no queue for it"):
                await publisher.publish("p", "workflow_log", b"{}", message_id="m")


async def test_who_may_not_write_is_told(rabbitmq: PrivateRabbit, published: RabbitSettings) -> None:
    """Not to try again, but to ask for the permission; he may look at the exchange all the same."""
    async with Publisher(published.at(rabbitmq.reader(published.vhost))) as publisher:
        with pytest.raises(Forbidden, match=f"may not write to exchange {published.exchange}; give it"):
            await publisher.publish("p", "workflow_log", b"{}")


async def test_what_a_queue_refuses_is_unknown(published: RabbitSettings) -> None:
    """Another queue of the exchange is full and the broker says no; the stream may have it all the same."""
    async with Stream(published) as stream, Publisher(published) as publisher:
        full = await stream.channel.declare_queue(
            f"{published.queue}-full", arguments={"x-max-length": 1, "x-overflow": "reject-publish"}
        )
        await full.bind(published.exchange, "#")
        await publisher.publish("p", "workflow_log", b"{}", message_id="m-1")
        with pytest.raises(Unconfirmed, match="send it again"):
            await publisher.publish("p", "workflow_log", b"{}", message_id="m-2")


async def test_a_missing_exchange_is_told(rabbit_settings: RabbitSettings) -> None:
    """Before anything is published."""
    with pytest.raises(NotPublished, match=rabbit_settings.exchange):
        async with Publisher(rabbit_settings):
            pass


async def test_no_broker_is_told(published: RabbitSettings, unused_tcp_port: int) -> None:
    """With the address and without the password."""
    nowhere = published.at(f"amqp://me:hunter2@127.0.0.1:{unused_tcp_port}/")
    with pytest.raises(NotPublished, match=f"127.0.0.1:{unused_tcp_port}") as told:
        async with Publisher(nowhere):
            pass
    assert "hunter2" not in str(told.value)


async def test_no_confirm_in_time_is_unknown(rabbitmq: PrivateRabbit, published: RabbitSettings) -> None:
    """Under a memory alarm the broker says nothing; the reader goes on meanwhile, and what timed out may land later."""
    async with Stream(published) as stream, Publisher(published, confirm_seconds=1.0) as publisher:
        await publisher.publish("p", "workflow_log", b"before", message_id="1")
        async with Follower(stream.source()) as reader:
            await reader.until(lambda: reader.bodies == [b"before"])
            await rabbitmq.ctl_async("set_vm_memory_high_watermark", "0.0000001")
            try:
                with pytest.raises(Unconfirmed, match="same message_id"):
                    await publisher.publish("p", "workflow_log", b"during", message_id="2")
                assert reader.source.state().connected
            finally:
                await rabbitmq.ctl_async("set_vm_memory_high_watermark", "0.4")
            async with Publisher(published) as another:
                await another.publish("p", "workflow_log", b"after", message_id="3")
            await reader.until(lambda: b"after" in reader.bodies)
    assert reader.bodies in ([b"before", b"during", b"after"], [b"before", b"after"])


async def test_a_lost_connection_is_unknown(published: RabbitSettings) -> None:
    """Whether it arrived nobody can say; the same id makes a second time harmless."""
    async with Publisher(published) as publisher:
        assert publisher._connection is not None
        await publisher._connection.close()
        with pytest.raises(Unconfirmed, match="send it again"):
            await publisher.publish("p", "workflow_log", b"{}")


async def test_who_gives_up_while_it_connects_leaves_nothing_behind(published: RabbitSettings) -> None:
    """At any moment: a relay that lost its subscription drops the canary's connection, however far it got."""
    far = 0
    for turns in range(20):
        publisher = Publisher(published)
        entering = asyncio.create_task(publisher.__aenter__())
        while publisher._connection is None:  # noqa: ASYNC110  # from here on there is something to leave behind
            await asyncio.sleep(0)
        for _ in range(turns):
            await asyncio.sleep(0)
        entering.cancel()
        await asyncio.wait({entering})
        far += entering.cancelled()
        if not entering.cancelled():
            await publisher.__aexit__(None, None, None)
        assert publisher._connection is not None
        assert publisher._connection.is_closed
    assert far > 0


async def test_a_long_key_is_cut(published: RabbitSettings) -> None:
    """Names are for people; an event is not refused for one."""
    async with Publisher(published) as publisher:
        await publisher.publish("p" * 300, "workflow_log", b"{}")
    async with Stream(published) as stream, Follower(stream.source()) as reader:
        await reader.until_count(1)


async def test_it_is_entered_first(published: RabbitSettings) -> None:
    """A mistake in a program, told as one."""
    with pytest.raises(RuntimeError, match="enter the publisher first"):
        await Publisher(published).publish("p", "t", b"{}")
    assert aio_pika.DeliveryMode.PERSISTENT
