import json
import tracemalloc
import zlib
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, PerMessageDeflate
from websockets.typing import Subprotocol

from relayd.transports.deflate import DEFLATE_ABOVE, deflated
from relayd.transports.frames import WebSocketEncoding, deflated_frame, text_frame
from relayd.transports.reading import TEXT
from tests.harness.inside import InsideRelay
from tests.harness.raw import RawSocket, masked, upgraded
from tests.harness.viewer import Viewer, log

LONG = b'{"type":"workflow_log","message":"' + b"the same words again and again, " * 40 + b'"}'


def inflated(data: bytes, window: int) -> bytes:
    """Return what a reader with that window reads (RFC 7692 7.2.2)."""
    reader, data, text = zlib.decompressobj(-window), data + b"\x00\x00\xff\xff", b""
    # In small steps: in one go zlib looks back into its whole output, whatever the window.
    while data:
        text += reader.decompress(data, 64)
        data = reader.unconsumed_tail
    return text


FAR = bytes(Random(1).randbytes(1_000).hex(), "ascii") * 3
"""The same again, 2,000 bytes later: whoever has the window for it says so in three bytes."""


@given(st.binary(max_size=20_000) | st.just(FAR), st.integers(9, 15))
@example(FAR, 9)
@example(FAR, 10)
def test_every_window_reads_what_was_written_for_it(payload: bytes, window: int) -> None:
    """A reader that asked for less than 15 bits never has to look back further."""
    assert payload == inflated(deflated(payload, window), window)


def test_each_payload_begins_anew() -> None:
    """A viewer that joins in the middle reads the second without the first."""
    assert deflated(LONG, 15) == deflated(LONG, 15)


def test_a_compressed_frame_says_so() -> None:
    """RFC 7692 6: RSV1 is set on the frame, and its length is that of the compressed bytes."""
    data = deflated(LONG, 15)
    assert b"\xc1\x7e" + len(data).to_bytes(2) + data == deflated_frame(LONG, 15) or len(data) < 126


def test_what_is_small_travels_as_it_is() -> None:
    """Up to 512 bytes compression costs more than it saves."""
    viewer = WebSocketEncoding(legacy=False, window=15)
    assert text_frame(b"x" * DEFLATE_ABOVE) == viewer.say(b"x" * DEFLATE_ABOVE)
    assert deflated_frame(b"x" * (DEFLATE_ABOVE + 1), 15) == viewer.say(b"x" * (DEFLATE_ABOVE + 1))


def test_who_negotiated_another_window_shares_no_bytes() -> None:
    """A frame of 15 bits kills a client that asked for less, so they are different encodings, and different groups."""
    assert WebSocketEncoding(legacy=False, window=9) != WebSocketEncoding(legacy=False, window=15)
    assert WebSocketEncoding(legacy=False) != WebSocketEncoding(legacy=False, window=15)


@pytest.mark.parametrize("bits", range(9, 16))
async def test_a_client_gets_the_window_it_asks_for(relay: InsideRelay, bits: int) -> None:
    """Long messages, pings and a close go over the same socket, which a strict client reads without complaint."""
    offer = ClientPerMessageDeflateFactory(server_max_window_bits=bits, client_max_window_bits=True)
    subprotocols = [Subprotocol("relayd.v1"), Subprotocol(f"bearer.{relay.token()}")]
    async with connect(relay.socket("p"), extensions=[offer], subprotocols=subprotocols, compression=None) as socket:
        (extension,) = socket.protocol.extensions
        assert isinstance(extension, PerMessageDeflate)
        assert bits == extension.remote_max_window_bits
        viewer = Viewer(socket)
        await viewer.hears("connection_established")
        text = FAR.decode()
        await relay.publish(*[log("p", f"{text}{number}") for number in range(5)])
        assert [f"{text}{number}" for number in range(5)] == [
            (await viewer.hears("workflow_log"))["message"] for _ in range(5)
        ]
        await (await socket.ping())


async def test_without_the_offer_nothing_is_compressed(relay: InsideRelay) -> None:
    """A client that can't inflate is never sent what it would have to."""
    subprotocols = [Subprotocol("relayd.v1"), Subprotocol(f"bearer.{relay.token()}")]
    async with connect(relay.socket("p"), subprotocols=subprotocols, compression=None) as socket:
        assert [] == list(socket.protocol.extensions)
        viewer = Viewer(socket)
        await viewer.hears("connection_established")
        await relay.publish(log("p", "x" * 2_000))
        assert "x" * 2_000 == (await viewer.hears("workflow_log"))["message"]


# -- memory ----------------------------------------------------------------------------------------------------------

EACH = 16 * 1024
"""
Bytes that a viewer may cost the relay.

A context to compress with a window of 15 bits takes 256 KiB (zlib's zconf.h), one to inflate over 32 KiB.
"""

COUNTED = 20


@pytest.fixture
def traced() -> Iterator[None]:
    """Count every byte that Python and zlib take."""
    tracemalloc.start()
    yield
    tracemalloc.stop()


async def test_a_connection_keeps_no_context(traced: None, relay: InsideRelay) -> None:
    """Viewers who have read and sent compressed frames cost the relay neither a compressor nor an inflater each."""
    async with AsyncExitStack() as stack:
        # What all share comes with the first, who is not counted.
        await joined(relay, stack, "warm", ["warm"])
        before = tracemalloc.get_traced_memory()[0]
        await joined(relay, stack, "p", [f"user-{number}" for number in range(COUNTED)])
        kept = (tracemalloc.get_traced_memory()[0] - before) / COUNTED
    assert EACH > kept


async def joined(relay: InsideRelay, stack: AsyncExitStack, project_id: str, users: Sequence[str]) -> None:
    """Let viewers join who have no zlib of their own, and each read a compressed frame, twice, and two answers."""
    viewers = []
    for user in users:
        path = f"/ws/admin/agent-swarm/{project_id}?batch=1&token={relay.token(user)}"
        viewers.append(await stack.enter_async_context(upgraded(relay, path, extensions="permessage-deflate")))
        await viewers[-1].frame()
    for text in ("again and again, " * 60, "and once more, " * 60):
        await relay.publish(log(project_id, text))
        for viewer in viewers:
            assert text in inflated(await text_of(viewer), 15).decode()
    for viewer in viewers:
        long = deflated(json.dumps({"type": "unheard of", "why": FAR.decode() * 10}).encode(), 15)
        viewer.send(masked(0xC1, long) + masked(0x81, b"ping") + masked(0x81, b'{"type":"filter","filter":{}}'))
        assert b"pong" == await text_of(viewer)
        assert b"FILTERED" in await text_of(viewer)


async def text_of(viewer: RawSocket) -> bytes:
    """Return the payload of the next text; a ping may come before it, for counting every byte takes its time."""
    while (frame := await viewer.frame())[0] != TEXT:
        pass
    return frame[1]
