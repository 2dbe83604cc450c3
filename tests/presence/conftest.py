from collections.abc import AsyncIterator

import pytest

from tests.harness.redis import PrivateRedis
from tests.presence.fleet import Fleet


@pytest.fixture
async def fleet(redis: PrivateRedis) -> AsyncIterator[Fleet]:
    """Give a sea of its own on the run's real Redis."""
    async with Fleet(redis.url) as fleet:
        yield fleet
