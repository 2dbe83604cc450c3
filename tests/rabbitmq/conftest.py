"""A stream of its own for every test, on the run's real RabbitMQ."""

import re
from collections.abc import AsyncIterator

import pytest

from relayd.rabbitmq.settings import RabbitSettings
from tests.harness.stream import QUICK, Stream


@pytest.fixture
def rabbit_settings(amqp_url: str, request: pytest.FixtureRequest) -> RabbitSettings:
    """Give settings with a queue and an exchange of this test's own, and short waits."""
    name = re.sub(r"\W+", "-", request.node.name)
    return RabbitSettings.model_validate({"url": amqp_url, "queue": name, "exchange": f"{name}-exchange", **QUICK})


@pytest.fixture
async def stream(rabbit_settings: RabbitSettings) -> AsyncIterator[Stream]:
    """Give a declared, empty stream."""
    async with Stream(rabbit_settings) as stream:
        await stream.declare()
        yield stream
