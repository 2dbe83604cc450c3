import pytest

import relayd as package
from tests.cli.commanding import relayd


async def test_versions_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    """What somebody who reads a report needs to know."""
    said = await relayd("version", capsys=capsys)
    assert said.status == 0
    assert said.out.splitlines()[0] == f"relayd {package.__version__}"
    for word in ("Python", "aiohttp", "aio-pika"):
        assert word in said.out
