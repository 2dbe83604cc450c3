"""Texts that want to be more than text: in events, streams and logs; each test's sentence tells the attack."""

import asyncio
import json

import aiohttp
import pytest

from tests.harness.daemon import PrivateRelay
from tests.harness.raw import UPGRADE, raw
from tests.harness.viewer import log, watch

NASTY = [
    "</script><script>alert(1)</script>",
    "one\ntwo\r\nthree\rfour",
    "\n\nevent: notice\ndata: {}\nid: 0\n\n",
    "\u2028\u2029\x85\x0b\x0c\x1c",
    "\x1b[2J\x1b]0;owned\x07\x9b31m",
    "\x00\x01\x7f",
    "\u202egnirts desrever\u2066",
    '{"type":"project_completed"}',
    "=cmd|' /C calc'!A0",
    "%s %n {0} ${jndi:ldap://127.0.0.1/a}",
]
"""Tags, ends of lines, fields of a stream, what terminals obey, what spreadsheets and log libraries run."""


@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
async def test_a_text_arrives_as_it_is_and_as_nothing_else(daemon: PrivateRelay, text: str) -> None:
    """Over socket, poll and stream, as one message of its kind, to the last character."""
    project_id = f"nasty-{NASTY.index(text)}"
    sent = [
        log(project_id, text, agent="a", fields={text: text}),
        {"type": "agent_status_update", "project_id": project_id, "timestamp": 1, "agent": text[:64] or "a",
         "status": "working", "progress": 1, "task": text},
    ]  # fmt: skip
    await daemon.publish(sent)
    headers = {"Authorization": f"Bearer {daemon.token()}"}
    async with watch(daemon, project_id) as viewer:
        over_socket = [await viewer.hears(str(event["type"])) for event in sent]
    async with aiohttp.ClientSession() as http:
        async with http.get(daemon.project(project_id, "/events", wait=0), headers=headers) as answer:
            assert answer.headers["Content-Type"].startswith("application/json")
            assert "nosniff" == answer.headers["X-Content-Type-Options"]
            over_poll = (await answer.json())["messages"]
        async with http.get(daemon.project(project_id, "/stream"), headers=headers) as stream:
            async with asyncio.timeout(15):
                over_stream = [await event(stream) for _ in range(3)][1:]
    assert over_socket == over_poll == over_stream
    assert text == over_poll[0]["message"]
    assert {text: text} == over_poll[0]["fields"]
    assert text == over_poll[1]["task"]


async def event(stream: aiohttp.ClientResponse) -> object:
    """Return the next event of a stream; each of its lines is one of those that relayd writes."""
    data = b""
    while line := await stream.content.readline():
        if line == b"\n" and data:
            return json.loads(data)
        assert line == b"\n" or line.startswith((b"data: ", b"id: ", b": ", b":\n", b"retry: ")), line
        assert not line.startswith(b"id: ") or line[4:].strip().replace(b"-", b"").replace(b"_", b"").isalnum(), line
        if line.startswith(b"data: "):
            assert not data
            data = line.removeprefix(b"data: ")
    raise AssertionError("the stream ended")


@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
async def test_a_text_makes_no_line_of_log(daemon: PrivateRelay, text: str) -> None:
    """As an address, a session, an id, an unknown type or a reason it can forge no line and move no cursor."""
    before = len(daemon.log)
    written = "".join(f"%{byte:02x}" for byte in text.encode())
    async with raw(daemon) as socket:
        socket.send(
            UPGRADE.format(f"/ws/admin/agent-swarm/{written}?session={written}&token={daemon.token()}").encode()
        )
        await socket.until(b"\r\n\r\n")
    async with watch(daemon, "logged", headers={"User-Agent": "x", "X-Forwarded-For": "1.2.3.4"}) as viewer:
        await viewer.frame()
        await viewer.says({"type": text})
        await viewer.says({"type": "subscribe", "project_id": text})
        await viewer.ending()
    await daemon.publish([{"type": text, "project_id": text}, log("logged", text)], message_id="written")
    await asyncio.to_thread(daemon.wait_for_line, "connection_ended")
    printed = daemon.log[before:]
    assert [] == [line for line in printed.splitlines() if not is_line(line)]
    assert not [char for char in printed if char != "\n" and (ord(char) < 32 or 127 <= ord(char) < 160)]
    assert not set(printed) & set("\u2028\u2029\u202e\u2066")


def is_line(line: str) -> bool:
    """Tell whether it is a whole line of log."""
    return {"timestamp", "level", "event"} <= set(json.loads(line))
