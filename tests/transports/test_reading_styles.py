"""What a viewer may wish for in how it is served: a slower pace, and only the newest while it is behind."""

import json
from typing import Any

import pytest

from tests.harness.inside import InsideRelay
from tests.harness.viewer import log, refused, watch


def progress(number: int) -> dict[str, object]:
    """Return a progress of the project p."""
    return {"type": "project_progress", "project_id": "p", "timestamp": 1.0, "progress": number, "message": f"{number}"}


async def test_who_was_away_gets_only_the_newest_progress(relay: InsideRelay) -> None:
    """With collapse=1 what is superseded is left out, and the envelope says how much; log lines all come."""
    receipt = await relay.publish(progress(1), log("p", "before"))
    await relay.publish(*[progress(number) for number in range(2, 50)], log("p", "between"), progress(50))
    async with watch(relay, "p", after=receipt["cursor"], collapse=1) as viewer:
        await viewer.hears("connection_established")
        envelope = await viewer.frame()
    assert ["between", "50"] == [message["message"] for message in envelope["messages"]]
    assert 48 == envelope["collapsed"]


async def test_a_poll_may_collapse_too(relay: InsideRelay) -> None:
    """The answer says how many messages are not in it."""
    receipt = await relay.publish(log("p", "before"))
    await relay.publish(progress(1), progress(2), progress(3))
    _, answer = await relay.get(relay.project("p", "/events", after=receipt["cursor"], collapse=1))
    assert (["3"], 2) == ([message["message"] for message in answer["messages"]], answer["collapsed"])


async def test_who_asks_for_a_pace_gets_few_frames(relay: InsideRelay) -> None:
    """Ten events that come one by one reach a viewer of pace=60000 in the first frame and in none after it."""
    async with watch(relay, "p", pace=60_000) as slow, watch(relay, "p") as quick:
        await slow.hears("connection_established")
        await quick.hears("connection_established")
        for number in range(10):
            await relay.publish(log("p", str(number)))
        assert [str(number) for number in range(10)] == await quick.lines(10)
        assert ["0"] == await slow.lines(1)
        await slow.says("ping")
        # The pong overtakes what is held back, so nothing else was sent.
        assert "pong" == await slow.text()


@pytest.mark.parametrize(("name", "value"), [("pace", "9"), ("pace", "60001"), ("pace", "x"), ("collapse", "yes")])
async def test_a_wish_that_can_not_be_read_is_named(relay: InsideRelay, name: str, value: str) -> None:
    """4400, with the field and what it may be."""
    wish: dict[str, Any] = {name: value}
    async with watch(relay, "p", **wish) as viewer:
        code, reason = await viewer.ending()
    assert 4400 == code
    assert reason.startswith(f"BAD_REQUEST: {name}: use ")


async def test_without_envelopes_nothing_can_be_collapsed(relay: InsideRelay) -> None:
    """A legacy viewer would not learn that something is missing, so it is refused before the upgrade."""
    status, body, _ = await refused(relay, "p", legacy=True, collapse=1)
    assert (400, "BAD_REQUEST") == (status, body["code"])
    assert "batch=1" in json.dumps(body)
