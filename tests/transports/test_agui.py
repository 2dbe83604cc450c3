"""AG-UI over a real stream, heard by a client as strict as its own."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from relayd.core.timeline import Entry
from relayd.protocol import codec
from relayd.protocol.cursor import Place
from relayd.protocol.messages import ProjectCompleted
from relayd.transports.agui import AgUiEncoding
from relayd.transports.frames import SseEncoding
from tests.harness.agui_client import StrictClient
from tests.harness.inside import InsideRelay, inside
from tests.harness.settled import Event
from tests.harness.viewer import log
from tests.transports.test_sse import Stream, stream

OPENING = 3
"""RUN_STARTED, what the relay says of the connection, and the state."""


def story(project_id: str = "p") -> list[Event]:
    """Return a run of every message that a worker may say."""
    common = {"project_id": project_id, "timestamp": 1.0}
    return [
        {"type": "project_started", "name": "Shop", **common},
        log(project_id, "one"),
        {"type": "agent_status_update", "agent": "coder", "status": "working", "progress": 1, **common},
        {"type": "workflow_stage_update", "stage": "plan", "status": "completed", "message": "m", **common},
        {"type": "project_progress", "progress": 65, "message": "half", **common},
        {"type": "project_error", "error": "survived", "fatal": False, **common},
        log(project_id, "two"),
        {"type": "project_completed", **common},
        log(project_id, "after the end"),
        {"type": "project_error", "error": "broke", **common},
    ]


class Front:
    """A front end that counts as read what it has read to the end, as browsers do."""

    def __init__(self) -> None:
        self.read: list[str] = []
        self.last_id = ""

    async def hears(self, viewer: Stream, client: StrictClient) -> None:
        """Read one event."""
        while "data" not in (block := await viewer.block()):
            pass
        client.hear(block["data"])
        if "id" in block:
            self.last_id = block["id"]
            if len(client.heard) > OPENING:
                self.read.append(block["id"])


async def hear(viewer: Stream, count: int) -> StrictClient:
    """Return a client that has heard so many events."""
    client, front = StrictClient(), Front()
    for _ in range(count):
        await front.hears(viewer, client)
    return client


async def test_a_stream_begins_with_a_run_and_the_state(relay: InsideRelay) -> None:
    """Fresh or resumed; behind it comes what there is, live as well."""
    await relay.publish(*story()[:5])
    async with stream(relay, dialect="ag-ui") as viewer:
        assert {"retry": "2000"} == await viewer.block()
        client = await hear(viewer, OPENING)
        assert ["RUN_STARTED", "CUSTOM", "STATE_SNAPSHOT"] == client.kinds()
        assert (65, "Shop") == (client.state["progress"], client.state["name"])
        cursor = viewer.last_id
        assert client.custom("connection_established")[0]["cursor"] == cursor
    async with stream(relay, dialect="ag-ui", last_id=cursor) as again:
        await relay.publish(log("p", "live"))
        resumed = await hear(again, OPENING)
        assert [("resume", 65)] == [
            (one["replay"], resumed.state["progress"]) for one in resumed.custom("connection_established")
        ]
        while "live" not in resumed.texts.values() or not resumed.settled:
            resumed.hear(json.dumps(await again.event()))


async def test_wherever_a_stream_is_cut_nothing_is_lost_or_read_twice(relay: InsideRelay) -> None:
    """Between messages and within one: the id stands on the last of the events that a message became."""
    await relay.publish(*story())
    async with relay.http.get(relay.project("p", "/events"), headers=relay.bearer()) as answer:
        whole = [message["id"] for message in (await answer.json())["messages"]]
    async with stream(relay, dialect="ag-ui", after="0") as viewer:
        client, front = StrictClient(), Front()
        while len(front.read) < len(whole):
            await front.hears(viewer, client)
    assert (whole, ["success", "broke"]) == (front.read, client.ends)
    for cut in range(1, len(client.heard)):
        front, first = Front(), StrictClient()
        async with stream(relay, dialect="ag-ui", after="0", session="tab") as viewer:
            for _ in range(cut):
                await front.hears(viewer, first)
        second = StrictClient()
        async with stream(relay, dialect="ag-ui", after="0", last_id=front.last_id or None, session="tab") as viewer:
            while len(front.read) < len(whole):
                await front.hears(viewer, second)
        assert whole == front.read, cut
        state = ("status", "progress", "name", "message", "agents")
        assert [client.state[name] for name in state] == [second.state[name] for name in state]


async def test_viewers_share_their_bytes(relay: InsideRelay) -> None:
    """One group for all who speak it, another for those who do not."""
    async with (
        stream(relay, dialect="ag-ui") as one,
        stream(relay, dialect="ag-ui", user="bob") as two,
        stream(relay, dialect="relayd", user="eve") as other,
    ):
        for viewer in (one, two):
            await hear(viewer, OPENING)
        await other.event()
        channel = relay.rooms.engine.log.projects["p"].channel
        await relay.until(lambda: sum(len(group.members) for group in channel) == 3)
        assert [1, 2] == sorted(len(group.members) for group in channel)
        await relay.publish(log("p", "live"))
        for viewer in (one, two):
            assert "TEXT_MESSAGE_START" == (await viewer.event())["type"]
        assert "live" == (await other.event())["message"]


async def test_a_gap_in_mid_stream_is_a_state(tmp_path: Path) -> None:
    """The run goes on, for nothing of it ended; what is missing is said as everywhere."""
    async with inside(tmp_path) as relay, stream(relay, dialect="ag-ui") as viewer:
        client = await hear(viewer, OPENING)
        relay.rooms.engine.fanout.give_up_all("lagged")
        for _ in range(2):
            client.hear(json.dumps(await viewer.event()))
        assert ["CUSTOM", "STATE_SNAPSHOT"] == client.kinds()[OPENING:]
        assert "gap" == client.custom("connection_established")[-1]["replay"]


async def test_a_stream_ends_with_a_notice(relay: InsideRelay) -> None:
    """One of ours, within the run: that a relay is drained ends no run."""
    async with stream(relay, dialect="ag-ui") as viewer:
        client = await hear(viewer, OPENING)
        await relay.rooms.lobby.empty(0)
        for data in await viewer.rest():
            client.hear(json.dumps(data))
        (notice,) = client.custom("notice")
        assert ("RESTARTING", 1012) == (notice["code"], notice["data"]["close_code"])
        assert client.settled


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"dialect": "klingon"}, "dialect: use relayd or ag-ui, not 'klingon'"),
        ({"dialect": ""}, "dialect: use relayd or ag-ui, not ''"),
        ({"dialect": "ag-ui", "batch": 1}, "batch: AG-UI knows no envelopes; leave out either it or dialect=ag-ui"),
    ],
)
async def test_a_language_that_is_not_spoken_is_refused(relay: InsideRelay, query: dict[str, Any], told: str) -> None:
    """With the names of those that are."""
    async with relay.http.get(relay.project("p", "/stream", **query), headers=relay.bearer()) as answer:
        assert 400 == answer.status
        assert told == (await answer.json())["detail"]


def entries(*cursors: str) -> Sequence[Entry]:
    """Return entries with these cursors."""
    message = ProjectCompleted(project_id="p", timestamp=1.0)
    payload = codec.encode(message)
    return [
        Entry(Place(0, number, 0, 0), cursor, payload, "project_completed", -1, None, 1.0)
        for number, cursor in enumerate(cursors)
    ]


def test_the_id_stands_on_the_last_event_of_a_message() -> None:
    """And once more without data where the viewer has passed more than it was sent."""
    encoding = AgUiEncoding(batch=False, chunked=False)
    blocks = encoding.frame(entries("c0", "c1"), "c1", 2.0).split(b"\n\n")[:-1]
    assert [False, False, True] * 2 == [block.startswith(b"id: ") for block in blocks]
    assert encoding.frame(entries("c0"), "c0", 2.0) + b"id: c7\n\n" == encoding.frame(entries("c0"), "c7", 2.0)
    assert encoding.restates
    assert encoding == AgUiEncoding(batch=False, chunked=False) != SseEncoding(batch=False, chunked=False)
