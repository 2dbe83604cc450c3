"""The harness itself: the private RabbitMQ is private, and its data outlives a kill."""

import asyncio
import time

import aio_pika
import pytest
from aio_pika.exceptions import ChannelNotFoundEntity
from pamqp.common import FieldTable

from tests.harness.rabbitmq import PrivateRabbit

STREAM: FieldTable = {"x-queue-type": "stream"}


async def exists(connection: aio_pika.abc.AbstractConnection, queue: str, *, seconds: float) -> bool:
    """Return whether the queue is there, or is within that time: a broker that has just started finds streams late."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            await (await connection.channel()).declare_queue(queue, passive=True)
        except ChannelNotFoundEntity:
            await asyncio.sleep(0.1)
        else:
            return True
    return False


async def test_a_stream_outlives_a_kill(rabbitmq: PrivateRabbit, amqp_url: str) -> None:
    """What faults are tested with: killed at once, started again on the same port with the same data."""
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        await channel.declare_queue("kept", durable=True, arguments=STREAM)
    await rabbitmq.kill_async()
    assert not rabbitmq.alive
    await rabbitmq.start_async()
    async with await aio_pika.connect(amqp_url) as connection:
        assert await exists(connection, "kept", seconds=30)


async def test_virtual_hosts_are_strangers(rabbitmq: PrivateRabbit, amqp_url: str) -> None:
    """A module's queues are nobody else's."""
    async with await aio_pika.connect(amqp_url) as connection:
        await (await connection.channel()).declare_queue("mine", durable=True, arguments=STREAM)
    other = await aio_pika.connect(rabbitmq.vhost("other"))
    async with other:
        channel = await other.channel()
        with pytest.raises(ChannelNotFoundEntity):
            await channel.declare_queue("mine", passive=True)


async def test_a_command_that_fails_says_so(rabbitmq: PrivateRabbit) -> None:
    """An answer is never mistaken for an error."""
    with pytest.raises(RuntimeError, match="rabbitmqctl no_such_command failed"):
        await rabbitmq.ctl_async("no_such_command")
