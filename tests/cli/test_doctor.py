"""`relayd doctor` as a command: what it prints, and how it ends."""

import asyncio
import json
import os
import pty
from pathlib import Path

import pytest

from tests.cli.commanding import Child, relayd, write_config
from tests.cli.test_tail import read_until
from tests.harness.daemon import PrivateRelay
from tests.harness.process import free_port


async def test_a_relay_that_is_well_ends_it_with_0(daemon: PrivateRelay, capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each thing that was looked at, plain in a pipe."""
    said = await relayd("doctor", "--config", str(daemon.config), capsys=capsys)
    assert (0, "") == (said.status, said.err)
    lines = said.out.splitlines()
    assert f"ok    configuration: {daemon.config} can be used" == lines[0]
    assert {"ok", "skip"} == {line.split()[0] for line in lines}
    assert 'skip  RabbitMQ: source.use is "embedded"' in lines


async def test_something_bad_ends_it_with_1(
    daemon: PrivateRelay, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """And stands there with its mend, among what is well; as JSON it is the same."""
    config = write_config(tmp_path, f"[admin]\nport = {free_port()}\n")
    said = await relayd("doctor", "--config", config, capsys=capsys)
    assert 1 == said.status
    (line,) = [line for line in said.out.splitlines() if line.startswith("bad")]
    assert "admin listener: " in line
    assert " -> start it (`systemctl status relayd`" in line
    told = await relayd("doctor", "--config", config, "--json", capsys=capsys)
    found = json.loads(told.out)
    assert 1 == told.status
    assert len(said.out.splitlines()) == len(found)
    assert ["admin listener"] == [one["looked_at"] for one in found if one["mark"] == "bad"]


async def test_a_wrong_configuration_ends_it_with_78(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """All mistakes at once, as check-config tells them, a key that others can read among them."""
    key = tmp_path / "key"
    key.write_text("a-secret-of-32-bytes-for-the-tests!")
    key.chmod(0o644)
    keys = f'[{{ algorithm = "HS256", file = "{key}" }}]'
    config = write_config(tmp_path, "[server]\nport = 99999\n", keys=keys)
    said = await relayd("doctor", "--config", config, capsys=capsys)
    assert 78 == said.status
    assert all(line.startswith("bad   configuration: ") for line in said.out.splitlines())
    assert "server.port" in said.out
    assert f"{key} is readable by others than its owner -> run `chmod 600 {key}`" in said.out


async def test_from_outside_it_needs_no_configuration(
    daemon: PrivateRelay, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A relay on the loopback, without a proxy: what a proxy would keep inside can be reached."""
    (tmp_path / "token").write_text(daemon.token("doctor-cli") + "\n")
    said = await relayd("doctor", "--url", daemon.url, "--token-file", str(tmp_path / "token"), capsys=capsys)
    assert 0 == said.status
    assert "ok    TLS: none, on the loopback" in said.out
    assert "ok    event stream: " in said.out
    assert "warn  inner paths: /v1/internal/events" in said.out
    assert daemon.token("doctor-cli")[:20] not in said.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--url", "nowhere"), "no address of a relay"),
        (("--url", "http://x", "--token-file", "/not/there"), "--token-file"),
        (("--url", "http://x", "--ca-file", "/not/there"), "--ca-file"),
        (("--url", "http://x", "--project", "a/b"), "no project id"),
    ],
)
async def test_bad_arguments_are_named(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    """Before anything is asked of anybody."""
    said = await relayd("doctor", *arguments, capsys=capsys)
    assert 64 == said.status
    assert words in said.err


async def test_a_terminal_has_colours(daemon: PrivateRelay) -> None:
    """Green for what is well."""
    master, slave = pty.openpty()
    child = await Child.start("doctor", "--config", str(daemon.config), out=slave)
    os.close(slave)
    seen = await asyncio.to_thread(read_until, master, ["configuration", "journal", "Redis, clock"])
    assert (0, "") == await child.end()
    os.close(master)
    assert "\x1b[32mok" in seen
