import aio_pika
import pytest
from aiormq.abc import FieldTable

from relayd.rabbitmq.connection import Lost
from relayd.rabbitmq.publish import Publisher
from relayd.rabbitmq.settings import RabbitSettings
from relayd.rabbitmq.topology import TopologyError, check, explain, setup
from tests.harness.follower import Follower
from tests.harness.rabbitmq import PrivateRabbit
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


def with_bindings(settings: RabbitSettings, *bindings: dict[str, str]) -> RabbitSettings:
    """Return the settings with further exchanges, whose names begin with this test's."""
    named = [{**one, "exchange": f"{settings.queue}-{one['exchange']}"} for one in bindings]
    return RabbitSettings.model_validate({**settings.model_dump(), "bindings": named})


async def test_what_comes_over_further_exchanges_stands_in_the_same_stream(rabbit_settings: RabbitSettings) -> None:
    """In the broker's one order, whatever the types are; only what the keys let through, and once for two keys."""
    settings = with_bindings(
        rabbit_settings,
        {"exchange": "topic", "routing_key": "task.#"},
        {"exchange": "topic", "routing_key": "*.sent"},
        {"exchange": "fanout", "type": "fanout"},
        {"exchange": "direct", "type": "direct", "routing_key": "here"},
        {"exchange": "headers", "type": "headers"},
    )
    url = settings.url.get_secret_value()
    for _ in range(2):
        await setup(url, settings)
    await check(url, settings)
    said = [("topic", "task.sent"), ("direct", "elsewhere"), ("fanout", "any"), ("direct", "here")]
    said += [("topic", "worker.online"), ("headers", "")]
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        for name, key in said:
            exchange = await channel.get_exchange(f"{settings.queue}-{name}", ensure=False)
            await exchange.publish(aio_pika.Message(name.encode()), key, mandatory=False)
    async with Stream(settings) as stream, Follower(stream.source()) as reader:
        await reader.until_count(4)
        came = {name.removeprefix(f"{settings.queue}-") for name in reader.source.state().delivered_over}
    assert [b"topic", b"fanout", b"direct", b"headers"] == reader.bodies
    assert [0, 1, 2, 3] == [delivery.offset for delivery in reader.deliveries]
    assert {"topic", "fanout", "direct", "headers"} == came
    assert [f"{settings.queue}-{body.decode()}" for body in reader.bodies] == [
        delivery.exchange for delivery in reader.deliveries
    ]


async def test_somebody_else_s_exchange_is_taken_as_it_is(rabbit_settings: RabbitSettings) -> None:
    """Transient and with arguments of its own; only another type is refused, for there a key means something else."""
    settings = with_bindings(rabbit_settings, {"exchange": "bus"})
    url = settings.url.get_secret_value()
    name = f"{settings.queue}-bus"
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        arguments: FieldTable = {"alternate-exchange": "amq.fanout"}
        await channel.declare_exchange(name, "topic", durable=False, auto_delete=True, arguments=arguments)
        await setup(url, settings)
        await check(url, settings)
        other = with_bindings(rabbit_settings, {"exchange": "bus", "type": "fanout"})
        for look_or_make in (setup, check):
            with pytest.raises(
                TopologyError, match=rf"exchange {name} is not of type fanout .*current is 'topic'.*set `type`"
            ):
                await look_or_make(url, other)


async def test_a_further_exchange_that_is_missing_is_told_and_not_made(rabbit_settings: RabbitSettings) -> None:
    """By `check`; it is there after `setup`."""
    url = rabbit_settings.url.get_secret_value()
    await setup(url, rabbit_settings)
    settings = with_bindings(rabbit_settings, {"exchange": "bus"})
    for _ in range(2):
        with pytest.raises(
            TopologyError, match=rf"no exchange {settings.queue}-bus in vhost .*\[\[sources.rabbitmq.bind"
        ):
            await check(url, settings)
    await setup(url, settings)
    await check(url, settings)


async def test_who_may_not_make_an_exchange_may_bind_it(
    rabbitmq: PrivateRabbit, rabbit_settings: RabbitSettings
) -> None:
    """Reading it is enough; who may not write to the queue is told so in the broker's words."""
    settings = with_bindings(rabbit_settings, {"exchange": "bus"})
    url = settings.url.get_secret_value()
    await setup(url, rabbit_settings)
    async with await aio_pika.connect(url) as connection:
        await (await connection.channel()).declare_exchange(f"{settings.queue}-bus", "topic", durable=True)
    own = f"^({settings.queue}|{settings.exchange})$"
    may_bind = rabbitmq.user("binder", settings.vhost, configure=own, write=own)
    await setup(may_bind, settings)
    await check(may_bind, settings)
    async with Stream(settings) as stream, Follower(stream.source()) as reader:
        bus = await stream.channel.get_exchange(f"{settings.queue}-bus", ensure=False)
        await bus.publish(aio_pika.Message(b"bound"), "any")
        await reader.until_count(1)
    with pytest.raises(Lost, match="ACCESS_REFUSED"):
        await setup(rabbitmq.reader(settings.vhost), settings)
