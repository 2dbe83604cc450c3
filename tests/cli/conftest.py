"""A small relay for each test, and an environment that says nothing."""

import os
from collections.abc import AsyncGenerator

import pytest

from tests.client.small_relay import SmallRelay, on_stage


@pytest.fixture
async def relay() -> AsyncGenerator[SmallRelay]:
    """A server with an empty script."""
    async with on_stage(SmallRelay()) as small:
        yield small


@pytest.fixture(autouse=True)
def _quiet_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the developer's shell sets must not reach a command under test."""
    for name in [name for name in os.environ if name.startswith("RELAYD_")]:
        monkeypatch.delenv(name)
