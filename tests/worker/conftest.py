"""A queue behind the swarm's exchange on the run's real RabbitMQ."""

from collections.abc import AsyncIterator

import aio_pika
import pytest

from tests.worker.exchange import Queue


@pytest.fixture
async def queue(amqp_url: str) -> AsyncIterator[Queue]:
    """A classic queue behind the swarm's exchange."""
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        exchange = await channel.declare_exchange("swarm.events", "topic", durable=True)
        queue = await channel.declare_queue("worker.test", auto_delete=True)
        await queue.bind(exchange, "#")
        yield Queue(queue)
