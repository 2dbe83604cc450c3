"""Shared compressed frames as Node's `ws` reads them: with every option it has, and what it sends itself."""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from relayd.transports.deflate import DEFLATE_ABOVE
from tests.harness.daemon import PrivateRelay
from tests.harness.inside import InsideRelay, inside
from tests.harness.node import NodeViewer, node_viewer
from tests.harness.settled import Addresses
from tests.harness.tap import PING, PONG, Tap
from tests.harness.viewer import log

HALVES = [Random(seed).randbytes(5_000).hex() for seed in (1, 2)] * 2
"""
The same again, 20,000 bytes later, which a window of 14 bits does not hold.

It has to be that far: zlib also looks back into what it has just written, and node lets it write 16 KiB at a time.
"""

PLAIN, DEFLATE = "", "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
"""No context is kept for either direction, asked for or not, and the answer says so."""

Options = Mapping[str, object] | bool

AGREED: list[tuple[Options, str]] = [
    ({}, DEFLATE),
    (False, PLAIN),
    # zlib has no window of 8 bits: the offer is declined.
    ({"serverMaxWindowBits": 8}, PLAIN),
    *[({"serverMaxWindowBits": bits}, f"{DEFLATE}; server_max_window_bits={bits}") for bits in range(9, 16)],
    *[({"clientMaxWindowBits": bits}, DEFLATE) for bits in (8, 9, 15)],
    ({"clientMaxWindowBits": False}, DEFLATE),
    ({"serverNoContextTakeover": True}, DEFLATE),
    # `clientNoContextTakeover: false` is not here: ws fails a connection whose server asks for it, as ours always does.
    ({"serverNoContextTakeover": False}, DEFLATE),
    ({"clientNoContextTakeover": True}, DEFLATE),
    (
        {"serverNoContextTakeover": True, "clientNoContextTakeover": True, "serverMaxWindowBits": 10},
        f"{DEFLATE}; server_max_window_bits=10",
    ),
]


@asynccontextmanager
async def watching(
    relay: Addresses, project_id: str, *, deflate: Options = True, legacy: bool = False
) -> AsyncGenerator[tuple[NodeViewer, Tap]]:
    """Give a viewer in node that has joined, and a tap on its wire; it compresses whatever it sends."""
    if not isinstance(deflate, bool):
        deflate = {"threshold": 0, **deflate}
    protocols = [] if legacy else ["relayd.v1", f"bearer.{relay.token()}"]
    address = relay.socket(project_id, token=relay.token() if legacy else None)
    async with (
        Tap(relay) as tap,
        node_viewer(tap.through(address), protocols=protocols, deflate=deflate) as viewer,
    ):
        opened = await viewer.told("open")
        assert ("" if legacy else "relayd.v1") == opened["open"]
        assert agreed(tap).partition(";")[0] == opened["extensions"]
        await viewer.hears("connection_established")
        yield viewer, tap


def far(number: int) -> list[str]:
    """Return texts that travel in one envelope when they are published as one body."""
    return [f"{number}.{part} {half}" for part, half in enumerate(HALVES)]


async def hear(relay: InsideRelay | PrivateRelay, viewer: NodeViewer, project_id: str, texts: list[str]) -> None:
    """Publish lines of log as one body and let the viewer hear them."""
    events = [log(project_id, text) for text in texts]
    await (relay.publish(events) if isinstance(relay, PrivateRelay) else relay.publish(*events))
    assert texts == await viewer.lines(len(texts))


def agreed(tap: Tap) -> str:
    """Return the extension that the relay answered with."""
    name = "sec-websocket-extensions: "
    return next((line[len(name) :] for line in tap.head.split("\r\n") if line.lower().startswith(name)), "")


def misframed(viewer: NodeViewer, tap: Tap, *, deflated: bool) -> list[str]:
    """Return messages that travelled otherwise than they should: over 512 bytes compressed, and smaller for it."""
    frames = [frame for frame in tap.down if frame.text]
    assert len(viewer.texts) == len(frames)
    return [
        f"{frame}: {text[:100]}"
        for text, frame in zip(viewer.texts, frames, strict=True)
        if frame.compressed != (deflated and len(text.encode()) > DEFLATE_ABOVE)
        or (frame.size < len(text.encode())) != frame.compressed
    ]


async def converse(relay: InsideRelay | PrivateRelay, viewer: NodeViewer, project_id: str) -> None:
    """Let long and short messages, control frames and what the viewer sends take turns; all arrive, in order."""
    for number in range(3):
        await hear(relay, viewer, project_id, far(number))
        await hear(relay, viewer, project_id, [f"{number} short"])
        viewer.does(ping=f"beside {number}", send="ping")
        assert f"beside {number}" == (await viewer.told("pong"))["pong"]
        assert "pong" == await viewer.text()
        viewer.does(send=json.dumps({"type": "ping", "why": "the same words again and again, " * 40}))
        assert "pong" == json.loads(await viewer.text())["type"]
    await hear(relay, viewer, project_id, [f"{number} {HALVES[0][: number * 37 % 1_000]}" for number in range(200)])
    viewer.does(close=1000)
    assert 1000 == (await viewer.told("close"))["close"]


@pytest.mark.parametrize(("options", "answer"), AGREED, ids=[json.dumps(options) for options, _ in AGREED])
async def test_node_reads_what_it_negotiated(relay: InsideRelay, options: Options, answer: str) -> None:
    """Whatever `ws` asks for, it is told what it gets, gets that, and both sides read every frame of the other."""
    async with watching(relay, "p", deflate=options) as (viewer, tap):
        await converse(relay, viewer, "p")
    deflated = answer != PLAIN
    assert answer == agreed(tap)
    assert [] == misframed(viewer, tap, deflated=deflated)
    assert deflated == any(frame.compressed for frame in tap.down)
    assert {deflated} == {frame.compressed for frame in tap.up if frame.text}
    assert not any(frame.compressed for frame in [*tap.up, *tap.down] if not frame.text)


async def test_node_reads_a_frame_for_each_message(relay: InsideRelay) -> None:
    """A legacy viewer gets many frames in one write, some compressed and some not."""
    async with watching(relay, "p", legacy=True) as (viewer, tap):
        await converse(relay, viewer, "p")
    assert [] == misframed(viewer, tap, deflated=True)


async def test_viewers_of_different_windows_read_the_same(relay: InsideRelay) -> None:
    """Each gets bytes for its own window, at the same time and of the same events."""
    windows: list[Options] = [{"serverMaxWindowBits": 9}, False, {"serverMaxWindowBits": 15}]
    async with AsyncExitStack() as stack:
        both = [await stack.enter_async_context(watching(relay, "p", deflate=options)) for options in windows]
        await relay.publish(*[log("p", text) for text in far(0)])
        assert [far(0)] * 3 == [await viewer.lines(4) for viewer, _ in both]
        sizes = [sum(frame.size for frame in tap.down if frame.text) for _, tap in both]
    # Half of the text comes twice, and hexadecimal digits shrink by half besides.
    assert sizes[1] > sizes[0] > 1.5 * sizes[2]


async def test_the_wheel_pings_between_compressed_frames(tmp_path: Path) -> None:
    """The relay's own signs of life disturb nobody's compression, and node answers them."""
    async with (
        inside(tmp_path, {"server": {"heartbeat_seconds": 1}}) as relay,
        watching(relay, "p") as (viewer, tap),
    ):
        for number in range(2):
            await hear(relay, viewer, "p", far(number))
            await viewer.told("ping")
        await relay.until(lambda: sum(frame.opcode == PONG for frame in tap.up) == viewer.pings)
        assert [True, True] == [frame.compressed for frame in tap.down if frame.size > DEFLATE_ABOVE][-2:]
        assert {PING} == {frame.opcode for frame in tap.down if not frame.text}


async def test_node_reads_a_real_relay(daemon: PrivateRelay) -> None:
    """The daemon's own event loop hands the bytes on as they are."""
    async with watching(daemon, "deflate-in-node") as (viewer, tap):
        await converse(daemon, viewer, "deflate-in-node")
    assert [] == misframed(viewer, tap, deflated=True)
