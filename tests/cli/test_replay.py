import json
import re
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commanding import Child, relayd
from tests.client.small_relay import SmallRelay
from tests.harness.daemon import PrivateRelay
from tests.harness.follower import until_true
from tests.harness.inside import InsideRelay, inside
from tests.harness.settled import Addresses
from tests.harness.viewer import log, watch

TIMES = [100.0, 110.0, 110.0, 105.0, 130.0, 1_000.0, 1_010.0]
"""When the lines of the project were said: one clock is behind once, and there is a long pause."""


@pytest.fixture
async def origin(tmp_path: Path) -> AsyncGenerator[InsideRelay]:
    """A relay with a project."""
    async with inside(tmp_path) as running:
        await running.publish(*(log("p", str(number), timestamp=time) for number, time in enumerate(TIMES)))
        yield running


def options(relay: Addresses) -> list[str]:
    """Return what reads a project and publishes to its own relay."""
    return ["--url", relay.url, "--token", relay.token("worker", worker=True)]


async def events_of(relay: InsideRelay | PrivateRelay, project_id: str) -> list[dict[str, Any]]:
    """Return the events of a project."""
    async with watch(relay, project_id, tail=256) as viewer:
        await viewer.hears("connection_established")
        return [await viewer.message() for _ in range(len(TIMES))]


async def test_a_replay_is_heard_live_at_the_recorded_pace(
    origin: InsideRelay, capsys: pytest.CaptureFixture[str]
) -> None:
    """By whoever watches the new project, in order, with the times of now: pauses a hundredth, the longest cut."""
    async with watch(origin, "again") as viewer:
        said = await relayd(
            "replay", "p", "--speed", "100x", "--max-pause", "0.5s", "--as", "again", *options(origin), capsys=capsys
        )
        heard = [await viewer.hears("workflow_log") for _ in TIMES]
    assert [str(number) for number in range(len(TIMES))] == [event["message"] for event in heard]
    began = heard[0]["timestamp"]
    assert [0, 0.1, 0.1, 0.1, 0.3, 0.8, 0.9] == [round(event["timestamp"] - began, 4) for event in heard]
    # The relay's clock is the same one: an event is not said before its time has come.
    assert all(event["timestamp"] <= event["received_at"] for event in heard)
    assert {"again"} == {event["project_id"] for event in heard}
    assert 0 == said.status
    assert "again: 7 events played in " in said.out
    assert "playing as again\n" == said.err


async def test_without_pauses_it_is_there_at_once(origin: InsideRelay, capsys: pytest.CaptureFixture[str]) -> None:
    """Under a name of its own, as often as one likes; what was there is left alone."""
    names = []
    for name in ("", "--as=other"):
        said = await relayd("replay", "p", "--speed", "max", *options(origin), *([name] if name else []), capsys=capsys)
        assert 0 == said.status, said.err
        names.append(said.out.partition(":")[0])
    assert None is not re.fullmatch(r"p-replay-\d{4}-\d{6}", names[0])
    assert "other" == names[1]
    for name in names:
        assert [str(number) for number in range(7)] == [event["message"] for event in await events_of(origin, name)]
    assert TIMES == [event["timestamp"] for event in await events_of(origin, "p")]


async def test_a_recording_is_played_from_a_place(
    origin: InsideRelay, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file, from a share of the way on."""
    path = str(tmp_path / "p.ndjson.gz")
    await relayd("export", "p", *options(origin), "--out", path, capsys=capsys)
    said = await relayd(
        "replay", path, "--from", "50%", "--speed", "max", "--as", "late", *options(origin), capsys=capsys
    )
    assert said.out.startswith("late: 2 events played")
    nothing = await relayd("replay", path, "--from", "2030-01-01", "--as", "later", *options(origin), capsys=capsys)
    assert (65, "") == (nothing.status, nothing.out)
    assert "--from: nothing of the recording comes behind that place" in nothing.err


async def test_an_interrupted_replay_goes_on_where_it_was_left(
    origin: InsideRelay, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the options that it names every event is there once."""
    usual = ["replay", "p", "--as", "again", *options(origin)]
    # At this pace the second event comes in a minute.
    child = await Child.start(*usual, "--speed", "0.16x", "--max-pause", "3600")

    async def heard() -> bool:
        status, project = await origin.get(origin.project("again"))
        return status == 200 and project["cursor"] is not None

    await until_true(heard)
    child.interrupt()
    status, err = await child.end()
    assert 130 == status
    found = re.search(r"relayd: stopped behind 1 events; go on with (--from \S+ --as again)\n", err)
    assert found is not None, err
    said = await relayd(*usual, "--speed", "max", *found[1].split(), capsys=capsys)
    assert said.out.startswith("again: 6 events played")
    assert [str(number) for number in range(7)] == [event["message"] for event in await events_of(origin, "again")]


async def test_a_relay_that_goes_says_where_to_go_on(
    origin: InsideRelay, relay: SmallRelay, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever ends it, what was confirmed is told."""
    path = str(tmp_path / "p.ndjson")
    await relayd("export", "p", *options(origin), "--out", path, capsys=capsys)
    relay.answers = [(200, {"cursor": "c"}), (403, {"detail": "no longer a worker", "code": "FORBIDDEN"})]
    usual = ["replay", path, "--as", "q", "--speed", "1000x", "--max-pause", "0.01", "--url", relay.url]
    said = await relayd(*usual, capsys=capsys)
    first = json.loads((tmp_path / "p.ndjson").read_bytes().splitlines()[1])["id"]
    assert 77 == said.status
    assert (
        f"relayd: stopped behind 1 events and 3 that may have arrived; go on with --from {first} --as q\n" in said.err
    )
    relay.answers = [(403, {"detail": "no worker", "code": "FORBIDDEN"})]
    refused = await relayd(*usual, capsys=capsys)
    assert (
        "relayd: stopped behind 0 events and 1 that may have arrived; nothing was played that is known\n" in refused.err
    )


async def test_another_relay_s_project_goes_to_rabbitmq(
    origin: InsideRelay, amqp: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is read over HTTP, as a viewer, and published to the stream that a second relay reads."""
    async with PrivateRelay(rabbitmq=amqp) as there:
        said = await relayd(
            "replay", "p", "--url", origin.url, "--token", origin.token(), "--amqp", amqp, "--as", "q",
            "--speed", "max", capsys=capsys,
        )  # fmt: skip
        assert 0 == said.status, said.err
        assert [str(number) for number in range(7)] == [event["message"] for event in await events_of(there, "q")]


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (("p", "--speed", "fast"), 64, "'fast' is no speed"),
        (("p", "--max-pause", "long"), 64, "--max-pause: 'long' is no time"),
        (("p", "--from", "the middle"), 64, "'the middle' is no place in a recording"),
        (("p", "--as", "a/b"), 64, "'a/b' is no project id"),
        (("nobody",), 65, "no event of this project has been seen"),
        (("/dev/none",), 64, "/dev/none: No such file or directory"),
        (("/dev/null",), 65, "/dev/null: line 1: this is no recording"),
    ],
)
async def test_what_goes_wrong_is_named(
    origin: InsideRelay, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], status: int, sentence: str
) -> None:
    """Before anything is played."""
    said = await relayd("replay", *arguments, *options(origin), capsys=capsys)
    assert (status, "") == (said.status, said.out)
    assert sentence in said.err


async def test_where_a_project_is_has_to_be_said(capsys: pytest.CaptureFixture[str]) -> None:
    """The broker can't be asked for it."""
    said = await relayd("replay", "p", "--amqp", "amqp://127.0.0.1:1/", capsys=capsys)
    assert (64, "relayd: --url: say which relay has the project\n") == (said.status, said.err)
