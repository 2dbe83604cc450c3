"""What a viewer sends to cost more than it may; each test's sentence tells the attack."""

import asyncio
import zlib
from contextlib import AsyncExitStack

import pytest

from tests.harness.daemon import PrivateRelay
from tests.harness.memory import MEBIBYTE, forget_peak, memory
from tests.harness.raw import RawSocket, masked, raw, upgraded
from tests.harness.viewer import log, watch

PATH = "/ws/admin/agent-swarm/{}?token={}"
TAIL = 4
"""Bytes that a compressed message does without (RFC 7692 7.2.1)."""

PIECES = 400
PIECE = 64 * 1024
"""Together 25 MiB."""


async def flood(socket: RawSocket, data: bytes, times: int) -> None:
    """Send the same again and again, as long as it is taken."""
    for _ in range(times):
        if socket.reader.at_eof() or socket.writer.is_closing():
            return
        socket.send(data)
        try:
            await socket.writer.drain()
        except ConnectionError:
            return


@pytest.mark.parametrize("part", [b"", b"x"])
async def test_a_flood_of_fragments(daemon: PrivateRelay, part: bytes) -> None:
    """A message that never ends, in parts that hold nothing: it is a flood of frames and ends as one, with 4430."""
    async with watch(daemon, "fragments", token=daemon.token("ada")) as bystander:
        await bystander.frame()
        async with upgraded(daemon, PATH.format("fragments", daemon.token("mallory"))) as socket:
            await socket.frame()
            socket.send(masked(0x01, part) + masked(0x00, part) * 20_000)
            assert 4430 == await socket.close_code()
        await daemon.publish(log("fragments", "for those who behave"))
        assert ["for those who behave"] == await bystander.lines(1)


async def test_a_small_frame_that_becomes_a_large_message(daemon: PrivateRelay) -> None:
    """Sixty mebibytes of zeros in as many kibibytes of deflate: 1009, before they are there."""
    bomb = zlib.compressobj(9, wbits=-15)
    packed = bomb.compress(bytes(60 * MEBIBYTE)) + bomb.flush(zlib.Z_SYNC_FLUSH)
    assert len(packed) < 64 * 1024
    path = PATH.format("bomb", daemon.token("mallory"))
    async with upgraded(daemon, path, extensions="permessage-deflate; client_no_context_takeover") as socket:
        await socket.frame()
        idle = memory(daemon.process.pid, "VmRSS")
        forget_peak(daemon.process.pid)
        socket.send(masked(0xC1, packed[:-TAIL]))
        assert 1009 == await socket.close_code()
    assert memory(daemon.process.pid, "VmHWM") - idle < 10 * MEBIBYTE


@pytest.mark.parametrize("how", ["broken", "stranger", "flood"])
async def test_who_is_shown_out_and_goes_on(daemon: PrivateRelay, how: str) -> None:
    """Behind a broken frame, a refused token or a flood 25 MiB more are sent: nothing of it is kept, and it is cut."""
    token = "no-token" if how == "stranger" else daemon.token("mallory")
    path = f"{PATH.format('shown-out', token)}&batch=1"
    first = masked(0x83, b"") if how == "broken" else masked(0x89, b"") * 200
    async with upgraded(daemon, path) as socket:
        forget_peak(daemon.process.pid)
        idle = memory(daemon.process.pid, "VmRSS")
        sending = asyncio.create_task(flood(socket, first + b"\x01" * PIECE, PIECES))
        assert {"broken": 1002, "stranger": 4401, "flood": 4430}[how] == await socket.close_code()
        async with asyncio.timeout(30):
            await sending
    assert memory(daemon.process.pid, "VmHWM") - idle < 10 * MEBIBYTE
    assert 200 == daemon.probe("/livez")


async def test_a_message_that_never_comes(daemon: PrivateRelay) -> None:
    """Two hundred connections each announce 64 KiB and send nothing of it: the relay holds what has come, no more."""
    idle = memory(daemon.process.pid, "VmRSS")
    forget_peak(daemon.process.pid)
    async with AsyncExitStack() as sockets:
        for number in range(200):
            path = PATH.format("never", daemon.token(f"mallory-{number}"))
            socket = await sockets.enter_async_context(upgraded(daemon, path))
            socket.send(masked(0x81, b"{", size=PIECE)[:15])
        async with watch(daemon, "never", token=daemon.token("ada"), legacy=True) as viewer:
            await viewer.frame()
            await viewer.says("ping")
            assert "pong" == await viewer.text()
    assert memory(daemon.process.pid, "VmHWM") - idle < 10 * MEBIBYTE


async def test_an_upgrade_that_is_none(daemon: PrivateRelay) -> None:
    """Half an opening handshake is no socket: no key, an older version, another protocol, a body behind it."""
    token = daemon.token("mallory")
    good = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": "A" * 22 + "==",
            "Sec-WebSocket-Version": "13"}  # fmt: skip
    for change in (
        {"Sec-WebSocket-Key": ""},
        {"Sec-WebSocket-Key": "short"},
        {"Sec-WebSocket-Version": "8"},
        {"Upgrade": "h2c"},
        {"Connection": "keep-alive"},
    ):
        headers = "".join(f"{name}: {value}\r\n" for name, value in {**good, **change}.items())
        async with raw(daemon) as socket:
            socket.send(f"GET {PATH.format('p', token)} HTTP/1.1\r\nHost: relay\r\n{headers}\r\n".encode())
            assert "HTTP/1.1 426" == (await socket.until(b"\r\n\r\n"))[:12], change
