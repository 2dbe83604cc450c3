"""A small relay for each test."""

from collections.abc import AsyncGenerator

import pytest

from tests.client.small_relay import SmallRelay, on_stage


@pytest.fixture
async def relay() -> AsyncGenerator[SmallRelay]:
    """A server with an empty script."""
    async with on_stage(SmallRelay()) as small:
        yield small
