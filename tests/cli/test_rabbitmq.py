from pathlib import Path

import pytest

from tests.cli.commanding import relayd, write_config


def config(folder: Path, url: str) -> str:
    """Return the path of a configuration that uses that broker."""
    return write_config(folder, f'[source]\nuse = "rabbitmq"\n[sources.rabbitmq]\nurl = "{url}"\n')


async def test_the_stream_is_looked_for_and_made(
    tmp_path: Path, amqp_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`check` tells that it is missing, `setup` makes it however often, `check` finds it."""
    path = config(tmp_path, amqp_url)
    missing = await relayd("rabbitmq", "check", "-c", path, capsys=capsys)
    made = [await relayd("rabbitmq", "setup", "-c", path, capsys=capsys) for _ in range(2)]
    found = await relayd("rabbitmq", "check", "-c", path, capsys=capsys)
    assert missing.status == 78
    assert "there is no exchange swarm.events" in missing.err
    assert [0, 0, 0] == [said.status for said in (*made, found)]
    assert found.out.startswith("found: swarm.events and relayd.events at 127.0.0.1:")


async def test_a_broker_that_is_away_is_told(
    tmp_path: Path, unused_tcp_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its address, never its password."""
    path = config(tmp_path, f"amqp://me:hidden@127.0.0.1:{unused_tcp_port}/")
    said = await relayd("rabbitmq", "setup", "-c", path, capsys=capsys)
    assert said.status == 69
    assert f"127.0.0.1:{unused_tcp_port}" in said.err
    assert "hidden" not in said.err


async def test_another_source_has_no_broker(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The sentence names the setting."""
    said = await relayd("rabbitmq", "check", "-c", write_config(tmp_path), capsys=capsys)
    assert said.status == 78
    assert "source.use" in said.err
