"""A whole relay without sockets or disks, in a loop whose time passes when nobody has anything to do."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from relayd.testing.world import HandLoop
from tests.relay.stage import Relay


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Let every test here live by its own clock."""
    return {"hand": HandLoop}


@pytest.fixture
async def relay() -> AsyncIterator[Relay]:
    """Give a relay that reads a log which can be read again, with a journal."""
    relay = await Relay.begin()
    yield relay
    await relay.end()
