"""A log of its own for every test, on the run's real RabbitMQ, and a seed that a failing test tells."""

import time

import aio_pika
import pytest

from relayd.rabbitmq.settings import RabbitSettings


@pytest.fixture
async def amqp(amqp_url: str) -> str:
    """Give the URL of a virtual host without a log: the relay makes it when it connects."""
    async with await aio_pika.connect(amqp_url) as connection:
        await (await connection.channel()).queue_delete(RabbitSettings().queue)
    return amqp_url


@pytest.fixture
def seed() -> int:
    """Tell the seed when the test fails: pytest shows then what was printed."""
    seed = time.time_ns() % 1_000_000
    print(f"seed {seed}")  # noqa: T201  # see above
    return seed
