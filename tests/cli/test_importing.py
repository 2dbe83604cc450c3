import asyncio
import gzip
import json
import re
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from relayd.files.recording import events_of, writing
from relayd.protocol.codec import encode
from relayd.protocol.recording import VERSION, End, Head, write_line
from tests.cli.commanding import relayd
from tests.client.small_relay import SmallRelay
from tests.harness.daemon import PrivateRelay
from tests.harness.inside import InsideRelay, inside
from tests.harness.settled import Addresses
from tests.harness.viewer import log

STORY = [
    {"type": "project_started", "project_id": "p", "timestamp": 1.0, "name": "Shop", "owner": "ada", "team": "web"},
    {"type": "agent_status_update", "project_id": "p", "timestamp": 2.0, "agent": "coder", "status": "working",
     "progress": 40, "activity": "using_tool", "task": "cart.tsx"},
    {"type": "workflow_log", "project_id": "p", "timestamp": 3.5, "level": "warning", "message": "naïve ☕",
     "fields": {"n": {"a": [1, 2.5, None]}}, "usage": {"total_tokens": 12}, "root_id": "p", "parent_id": "call-7",
     "key": "k"},
    {"type": "workflow_stage_update", "project_id": "p", "timestamp": 3.0, "stage": "testing", "message": "m"},
    {"type": "project_error", "project_id": "p", "timestamp": 4.0, "error": "broke", "fatal": False},
    {"type": "project_progress", "project_id": "p", "timestamp": 5.0, "progress": 99.5, "message": "nearly"},
    {"type": "project_completed", "project_id": "p", "timestamp": 6.0, "url": "https://example.org/"},
]  # fmt: skip


@pytest.fixture
async def origin(tmp_path: Path) -> AsyncGenerator[InsideRelay]:
    """A relay with a project."""
    (tmp_path / "origin").mkdir()
    async with inside(tmp_path / "origin") as running:
        await running.publish(*STORY)
        yield running


@pytest.fixture
async def elsewhere(tmp_path: Path) -> AsyncGenerator[InsideRelay]:
    """A relay that knows nothing."""
    (tmp_path / "elsewhere").mkdir()
    async with inside(tmp_path / "elsewhere") as running:
        yield running


async def exported(relay: Addresses, path: Path, capsys: pytest.CaptureFixture[str], project_id: str = "p") -> Path:
    """Return a recording of a project."""
    said = await relayd(
        "export", project_id, "--url", relay.url, "--token", relay.token(), "--out", str(path), capsys=capsys
    )
    assert 0 == said.status, said.err
    return path


def told(path: Path) -> list[dict[str, Any]]:
    """Return the events of a recording but for their places and times of receipt."""
    events: list[dict[str, Any]] = [json.loads(encode(event)) for event in events_of(path)]
    return [{name: value for name, value in event.items() if name not in {"id", "received_at"}} for event in events]


def publishing(relay: Addresses) -> list[str]:
    """Return the options that publish to a relay."""
    return ["--url", relay.url, "--token", relay.token("worker", worker=True)]


async def test_what_was_exported_and_imported_is_the_same(
    origin: InsideRelay, elsewhere: InsideRelay, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All events in their order with all that was said, and what they came to; only places and receipt are new."""
    first = await exported(origin, tmp_path / "first.gz", capsys)
    said = await relayd("import", str(first), *publishing(elsewhere), capsys=capsys)
    assert (0, "p: 7 events imported\n", "") == (said.status, said.out, said.err)
    second = await exported(elsewhere, tmp_path / "second.gz", capsys)
    assert STORY == told(second) == told(first)
    shown = [(await relay.get(relay.project("p")))[1] for relay in (origin, elsewhere)]
    assert ("completed", 12) == (shown[1]["status"], shown[1]["usage"]["total_tokens"])
    for state in shown:
        del state["cursor"], state["updatedAt"], state["agents"][0]["last_seen"]
    assert shown[0] == shown[1]


async def test_what_was_imported_is_recognised(
    origin: InsideRelay, elsewhere: InsideRelay, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second import adds nothing, a longer recording adds what is new, and under another name all of it is new."""
    recording = await exported(origin, tmp_path / "r", capsys)
    await relayd("import", str(recording), *publishing(elsewhere), capsys=capsys)
    again = await relayd("import", str(recording), *publishing(elsewhere), capsys=capsys)
    assert (0, "p: 7 events imported, 7 of them known already\n") == (again.status, again.out)
    await origin.publish(log("p", "one more"))
    await exported(origin, recording, capsys)
    longer = await relayd("import", str(recording), *publishing(elsewhere), capsys=capsys)
    assert "p: 8 events imported, 7 of them known already\n" == longer.out
    assert [*STORY, log("p", "one more")] == told(await exported(elsewhere, tmp_path / "second", capsys))
    other = await relayd("import", str(recording), "--as", "q", *publishing(elsewhere), capsys=capsys)
    assert "q: 8 events imported\n" == other.out
    moved = told(await exported(elsewhere, tmp_path / "q", capsys, "q"))
    assert ({"q"}, "q", "call-7") == ({e["project_id"] for e in moved}, moved[2]["root_id"], moved[2]["parent_id"])


async def test_a_long_recording_travels_in_bodies(
    elsewhere: InsideRelay, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """More events than a body holds, and more bytes."""
    path = tmp_path / "long.gz"
    with writing(path) as file:
        file.write(write_line(Head(version=VERSION, relayd="1", protocol=1, project_id="p")))
        for number in range(1_203):
            event = log("p", "x" * 10_000 if number < 300 else "short", key=str(number), id=f"c{number}")
            file.write(json.dumps(event).encode() + b"\n")
        file.write(write_line(End(events=1_203, whole=True)))
    said = await relayd("import", str(path), *publishing(elsewhere), capsys=capsys)
    assert (0, "p: 1203 events imported\n") == (said.status, said.out)
    there = told(await exported(elsewhere, tmp_path / "r", capsys))
    assert [str(number) for number in range(1_203)] == [event["key"] for event in there]


def damaged(good: bytes) -> dict[str, tuple[bytes, str]]:
    """Return files that are no whole recording, and what is said of each."""
    lines = good.splitlines(keepends=True)
    return {
        "cut": (gzip.compress(good)[:-20], r"line \d+: the compressed file is damaged or cut off"),
        "short": (b"".join(lines[:-1]), "line 9: is missing: the recording was cut off; copy it or export it again"),
        "bad line": (
            b"".join([*lines[:3], b'{"type":"workflow_log"}\n', *lines[4:]]),
            "line 4: Object missing required",
        ),
        "newer": (good.replace(b'"version":1', b'"version":7', 1), "line 1: a recording of version 7"),
        "other file": (b"\x7fELF\x02\x01", "line 1: this is no recording"),
        "empty": (b"", "line 1: this is no recording"),
    }


@pytest.mark.parametrize("how", ["cut", "short", "bad line", "newer", "other file", "empty"])
async def test_a_damaged_recording_is_refused_before_anything_is_published(
    origin: InsideRelay, relay: SmallRelay, tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    """With the line, and what to do about it; also where the damage is far behind the first events."""
    path = await exported(origin, tmp_path / "r", capsys)
    content, sentence = damaged(path.read_bytes())[how]
    path.write_bytes(content)
    said = await relayd("import", str(path), "--url", relay.url, capsys=capsys)
    assert (65, "") == (said.status, said.out)
    assert said.err.startswith(f"relayd: {path}: line")
    assert None is not re.search(sentence, said.err)
    assert [] == relay.posted


async def test_what_a_relay_does_not_understand_is_told(
    origin: InsideRelay, relay: SmallRelay, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An older one may not know all that a newer one kept."""
    path = await exported(origin, tmp_path / "r", capsys)
    relay.answers = [(200, {"cursor": "c", "accepted": 6, "rejected": [{"reason": "x", "detail": "no such type"}]})]
    said = await relayd("import", str(path), "--url", relay.url, capsys=capsys)
    assert (65, "relayd: the relay could not understand 1 of the events: no such type\n") == (said.status, said.err)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [(("--as", "a/b"), "--as: 'a/b' is no project id"), ((), "say where to publish")],
)
async def test_bad_arguments_are_named(
    origin: InsideRelay, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], sentence: str
) -> None:
    """So is a file that there is not."""
    path = await exported(origin, tmp_path / "r", capsys)
    said = await relayd("import", str(path), *arguments, capsys=capsys)
    assert (64, "") == (said.status, said.out)
    assert sentence in said.err
    missing = await relayd("import", str(tmp_path / "none"), "--url", "http://127.0.0.1:1", capsys=capsys)
    assert (64, f"relayd: {tmp_path}/none: No such file or directory\n") == (missing.status, missing.err)


async def test_a_recording_goes_to_rabbitmq(
    origin: InsideRelay, amqp: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A relay that reads the stream has it once, however often it was imported."""
    recording = await exported(origin, tmp_path / "first", capsys)
    async with PrivateRelay(rabbitmq=amqp) as there:
        for _ in range(2):
            said = await relayd("import", str(recording), "--amqp", amqp, capsys=capsys)
            assert (0, "p: 7 events imported\n") == (said.status, said.out)
        await asyncio.to_thread(there.wait_for_metric, "relayd_messages_deduplicated_total", 7)
        assert STORY == told(await exported(there, tmp_path / "second", capsys))
