"""A fault that is not injected proves nothing."""

import re

import aiormq
from aiormq.abc import DeliveredMessage

from tests.harness.follower import until
from tests.harness.rabbitmq import PrivateRabbit
from tests.harness.withholding import Withholding


async def test_only_messages_stay_away(rabbitmq: PrivateRabbit, amqp_url: str) -> None:
    """Answers come, on a connection that is well; another one, later, gets everything."""
    heard: list[bytes] = []

    async def hear(message: DeliveredMessage) -> None:
        heard.append(message.body)

    async with Withholding(rabbitmq.port) as proxy:
        url = re.sub(r":\d+/", f":{proxy.port}/", amqp_url)
        connection = await aiormq.connect(url)
        channel = await connection.channel()
        await channel.queue_declare("withheld")
        consuming = await channel.basic_consume("withheld", hear, no_ack=True)
        await channel.basic_publish(b"before", routing_key="withheld")
        await until(lambda: heard == [b"before"])
        proxy.withholds = True
        await channel.basic_publish(b"during" * 50_000, routing_key="withheld")
        await until(lambda: proxy.withheld >= 4)
        proxy.withholds = False
        await channel.basic_publish(b"after", routing_key="withheld")
        assert 0 == (await channel.queue_declare("withheld", passive=True)).message_count
        another = await aiormq.connect(url)
        fresh = await another.channel()
        await channel.basic_cancel(str(consuming.consumer_tag))
        await fresh.basic_consume("withheld", hear, no_ack=True)
        await fresh.basic_publish(b"after", routing_key="withheld")
        await until(lambda: heard == [b"before", b"after"])
        await another.close()
        await connection.close()
