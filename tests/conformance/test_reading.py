import json

import msgspec
import pytest

from relayd.client.http import Unreachable
from relayd.client.visitor import Answer
from relayd.conformance.reading import Reading, Way, greeted, has, read, told
from relayd.testing.frames import frame
from tests.conformance.held import scene_at
from tests.harness.daemon import PrivateRelay
from tests.harness.process import free_port


def test_envelopes_are_opened() -> None:
    """Events stand in the order in which they came, what has no place in the log stands beside them."""
    reading = Reading(Way.MODERN)
    for name in ("connection_established.full", "project_progress.synthetic", "batch.full", "notice.view", "pong.full"):
        reading.take(frame(name))
    assert ["one", "two"] == [message["message"] for message in reading.messages]
    assert ["connection_established", "project_progress"] == [message["type"] for message in reading.beside]
    assert 5 == len(reading.heard)
    assert json.loads(frame("batch.full"))["cursor"] == reading.messages[-1]["id"]
    assert greeted(reading)
    assert has(reading.ids[-1])(reading)
    assert not has("x")(reading)


def test_what_is_no_object_is_kept_as_it_came() -> None:
    """To be judged by others."""
    reading = Reading(Way.LEGACY)
    reading.take(b"[1]")
    assert ([b"[1]"], [], {}) == (reading.frames, reading.heard, told(b"[1]"))


@pytest.mark.parametrize("body", [b"", b"{}", b"<html>", b'{"messages":[]}'])
def test_what_is_no_poll_s_answer_is_said(body: bytes) -> None:
    """Whatever it is."""
    reading = Reading(Way.POLL)
    reading.take_answer(Answer(200, {}, body, 0.0))
    assert "an answer that is no poll's" == reading.trouble


@pytest.mark.parametrize("way", Way)
async def test_each_way_tells_a_past(daemon: PrivateRelay, way: Way) -> None:
    """Twelve events, and the place behind them; a token stands in nothing of it."""
    scene = await scene_at(daemon)
    reading = await read(scene.visit, way, {"tail": "20"}, lambda reading: len(reading.messages) > 11)
    assert ("", 12) == (reading.trouble, len(reading.messages))
    # A poll has passed all that is not this project's, too.
    assert way is Way.POLL or reading.ids[-1] == reading.cursor
    assert not scene.visit.echoed(reading.said)


@pytest.mark.parametrize("way", Way)
async def test_what_does_not_come_is_said(daemon: PrivateRelay, way: Way) -> None:
    """With what came so far; a poll says it at once."""
    scene = await scene_at(daemon, seconds=0.4)
    reading = await read(scene.visit, way, {"tail": "20"}, has("x"))
    assert "no more events, 12 so far" == reading.trouble if way is Way.POLL else "12 events so far" in reading.trouble


@pytest.mark.parametrize("way", Way)
async def test_a_refusal_is_said(daemon: PrivateRelay, way: Way) -> None:
    """By its status, or its close code."""
    scene = await scene_at(daemon)
    reading = await read(scene.bearing("a.b.c"), way, {}, greeted)
    assert ("closed with 4401 AUTH_FAILED" if way is Way.MODERN else "refused with HTTP 401") in reading.trouble


@pytest.mark.parametrize("way", Way)
async def test_nobody_there_is_unreachable(daemon: PrivateRelay, way: Way) -> None:
    """That is another thing than a breach."""
    scene = await scene_at(daemon)
    nowhere = msgspec.structs.replace(scene.visit, base=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(Unreachable):
        await read(nowhere, way, {}, greeted)
