"""Server-sent events, as bytes: what a browser's EventSource and a proxy between rely on."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.harness.inside import InsideRelay, inside
from tests.harness.raw import raw
from tests.harness.viewer import log

SECONDS = 15.0


class Stream:
    """One stream, cut into events as the HTML standard cuts it."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer
        self.last_id = ""

    async def block(self) -> dict[str, str]:
        """Return the fields up to the next empty line; a comment stands under an empty name."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(SECONDS):
            while line := (await self.answer.content.readuntil(b"\n")).decode().rstrip("\n"):
                name, _, value = line.partition(":")
                fields[name] = value.removeprefix(" ")
        self.last_id = fields.get("id", self.last_id)
        return fields

    async def event(self) -> dict[str, Any]:
        """Return the next data, in JSON; what has none is passed over."""
        while "data" not in (block := await self.block()):
            continue
        data: dict[str, Any] = json.loads(block["data"])
        return data

    async def texts(self, count: int) -> list[str]:
        """Return the texts of the next lines of log."""
        return [(await self.event())["message"] for _ in range(count)]

    async def rest(self) -> list[dict[str, Any]]:
        """Return all data until the stream ends."""
        async with asyncio.timeout(SECONDS):
            text = (await self.answer.content.read()).decode()
        return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]


@asynccontextmanager
async def stream(
    relay: InsideRelay, project_id: str = "p", *, last_id: str | None = None, user: str = "ada", **query: object
) -> AsyncGenerator[Stream]:
    """Open a stream that is let in."""
    headers = relay.bearer(user, **query.pop("about", {}))  # type: ignore[arg-type]  # claims of the token
    if last_id is not None:
        headers["Last-Event-ID"] = last_id
    async with relay.http.get(relay.project(project_id, "/stream", **query), headers=headers) as answer:
        assert 200 == answer.status, await answer.text()
        yield Stream(answer)


async def test_a_stream_begins_at_once(relay: InsideRelay) -> None:
    """With the headers that keep proxies from gathering, and a first byte before the first event."""
    async with stream(relay) as viewer:
        headers = viewer.answer.headers
        assert ("text/event-stream; charset=utf-8", "no-store", "no") == (
            headers["Content-Type"],
            headers["Cache-Control"],
            headers["X-Accel-Buffering"],
        )
        assert {"retry": "2000"} == await viewer.block()
        first = await viewer.event()
        assert ("connection_established", "none") == (first["type"], first["replay"])


async def test_each_event_has_its_cursor_as_id(relay: InsideRelay) -> None:
    """So that a browser resumes by itself; the opening's stands strictly before the first."""
    await relay.publish(log("p", "one"), log("p", "two"))
    async with stream(relay) as viewer:
        opening = await viewer.event()
        assert opening["cursor"] == viewer.last_id
        for text in ("one", "two"):
            message = await viewer.event()
            assert (text, viewer.last_id) == (message["message"], message["id"])
        cursor = viewer.last_id
        await relay.publish(log("p", "three"))
        assert ["three"] == await viewer.texts(1)
    async with stream(relay, last_id=cursor) as again:
        opening = await again.event()
        assert (True, "resume") == (opening["recovered"], opening["replay"])
        assert ["three"] == await again.texts(1)


async def test_what_was_read_last_beats_the_address(relay: InsideRelay) -> None:
    """A browser comes again with the address it began with."""
    first = (await relay.publish(log("p", "one")))["cursor"]
    second = (await relay.publish(log("p", "two")))["cursor"]
    await relay.publish(log("p", "three"))
    async with stream(relay, after=first, last_id=second) as viewer:
        await viewer.event()
        assert ["three"] == await viewer.texts(1)
    async with stream(relay, after=first) as viewer:
        await viewer.event()
        assert ["two", "three"] == await viewer.texts(2)


async def test_batch_sends_envelopes(relay: InsideRelay) -> None:
    """Many messages in one event, for clients that want fewer."""
    await relay.publish(log("p", "one"), log("p", "two"))
    async with stream(relay, batch=1) as viewer:
        await viewer.event()
        envelope = await viewer.event()
        assert ("batch", ["one", "two"]) == (envelope["type"], [one["message"] for one in envelope["messages"]])
        assert envelope["cursor"] == viewer.last_id


async def test_what_a_worker_wrote_can_t_break_out(relay: InsideRelay) -> None:
    """Line feeds, other line ends and fields of the format stay inside of the JSON."""
    text = "a\nid: 9\n\ndata: {}\r\r\n\u2028\u2029\x00event: x"
    await relay.publish(log("p", text))
    async with stream(relay) as viewer:
        await viewer.event()
        block = await viewer.block()
    assert {"id", "data"} == block.keys()
    assert text.replace("\x00", "") == json.loads(block["data"])["message"].replace("\x00", "")


async def test_a_quiet_stream_moves_its_viewer_on(tmp_path: Path) -> None:
    """A comment keeps proxies awake; an id without data moves the cursor past other projects' events."""
    async with inside(tmp_path, {"server": {"heartbeat_seconds": 1}}) as relay, stream(relay) as viewer:
        await viewer.event()
        await relay.publish(log("other", "not for you"))
        block = await viewer.block()
        assert {"": "", "id": relay.rooms.engine.log.head_cursor()} == block
        await relay.publish(log("p", "for you"))
    async with inside(tmp_path) as relay, stream(relay, last_id=viewer.last_id) as viewer:
        assert (await viewer.event())["recovered"]
        assert ["for you"] == await viewer.texts(1)


async def test_a_stream_ends_with_a_notice(tmp_path: Path) -> None:
    """A stream has no close code: the last event has it, and when to come again."""
    tables = {"auth": {"grace_seconds": 0, "leeway_seconds": 0}}
    async with inside(tmp_path, tables) as relay, stream(relay, about={"ttl": 1.2}) as viewer:
        *_, last = await viewer.rest()
    assert ("notice", "TOKEN_EXPIRED", 4410) == (last["type"], last["code"], last["data"]["close_code"])


async def test_a_stream_that_is_taken_over_says_so(relay: InsideRelay) -> None:
    """A reloaded tab: the older stream ends, one place is taken."""
    async with stream(relay, session="tab-1") as old:
        await old.event()
        async with stream(relay, session="tab-1") as new:
            await new.event()
            (last,) = await old.rest()
            assert ("REPLACED", 4409) == (last["code"], last["data"]["close_code"])
            assert 1 == relay.places()


async def test_a_draining_relay_ends_streams_with_a_time(relay: InsideRelay) -> None:
    """Each is told when to come again."""
    async with stream(relay) as viewer:
        await viewer.event()
        await relay.rooms.lobby.empty(0.05)
        (last,) = await viewer.rest()
    assert ("RESTARTING", 1012) == (last["code"], last["data"]["close_code"])
    assert last["data"]["retry_after_ms"] >= 1_000


async def test_an_old_peer_reads_to_the_end_of_the_connection(relay: InsideRelay) -> None:
    """HTTP/1.0 knows no chunks: nothing but events stands on the wire."""
    await relay.publish(log("p", "one"))
    async with raw(relay) as socket:
        path = f"/v1/public/agent-swarms/projects/p/stream?token={relay.token()}&session=old"
        socket.send(f"GET {path} HTTP/1.0\r\nHost: relay\r\n\r\n".encode())
        head = (await socket.until(b"\r\n\r\n")).lower()
        assert head.startswith("http/1.0 200 ")
        assert "transfer-encoding" not in head
        assert "retry: 2000\n\n" == await socket.until(b"\n\n")
        assert (await socket.until(b"\n\n")).startswith("id: 0\ndata: {")
        assert '"message":"one"' in await socket.until(b"\n\n")
        async with stream(relay, session="old") as new:
            await new.event()
            assert '"code":"REPLACED"' in await socket.rest()


async def test_chunks_are_well_formed_to_the_last(relay: InsideRelay) -> None:
    """The relay writes them past its library; a reader of HTTP/1.1 finds the end."""
    await relay.publish(log("p", "one"))
    async with raw(relay) as socket:
        path = f"/v1/public/agent-swarms/projects/p/stream?token={relay.token()}"
        socket.send(f"GET {path} HTTP/1.1\r\nHost: relay\r\n\r\n".encode())
        assert "transfer-encoding: chunked" in (await socket.until(b"\r\n\r\n")).lower()
        await relay.until(lambda: len(relay.rooms.lobby) == 1)
        await relay.rooms.lobby.empty(0)
        text = b""
        while size := int(await socket.until(b"\r\n"), 16):
            text += await socket.reader.readexactly(size)
            assert b"\r\n" == await socket.reader.readexactly(2)
        assert text.startswith(b"retry: 2000\n\n")
        assert b'"code":"RESTARTING"' in text
        # By which a browser comes back no sooner, whatever its page knows of notices.
        told = json.loads(text.rpartition(b"data: ")[2])["data"]["retry_after_ms"]
        assert b"retry: %d\n\n" % told in text


async def test_a_client_that_vanishes_frees_its_place(relay: InsideRelay) -> None:
    """Its handler is cancelled, though it has nothing to write."""
    async with raw(relay) as socket:
        path = f"/v1/public/agent-swarms/projects/p/stream?token={relay.token()}"
        socket.send(f"GET {path} HTTP/1.1\r\nHost: relay\r\n\r\n".encode())
        await socket.until(b"retry: 2000\n\n")
        assert 1 == relay.places()
        socket.vanish()
        await relay.until(lambda: relay.places() == 0)
    assert 0 == len(relay.rooms.lobby)


async def test_a_client_that_vanishes_is_nobody_s_ghost(relay: InsideRelay) -> None:
    """Its session ends, too, with a reason: else what comes would be written for it for ever."""
    async with stream(relay) as left, stream(relay, user="bob") as stayed:
        await left.event()
        await stayed.event()
        (session,) = [one for one in relay.rooms.lobby if one.grant.viewer.user == "ada"]
        left.answer.close()
        await relay.until(session.ended.done)
        assert "NORMAL" == session.ended.result().disconnect.name
        assert {} == session.subscriptions
        await relay.publish(log("p", "for those who are there"))
        assert ["for those who are there"] == await stayed.texts(1)


@pytest.mark.parametrize(
    ("how", "status", "code"),
    [
        ({"token": "no-token"}, 401, "AUTH_FAILED"),
        ({"token": {"projects": ["q"]}}, 403, "FORBIDDEN"),
        ({"after": "nonsense"}, 400, "BAD_REQUEST"),
    ],
)
async def test_a_refusal_comes_before_the_stream(
    relay: InsideRelay, how: dict[str, Any], status: int, code: str
) -> None:
    """As an HTTP status, which a page can read; the place is not taken."""
    await relay.publish({"type": "project_started", "project_id": "p", "timestamp": 1.0, "owner": "eve"})
    token = how.pop("token", {})
    token = token if isinstance(token, str) else relay.token(**token)
    async with relay.http.get(relay.project("p", "/stream", token=token, **how)) as answer:
        assert (status, code) == (answer.status, (await answer.json())["code"])
    assert 0 == relay.places()


async def test_the_sixth_stream_is_refused(relay: InsideRelay) -> None:
    """Streams, polls and sockets share the five places."""
    streams = [await relay.http.get(relay.project("p", "/stream"), headers=relay.bearer()) for _ in range(5)]
    async with relay.http.get(relay.project("p", "/events"), headers=relay.bearer()) as answer:
        assert (429, "TOO_MANY_CONNECTIONS") == (answer.status, (await answer.json())["code"])
    for one in streams:
        one.close()
    await relay.until(lambda: relay.places() == 0)
