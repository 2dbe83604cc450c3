from collections.abc import AsyncIterator

import aiormq
import pytest
from aiormq.abc import AbstractConnection

from relayd.rabbitmq.connection import Missing, close, connect
from relayd.rabbitmq.publish import Publisher
from relayd.rabbitmq.settings import RabbitSettings
from relayd.rabbitmq.survey import Difference, Refused, differences, product, stream_end, survey
from relayd.rabbitmq.topology import TopologyError, look, setup
from tests.harness.rabbitmq import PrivateRabbit


@pytest.fixture
def settings(amqp: str) -> RabbitSettings:
    """A virtual host without a queue."""
    return RabbitSettings.model_validate({"url": amqp})


@pytest.fixture
async def connection(settings: RabbitSettings) -> AsyncIterator[AbstractConnection]:
    """Somebody who may do everything."""
    connection = await connect(settings)
    yield connection
    await close(connection)


async def test_a_queue_as_configured_differs_in_nothing(
    connection: AbstractConnection, settings: RabbitSettings
) -> None:
    """Also when it is looked at again and again."""
    await setup(settings.url.get_secret_value(), settings)
    assert [[], []] == [await differences(connection, settings) for _ in range(2)]


async def test_each_argument_that_differs_is_named(connection: AbstractConnection, settings: RabbitSettings) -> None:
    """All of them at once, with what is there and which setting says otherwise."""
    other = settings.model_copy(update={"max_age": "1h", "max_length_bytes": 5_000_000, "segment_bytes": 500_000})
    await setup(settings.url.get_secret_value(), other)
    found = await differences(connection, settings)
    assert [
        Difference("x-max-age", "max_age", "7D", "1h"),
        Difference("x-max-length-bytes", "max_length_bytes", "10000000000", "5000000"),
        Difference("x-stream-max-segment-size-bytes", "segment_bytes", "50000000", "500000"),
    ] == sorted(found, key=lambda one: one.argument)


async def test_a_queue_of_another_type_is_named(connection: AbstractConnection, settings: RabbitSettings) -> None:
    """No setting mends that."""
    channel = await connection.channel()
    await channel.queue_declare(settings.queue, durable=True)
    found = {one.argument: (one.setting, one.configured) for one in await differences(connection, settings)}
    assert (None, "stream") == found["x-queue-type"]


async def test_looking_makes_nothing(connection: AbstractConnection, settings: RabbitSettings) -> None:
    """A queue that is not there is not there afterwards."""
    assert [] == await differences(connection, settings)
    with pytest.raises(TopologyError, match="there is no queue"):
        await look(connection, "queue", settings.queue, settings.vhost)
    with pytest.raises(Missing):
        await stream_end(connection, settings)


async def test_the_end_is_the_newest_offset(connection: AbstractConnection, settings: RabbitSettings) -> None:
    """None while there is nothing in it."""
    await setup(settings.url.get_secret_value(), settings)
    assert await stream_end(connection, settings) is None
    async with Publisher(settings) as publisher:
        for _ in range(3):
            await publisher.publish("p", "t", b"{}", message_id=None)
    assert 2 == await stream_end(connection, settings)


async def test_what_is_no_stream_has_no_end(connection: AbstractConnection, settings: RabbitSettings) -> None:
    """What it holds stays in it."""
    channel = await connection.channel()
    await channel.queue_declare(settings.queue, durable=True)
    await channel.basic_publish(b"{}", routing_key=settings.queue)

    with pytest.raises(Missing, match="x-stream-offset"):
        await stream_end(connection, settings)
    message = await channel.basic_get(settings.queue)
    assert (b"{}", False) == (message.body, message.redelivered)


async def test_who_may_only_read_is_told_so(
    rabbitmq: PrivateRabbit, connection: AbstractConnection, settings: RabbitSettings
) -> None:
    """The rights that docs/operate.md calls enough are not enough for this look; the end is seen all the same."""
    await setup(settings.url.get_secret_value(), settings)
    reading = await connect(settings.at(rabbitmq.reader(settings.vhost)))
    try:
        with pytest.raises(Refused, match="ACCESS_REFUSED"):
            await differences(reading, settings)
        assert await stream_end(reading, settings) is None
    finally:
        await close(reading)


async def test_a_broker_introduces_itself(connection: AbstractConnection) -> None:
    """By name and version."""
    assert product(connection).startswith("RabbitMQ 3.")
    assert isinstance(connection, aiormq.Connection)


async def test_further_exchanges_are_looked_at(connection: AbstractConnection, settings: RabbitSettings) -> None:
    """Each one: there, missing, or of another type."""
    await (await connection.channel()).exchange_declare("there", exchange_type="topic", durable=True)
    bindings = [{"exchange": "there"}, {"exchange": "missing"}, {"exchange": "amq.direct", "type": "fanout"}]
    bound = RabbitSettings.model_validate({"url": settings.url.get_secret_value(), "bindings": bindings})
    found = await survey(bound)
    assert ["", "there is no exchange missing", "exchange amq.direct is not of type fanout"] == [
        sentence.partition(" in vhost")[0].partition(" (the broker")[0] for sentence in found.bound.values()
    ]
