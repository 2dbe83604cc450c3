import gzip
import json
import os
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from relayd import __version__
from relayd.app.rooms import apply
from relayd.config import load
from relayd.plugins import settings_of
from tests.cli.commanding import Child, relayd
from tests.client.small_relay import SmallRelay, log
from tests.harness.inside import InsideRelay, inside
from tests.harness.settled import write_settings
from tests.harness.viewer import log as line


@pytest.fixture
async def origin(tmp_path: Path) -> AsyncGenerator[InsideRelay]:
    """A relay with a small project, most of which is in the journal."""
    few = {"memory": {"timeline_events": 8}, "journal": {"max_events_per_project": 20}}
    async with inside(tmp_path, few) as running:
        await running.publish({"type": "project_started", "project_id": "p", "timestamp": 1.0, "name": "Shop"})
        for number in range(30):
            await running.publish(line("p", f"line {number}, ADA-{number}", timestamp=2.0 + number))
        yield running


def read(recording: bytes) -> list[dict[str, Any]]:
    """Return the lines of a recording."""
    return [json.loads(each) for each in recording.splitlines()]


async def test_a_project_is_written_as_it_was_seen(origin: InsideRelay, capsys: pytest.CaptureFixture[str]) -> None:
    """A head, every event as a viewer reads it, and the state that they led to."""
    arguments = ["export", "p", "--url", origin.url, "--token", origin.token()]
    said = await relayd(*arguments, capsys=capsys)
    head, *events, end = read(said.out.encode())
    shown = (await origin.get(origin.project("p", "/events", after="0", limit=256)))[1]["messages"]
    assert (0, "") == (said.status, said.err)
    assert {
        "type": "relayd.recording", "version": 1, "relayd": __version__, "protocol": 1, "project_id": "p",
    } == head  # fmt: skip
    assert shown == events
    assert ("relayd.recording.end", 31, True) == (end["type"], end["events"], end["whole"])
    assert (events[-1]["id"], "Shop") == (end["snapshot"]["cursor"], end["snapshot"]["name"])


async def test_a_file_holds_the_same(origin: InsideRelay, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Compressed if its name says so; how many events there are is told on stderr."""
    arguments = ["export", "p", "--url", origin.url, "--token", origin.token(), "--out"]
    plain, packed = tmp_path / "p.ndjson", tmp_path / "p.ndjson.gz"
    said = await relayd(*arguments, str(plain), capsys=capsys)
    assert (0, "", f"relayd: 31 events of p are in {plain}\n") == (said.status, said.out, said.err)
    assert 0 == (await relayd(*arguments, str(packed), capsys=capsys)).status
    assert plain.read_bytes() == gzip.decompress(packed.read_bytes())


async def test_what_is_not_kept_any_more_is_said(
    origin: InsideRelay, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the recording and on stderr, with the cursor of the event behind the gap."""
    assert await origin.rooms.engine.past.retain(origin.rooms.clock.now())
    said = await relayd(
        "export", "p", "--url", origin.url, "--token", origin.token(), "--out", f"{tmp_path}/r", capsys=capsys
    )
    _, first, *_, end = read((tmp_path / "r").read_bytes())
    assert (False, [first["id"]]) == (end["whole"], end["gaps"])
    assert f"relayd: events are missing before {first['id']}: they are not kept any more\n" in said.err
    assert 0 == said.status


async def test_what_is_hidden_only_now_is_said(
    origin: InsideRelay, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rules that came later hold for what came before."""
    (tmp_path / "later").mkdir()
    apply(
        origin.rooms,
        load(write_settings(tmp_path / "later", {"redaction": {"patterns": [r"ADA-\d+"]}}), {}, settings_of),
    )
    said = await relayd(
        "export", "p", "--url", origin.url, "--token", origin.token(), "--out", f"{tmp_path}/r", capsys=capsys
    )
    written = (tmp_path / "r").read_text(encoding="utf-8")
    assert ("ADA-" in written, written.count("[redacted]")) == (False, 30)
    assert 30 == read(written.encode())[-1]["redacted"]
    assert "relayd: in 30 events a secret was hidden that no rule had found when they came in\n" in said.err


def contents(folder: Path) -> dict[str, str]:
    """Return what the files of a folder hold."""
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


async def test_what_broke_in_the_middle_leaves_no_file(
    relay: SmallRelay, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor does it touch the one that was there."""
    page = {"project_id": "p", "protocol": 1, "whole": True, "events": [log("c1")], "next": "c1"}
    relay.answers = [(200, page), (400, {"detail": "this cursor is of another log", "code": "BAD_REQUEST"})]
    (tmp_path / "r").write_text("before", encoding="utf-8")
    said = await relayd("export", "p", "--url", relay.url, "--out", f"{tmp_path}/r", capsys=capsys)
    assert (65, "relayd: this cursor is of another log (BAD_REQUEST)\n") == (said.status, said.err)
    assert {"r": "before"} == contents(tmp_path)


async def test_a_gap_with_nothing_behind_it_is_said(relay: SmallRelay, capsys: pytest.CaptureFixture[str]) -> None:
    """There is no event to name."""
    page = {"project_id": "p", "protocol": 1, "whole": False, "events": [], "next": None}
    relay.answers = [(200, page)]
    said = await relayd("export", "p", "--url", relay.url, capsys=capsys)
    assert (0, "relayd: events are missing, and none came behind them\n") == (said.status, said.err)
    assert {"type": "relayd.recording.end", "events": 0, "whole": False} == read(said.out.encode())[1]


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (("nobody",), 65, "no event of this project has been seen"),
        (("p", "--out", "/dev/null/r"), 64, "--out /dev/null/r: Not a directory"),
        (("../p",), 64, "is no project id"),
        (("p", "--url", "nowhere"), 64, "is no address"),
        (("p", "--url", "http://127.0.0.1:1"), 69, "is relayd running there?"),
    ],
)
async def test_what_goes_wrong_has_a_status(
    origin: InsideRelay, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], status: int, sentence: str
) -> None:
    """And a sentence; nothing is printed."""
    usual = ("--url", origin.url, "--token", origin.token())
    said = await relayd("export", *usual, *arguments, capsys=capsys)
    assert (status, "") == (said.status, said.out)
    assert sentence in said.err


async def test_an_answer_that_is_no_event_is_named(relay: SmallRelay, capsys: pytest.CaptureFixture[str]) -> None:
    """A relay that is far newer, or none."""
    relay.answers = [(200, {"project_id": "p", "protocol": 1, "whole": False, "events": [{}], "next": None})]
    said = await relayd("export", "p", "--url", relay.url, capsys=capsys)
    assert 69 == said.status
    assert "is no relay of this version" in said.err


async def test_a_reader_that_goes_ends_it(origin: InsideRelay) -> None:
    """`| head` is no failure that anybody wants to read about."""
    reading, writing = os.pipe()
    os.close(reading)
    child = await Child.start("export", "p", "--url", origin.url, "--token", origin.token(), out=writing)
    os.close(writing)
    assert (141, "") == await child.end()
