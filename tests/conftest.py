"""Fixtures that any test may ask for: real servers, started once, private to this run."""

import re
import resource
import time
from collections.abc import AsyncIterator, Iterator

import aio_pika
import pytest
import pytest_asyncio

from relayd.rabbitmq.settings import RabbitSettings
from tests.harness.chromium import PrivateChromium
from tests.harness.daemon import PrivateRelay
from tests.harness.rabbitmq import PrivateRabbit
from tests.harness.redis import PrivateRedis

FILES = 65_536
"""Enough for every test; without a bound RabbitMQ would make tables for as many as there may be."""


def pytest_configure() -> None:
    """Allow as many open files as the system lets us: a thousand viewers are one test's, and its relay's."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[PrivateRabbit]:
    """Give the run's own RabbitMQ, running; a test that stops or kills it starts it again."""
    with PrivateRabbit() as broker:
        yield broker


@pytest.fixture(scope="module")
def amqp_url(rabbitmq: PrivateRabbit, request: pytest.FixtureRequest) -> str:
    """Give the URL of a virtual host that only this module's tests use."""
    name = re.sub(r"\W+", "-", request.node.nodeid)
    return rabbitmq.vhost(name)


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


@pytest.fixture(scope="session")
def redis() -> Iterator[PrivateRedis]:
    """Give the run's own Redis, running; each test uses a prefix of its own, one that kills it starts it again."""
    with PrivateRedis() as server:
        yield server


@pytest.fixture(scope="session")
def daemon() -> Iterator[PrivateRelay]:
    """
    Give a relay of the run's own, as a real process with an embedded log, running.

    Tests share it, so each has projects and users of its own; one that ends it starts it again.
    """
    with PrivateRelay() as relay:
        yield relay


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[PrivateChromium]:
    """
    Give the run's own browser, running; each page of it is a private window.

    It is driven from the loop of the run, so who asks for it is marked `asyncio(loop_scope="session")`.
    """
    async with PrivateChromium() as browser:
        yield browser
