"""`relayd top` at a real relay."""

import asyncio
import json
import os
import pty

import pytest

from tests.cli.commanding import Child, relayd
from tests.cli.test_tail import read_until
from tests.harness.daemon import PrivateRelay
from tests.harness.process import free_port
from tests.harness.viewer import log


async def test_once_is_one_line(daemon: PrivateRelay, capsys: pytest.CaptureFixture[str]) -> None:
    """What a relay does in one interval, for a script or a person in a hurry."""
    said = await relayd("top", "--admin", daemon.admin_url, "--once", "--interval", "0.2", capsys=capsys)
    assert (0, "") == (said.status, said.err)
    (line,) = said.out.splitlines()
    assert " state=ready connections=" in line
    assert " journal=attached" in line


async def test_json_counts_what_happens(daemon: PrivateRelay) -> None:
    """Each interval is a line; what is published between two looks is in the rate of one of them."""
    child = await Child.start("top", "--admin", daemon.admin_url, "--json", "--interval", "0.2")
    first = json.loads(await child.line())
    await daemon.publish([log("top-json", "one"), log("top-json", "two")])
    looks = [first]
    while not looks[-1]["events"]:
        looks.append(json.loads(await child.line()))
    child.interrupt()
    assert (130, "") == await child.end()
    assert 0 < looks[-1]["events"] <= 2 / 0.2
    assert looks[-1]["ready"] is True
    assert looks[-1]["memory"] > 1_000_000


async def test_a_relay_that_restarts_is_seen_gone_and_back() -> None:
    """The lines go on; what was counted before says nothing of what is counted now."""
    async with PrivateRelay() as relay:
        child = await Child.start("top", "--admin", relay.admin_url, "--json", "--interval", "0.1")
        await child.line()
        await asyncio.to_thread(relay.stop)
        assert child.process.stderr is not None
        assert b"can't be reached" in await child.process.stderr.readline()
        await relay.start_async()
        look = json.loads(await child.line())
        while look["events"] is None:
            look = json.loads(await child.line())
        child.interrupt()
        await child.end()
    assert 0 == look["events"]


async def test_a_terminal_is_drawn_on(daemon: PrivateRelay) -> None:
    """State, figures and transports."""
    master, slave = pty.openpty()
    child = await Child.start("top", "--admin", daemon.admin_url, "--interval", "0.2", out=slave)
    os.close(slave)
    seen = await asyncio.to_thread(read_until, master, ["● ready", "latency", "websocket", "journal"])
    child.interrupt()
    status, err = await child.end()
    os.close(master)
    assert (130, "") == (status, err)
    assert "\x1b[" in seen


async def test_nobody_there_ends_it(capsys: pytest.CaptureFixture[str]) -> None:
    """With the status of something that is not there."""
    said = await relayd("top", "--admin", f"http://127.0.0.1:{free_port()}", capsys=capsys)
    assert 69 == said.status
    assert "is relayd running there?" in said.err


async def test_the_viewers_listener_is_not_the_one(daemon: PrivateRelay, capsys: pytest.CaptureFixture[str]) -> None:
    """Who mixes up the two ports is told so."""
    said = await relayd("top", "--admin", daemon.url, capsys=capsys)
    assert 69 == said.status
    assert "no relay's admin listener" in said.err
