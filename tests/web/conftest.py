"""A relay inside of each test."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.harness.inside import InsideRelay, inside


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncGenerator[InsideRelay]:
    """A relay with an empty log."""
    async with inside(tmp_path) as running:
        yield running
