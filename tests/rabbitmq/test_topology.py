import aio_pika
import pytest

from relayd.rabbitmq.connection import Lost
from relayd.rabbitmq.publish import Publisher
from relayd.rabbitmq.settings import RabbitSettings
from relayd.rabbitmq.topology import TopologyError, check, explain, setup
from tests.harness.follower import Follower
from tests.harness.stream import Stream


async def test_setup_may_be_called_again(rabbit_settings: RabbitSettings) -> None:
    """It makes exchange, stream and binding, and the second time it finds them; what is published arrives."""
    url = rabbit_settings.url.get_secret_value()
    await setup(url, rabbit_settings)
    await setup(url, rabbit_settings)
    await check(url, rabbit_settings)
    async with Publisher(rabbit_settings) as publisher, Stream(rabbit_settings) as stream:
        await publisher.publish("p", "workflow_log", b"{}")
        async with Follower(stream.source()) as reader:
            await reader.until_count(1)
    assert rabbit_settings.exchange == reader.deliveries[0].exchange


async def test_another_argument_is_named(rabbit_settings: RabbitSettings, stream: Stream) -> None:
    """With the setting it comes from."""
    other = rabbit_settings.model_copy(update={"max_age": "1h"})
    with pytest.raises(TopologyError, match=r"another x-max-age; set `max_age` under \[sources.rabbitmq\]"):
        await setup(rabbit_settings.url.get_secret_value(), other)


async def test_another_kind_is_named(rabbit_settings: RabbitSettings) -> None:
    """A classic queue can't become a stream."""
    async with await aio_pika.connect(rabbit_settings.url.get_secret_value()) as connection:
        await (await connection.channel()).declare_queue(rabbit_settings.queue, durable=True)
    with pytest.raises(TopologyError, match=f"queue {rabbit_settings.queue} exists with another .*choose another name"):
        await setup(rabbit_settings.url.get_secret_value(), rabbit_settings)


async def test_check_names_what_is_missing_and_makes_nothing(rabbit_settings: RabbitSettings) -> None:
    """First the exchange, then the queue; after setup both are there."""
    url = rabbit_settings.url.get_secret_value()
    for _ in range(2):
        with pytest.raises(TopologyError, match=f"there is no exchange {rabbit_settings.exchange} in vhost "):
            await check(url, rabbit_settings)
    async with await aio_pika.connect(url) as connection:
        await (await connection.channel()).declare_exchange(rabbit_settings.exchange, "topic", durable=True)
    with pytest.raises(TopologyError, match=f"there is no queue {rabbit_settings.queue} in vhost .*rabbitmq setup"):
        await check(url, rabbit_settings)


async def test_without_a_broker_it_is_lost(rabbit_settings: RabbitSettings, unused_tcp_port: int) -> None:
    """Another sin than a missing queue, and another mend."""
    with pytest.raises(Lost):
        await setup(f"amqp://guest:guest@127.0.0.1:{unused_tcp_port}/", rabbit_settings)


def test_an_unknown_refusal_is_told_as_it_is() -> None:
    """Newer brokers find newer reasons."""
    assert "the broker refused: PRECONDITION_FAILED - too late" == explain("PRECONDITION_FAILED - too late")
