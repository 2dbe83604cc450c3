"""A package of somebody else: installed, named in the configuration, checked, and used from the log to the viewer."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import pytest

from relayd.plugins import SOURCES, find
from relayd.ports import Source
from relayd.testing.source_contract import Say, SourceContract
from tests.cli.commanding import relayd
from tests.harness.daemon import PrivateRelay
from tests.harness.follower import WallClock
from tests.harness.settled import Tables, signed, write_settings
from tests.harness.viewer import log, refused, watch

SHOUTED: Tables = {"dialects": {"use": ["shout", "native"]}, "dialects.shout": {"level": "warning"}}


def check_config(folder: Path, environment: dict[str, str], *tables: Tables) -> tuple[int, str]:
    """Return status and what `relayd check-config` says of tables."""
    done = subprocess.run(
        [sys.executable, "-m", "relayd", "check-config", write_settings(folder, *tables)],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_its_tables_are_checked(tmp_path: Path, environment: dict[str, str]) -> None:
    """By its own models: a good one passes, a misspelt key is told with the right one, and so is a bad value."""
    good: Tables = {**SHOUTED, "source": {"use": "wall"}, "sources.wall": {"path": "wall.txt"}}
    status, said = check_config(tmp_path, environment, good)
    assert (0, True) == (status, said.startswith("ok: ")), said
    assert "events from wall" in said
    assert "dialects shout native" in said

    bad: Tables = {
        "dialects": {"use": ["shout", "native"]},
        "dialects.shout": {"levle": "warning"},
        "auth": {"authorizers": ["street"]},
        "authorizers.street": {"prefix": ""},
        "source": {"use": "wall"},
    }
    status, said = check_config(tmp_path, environment, bad)
    assert 78 == status
    assert "dialects.shout.levle: unknown key; did you mean `dialects.shout.level`?" in said
    assert "authorizers.street.prefix: must not be empty" in said
    assert "sources.wall.path: is required" in said


def test_without_the_package_its_names_are_unknown(tmp_path: Path) -> None:
    """The sentence lists what is installed."""
    status, said = check_config(tmp_path, {}, {"dialects": {"use": ["shout", "native"]}})
    assert 78 == status
    assert 'dialects.use: there is no dialect "shout"; installed are: ' in said


async def test_its_source_dialect_and_authorizer_work_together(tmp_path: Path, environment: dict[str, str]) -> None:
    """What is written on the wall is shown, resumed over a restart, and only to who may see it."""
    wall = tmp_path / "wall.txt"
    wall.write_text("STREET-1! HELLO\n")
    tables: Tables = {
        **SHOUTED,
        "source": {"use": "wall"},
        "sources.wall": {"path": wall, "look_seconds": 0.02},
        "auth": {"authorizers": ["claims", "street"]},
    }
    nobody = signed("nobody", projects=())
    async with PrivateRelay(tables, env=environment) as relay:
        async with watch(relay, "street-1", token=nobody) as viewer:
            line = await viewer.hears("workflow_log")
            assert ("HELLO", "warning") == (line["message"], line["level"])
            native = json.dumps(log("street-1", "in its own words")).encode()
            write(wall, b"STREET-1! AND AGAIN\nhome-1! quiet\n" + native + b"\n")
            assert ["AND AGAIN", "in its own words"] == await viewer.lines(2)
        await relay.stop_async()
        write(wall, b"HOME-1! PRIVATE\nSTREET-1! WHILE AWAY\n")
        await relay.start_async()
        async with watch(relay, "street-1", after=line["id"], token=nobody) as viewer:
            assert (await viewer.hears("connection_established"))["recovered"]
            assert ["AND AGAIN", "in its own words", "WHILE AWAY"] == await viewer.lines(3)
        status, body, _ = await refused(relay, "home-1", legacy=True, token=nobody)
        assert (403, "FORBIDDEN") == (status, body["code"])


async def test_what_was_rejected_is_understood_once_its_dialect_is_there(
    environment: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    """The mend needs no publisher: name the dialect in the configuration, restart, replay."""
    async with PrivateRelay(env=environment) as relay:
        headers = {"Authorization": f"Bearer {relay.token(worker=True)}", "X-Relayd-Dialect": "shout"}
        async with (
            aiohttp.ClientSession(headers=headers) as http,
            http.post(relay.ingest, data=b"SHOP! TOO LOUD") as answer,
        ):
            assert 422 == answer.status
            assert "'shout' is not in use here" in (await answer.json())["detail"]
        relay.configure(SHOUTED)
        await relay.restart_async()
        async with watch(relay, "shop") as viewer:
            said = await relayd("rejected", "replay", "--all", "--admin", relay.admin_url, capsys=capfd)
            assert (0, "") == (said.status, said.err)
            assert ["TOO LOUD"] == await viewer.lines(1)


class TestWall(SourceContract):
    """A stranger's source passes the tests that the built-in ones pass."""

    @pytest.fixture
    def source(self, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
        """Give one that reads an empty file."""
        monkeypatch.syspath_prepend(str(site))
        (tmp_path / "wall.txt").touch()
        kind = find(SOURCES, "wall")
        source: Source = kind(kind.Settings(path=tmp_path / "wall.txt", look_seconds=0.01), WallClock())
        return source

    @pytest.fixture
    def say(self, tmp_path: Path) -> Say:
        """Give somebody who writes on it."""

        async def speak(bodies: Sequence[bytes]) -> None:
            write(tmp_path / "wall.txt", b"".join(body + b"\n" for body in bodies))

        return speak


def write(wall: Path, text: bytes) -> None:
    """Append."""
    with wall.open("ab") as file:
        file.write(text)
