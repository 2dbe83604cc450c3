import asyncio
import gc
import socket
import struct
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import uvloop
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiohttp.web_protocol import RequestHandler

from relayd.protocol.disconnect import Disconnect
from relayd.transports.frames import SseEncoding
from relayd.transports.wire import HIGH_WATER, OpenEnded, SocketWire
from tests.harness.inside import InsideRelay, inside
from tests.harness.outsider import deafen
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


async def test_a_viewer_whom_the_kernel_gave_up_was_silent(relay: InsideRelay) -> None:
    """That is another ending than to leave: it may come back with its cursor."""
    async with upgraded(relay, PATH.format(relay.token())) as gone:
        await gone.frame()
        (session,) = relay.rooms.lobby
        ours = session.wire._transport.get_extra_info("socket")  # type: ignore[attr-defined]  # a SocketWire's
        ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 100)
        deafen(gone.writer.get_extra_info("socket"))
        await relay.publish(log("p", "never confirmed"))
        await relay.until(session.ended.done)
        assert Disconnect.IDLE_TIMEOUT is session.ended.result().disconnect
        assert 0 == relay.places()


async def test_what_is_said_before_the_answer_is_heard(relay: InsideRelay) -> None:
    """A client may not do so (RFC 6455 4.1), and some do: what came with the request is not lost with the library."""
    async with raw(relay) as hasty:
        hasty.send(UPGRADE.format(PATH.format(relay.token())).encode() + masked(0x81, b"ping"))
        await hasty.until(b"\r\n\r\n")
        heard = [await hasty.frame(), await hasty.frame()]
    assert (1, b"pong") in heard


async def test_the_library_forgets_who_was_taken_over(relay: InsideRelay) -> None:
    """Its objects for a request are what a viewer must not cost."""
    before = kept_by_the_library()
    async with AsyncExitStack() as stack:
        for user in ("ada", "bob", "eve"):
            viewer = await stack.enter_async_context(upgraded(relay, PATH.format(relay.token(user))))
            await viewer.frame()
        assert 3 == relay.places()
        # Others of this process may go meanwhile; three that came would be seen.
        assert before >= kept_by_the_library()


def kept_by_the_library() -> int:
    """Return how many of its objects for requests there are."""
    gc.collect()
    return sum(isinstance(one, RequestHandler | web.BaseRequest) for one in gc.get_objects())


LOOPS = pytest.mark.parametrize("run", [uvloop.run, asyncio.run], ids=["uvloop", "asyncio"])
"""Both loops in which the daemon may run."""

Run = Callable[[Coroutine[None, None, None]], None]


@asynccontextmanager
async def taken_over() -> AsyncGenerator[tuple[SocketWire, socket.socket]]:
    """Give a wire and the viewer's end of it, which takes little at a time."""
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
    loop = asyncio.get_running_loop()
    async with TestServer(app) as server:
        with socket.socket() as viewer:
            viewer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
            viewer.setblocking(False)
            await loop.sock_connect(viewer, (server.host, server.port))
            await loop.sock_sendall(viewer, b"GET / HTTP/1.1\r\nHost: relay\r\n\r\n")
            yield await wires, viewer


def push_until_full(wire: SocketWire) -> bytes:
    """Push numbered payloads until one is refused, and return those that were not."""
    pushed = b""
    for number in range(10_000):
        payload = b"%07d " % number * 1_000
        if not wire.push(payload):
            return pushed
        pushed += payload
    raise AssertionError("a viewer that reads nothing was never behind")


@LOOPS
def test_what_had_to_wait_arrives_once_and_in_order(run: Run) -> None:
    """Half a payload that the kernel took, the rest of it, what was pushed and written behind it."""

    async def go() -> None:
        async with taken_over() as (wire, viewer):
            due = push_until_full(wire)
            for more in (b"written", b"behind", b"it"):
                wire.write(more)
                due += more
            reading = asyncio.create_task(everything(viewer))
            await wire.drain()
            assert 0 == wire.buffered()
            assert wire.push(b"news")
            await wire.close(Disconnect.NORMAL, "", 0)
            assert due + b"news" == (await reading).partition(b"\r\n\r\n")[2]

    run(go())


async def everything(viewer: socket.socket) -> bytes:
    """Return what comes until the relay ends the connection."""
    data = b""
    while piece := await asyncio.get_running_loop().sock_recv(viewer, 65_536):
        data += piece
    return data


@LOOPS
def test_nothing_is_written_behind_the_last_words(run: Run) -> None:
    """Not even when what had to wait before them has gone, and the socket could take more."""

    async def go() -> None:
        async with taken_over() as (wire, viewer):
            due = push_until_full(wire)
            closing = asyncio.create_task(wire.close(Disconnect.NORMAL, "", 0))
            await asyncio.sleep(0)
            data = b""
            while piece := await asyncio.get_running_loop().sock_recv(viewer, 65_536):
                data += piece
                assert not wire.push(b"late")
            await closing
            assert due == data.partition(b"\r\n\r\n")[2]

    run(go())


@LOOPS
def test_a_viewer_that_reads_a_little_is_seen_to_read(run: Run) -> None:
    """Long before our kernel takes the next byte; nothing else tells it from one that is stuck."""

    async def go() -> None:
        async with taken_over() as (wire, viewer):
            push_until_full(wire)
            before, waiting, read = wire.taken(), wire.buffered(), 0
            while wire.taken() == before:
                read += len(await asyncio.get_running_loop().sock_recv(viewer, 1_024))
                assert read < 32 * 1_024
            assert waiting == wire.buffered()
            wire.abort()

    run(go())


@LOOPS
def test_who_is_gone_takes_nothing_and_breaks_nothing(run: Run) -> None:
    """Uvloop raises when a closed socket is written to; that must not reach those who are there."""

    async def go() -> None:
        async with taken_over() as (wire, _):
            wire.abort()
            assert not wire.push(b"news")
            with pytest.raises(ConnectionResetError, match="gone"):
                wire.write(b"news")
            with pytest.raises(ConnectionResetError, match="gone"):
                await wire.drain()
            assert 0 == wire.buffered()

    run(go())


@LOOPS
def test_a_connection_that_was_reset_refuses(run: Run) -> None:
    """The system call says so before the loop does; the next viewer of the group is served all the same."""

    async def go() -> None:
        async with taken_over() as (wire, viewer):
            # Zero seconds to linger: the end is a reset.
            viewer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            viewer.close()
            assert [False, False] == [wire.push(b"news"), wire.push(b"news")]

    run(go())
