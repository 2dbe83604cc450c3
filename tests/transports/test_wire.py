import asyncio
import gc
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest
import uvloop
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiohttp.web_protocol import RequestHandler

from relayd.transports.frames import SseEncoding
from relayd.transports.wire import HIGH_WATER, OpenEnded, SocketWire
from tests.harness.inside import InsideRelay, inside
from tests.harness.raw import UPGRADE, RawSocket, masked, raw, upgraded
from tests.harness.viewer import log, watch

PATH = "/ws/admin/agent-swarm/p?batch=1&token={}"
LARGE = "x" * 16_000


async def fill(relay: InsideRelay, socket: RawSocket) -> list[str]:
    """Publish until a viewer that does not read is behind, and return what was published."""
    (session,) = relay.rooms.lobby
    socket.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a StreamWriter's transport reads, too
    texts: list[str] = []
    while session.wire.buffered() <= HIGH_WATER:
        batch = [f"{len(texts) + number} {LARGE}" for number in range(40)]
        await relay.publish(*(log("p", text) for text in batch))
        texts += batch
        assert len(texts) < 4_000
    return texts


async def test_a_slow_viewer_loses_nothing_and_costs_nobody(relay: InsideRelay) -> None:
    """The kernel holds little for it, the relay one envelope; the others go on, and it gets all in order later."""
    async with upgraded(relay, PATH.format(relay.token())) as slow:
        await slow.frame()
        texts = await fill(relay, slow)
        async with watch(relay, "p", token=relay.token("bob"), tail=0) as brisk:
            await brisk.frame()
            more = [f"{number} more" for number in range(20)]
            for text in more:
                await relay.publish(log("p", text))
            assert more == await brisk.lines(20)
        (session,) = [one for one in relay.rooms.lobby if one.grant.viewer.user == "ada"]
        assert session.wire.buffered() < 1_000_000
        slow.writer.transport.resume_reading()  # type: ignore[attr-defined]  # as above
        heard: list[str] = []
        while len(heard) < len(texts) + 20:
            heard += await slow.texts()
        assert texts + more == heard


async def test_a_viewer_that_takes_no_byte_is_cut(tmp_path: Path) -> None:
    """With data waiting for so long the socket is dead, whatever the kernel says; its place is free."""
    async with (
        inside(tmp_path, {"server": {"stuck_seconds": 1}}) as relay,
        upgraded(relay, PATH.format(relay.token())) as slow,
    ):
        await slow.frame()
        (session,) = relay.rooms.lobby
        await fill(relay, slow)
        await relay.until(lambda: relay.places() == 0)
        assert "STUCK" == session.ended.result().disconnect.name


async def test_what_is_said_before_the_answer_is_heard(relay: InsideRelay) -> None:
    """A client may not do so (RFC 6455 4.1), and some do: what came with the request is not lost with the library."""
    async with raw(relay) as hasty:
        hasty.send(UPGRADE.format(PATH.format(relay.token())).encode() + masked(0x81, b"ping"))
        await hasty.until(b"\r\n\r\n")
        heard = [await hasty.frame(), await hasty.frame()]
    assert (1, b"pong") in heard


async def test_the_library_forgets_who_was_taken_over(relay: InsideRelay) -> None:
    """Its objects for a request are what a viewer must not cost."""
    async with AsyncExitStack() as stack:
        for user in ("ada", "bob", "eve"):
            viewer = await stack.enter_async_context(upgraded(relay, PATH.format(relay.token(user))))
            await viewer.frame()
        gc.collect()
        assert 3 == relay.places()
        assert [] == [one for one in gc.get_objects() if isinstance(one, RequestHandler | web.BaseRequest)]


def test_who_is_gone_takes_nothing_and_breaks_nothing() -> None:
    """The loop of the daemon raises when a closed socket is written to; that must not reach those who are there."""
    uvloop.run(leave_while_written_to())


async def leave_while_written_to() -> None:
    """Cut a viewer's connection, and write to it before anybody has noticed."""
    wires: asyncio.Future[SocketWire] = asyncio.get_running_loop().create_future()

    async def serve(request: web.Request) -> web.StreamResponse:
        response = OpenEnded()
        await response.prepare(request)
        wire = SocketWire(SseEncoding(batch=False, chunked=False))
        assert wire.take_over(request)
        wires.set_result(wire)
        return response

    app = web.Application()
    app.router.add_get("/", serve)
    async with TestServer(app) as server, aiohttp.ClientSession() as http, http.get(server.make_url("/")):
        wire = await wires
        wire.abort()
        assert not wire.push(b"news")
        with pytest.raises(ConnectionResetError, match="gone"):
            wire.write(b"news")
        assert 0 == wire.buffered()
