"""The relay itself is stopped for a while, as by a machine that swaps or is moved: nobody is punished for it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import aiohttp

from tests.harness.daemon import PrivateRelay
from tests.harness.follower import until
from tests.harness.manager import Manager
from tests.harness.viewer import Viewer, log, watch

HEARTBEAT = 1
STUCK = 2
PAUSE = 3.0
"""Longer than two heartbeats, and than what a stuck viewer is given."""

LARGE = "x" * 16_000
BODIES, EVENTS = 20, 10


def state(pid: int) -> str:
    """Return what proc(5) calls the state of a process."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]


@asynccontextmanager
async def streaming(relay: PrivateRelay, project_id: str) -> AsyncGenerator[aiohttp.StreamReader]:
    """Give a stream, read up to its first message."""
    address = relay.project(project_id, "/stream", token=relay.token("stream"))
    async with aiohttp.ClientSession() as http, http.get(address) as answer:
        await answer.content.readuntil(b"connection_established")
        await answer.content.readuntil(b"\n\n")
        yield answer.content


async def stop(relay: PrivateRelay, manager: Manager) -> None:
    """Let the relay stand still for longer than it would bear of others; it says nothing meanwhile."""
    relay.process.send(SIGSTOP)
    await until(lambda: state(relay.process.pid) == "T")
    manager.heard()
    # What is tested is a time that passes.
    await asyncio.sleep(PAUSE)
    assert [] == manager.heard()
    relay.process.send(SIGCONT)


async def test_nobody_is_ended_for_a_pause_of_the_relay_s(tmp_path: Path) -> None:
    """Neither for silence, as nobody was asked, nor as stuck, as nothing was sent; and the manager hears no life."""
    server = {"heartbeat_seconds": HEARTBEAT, "stuck_seconds": STUCK}
    with Manager(tmp_path) as manager:
        async with PrivateRelay({"server": server}, env=manager.env) as relay, AsyncExitStack() as stack:
            viewers = [
                await stack.enter_async_context(
                    watch(relay, "p", token=relay.token(f"viewer-{number}"), legacy=number == 0)
                )
                for number in range(4)
            ]
            for viewer in viewers:
                await viewer.frame()
            stream = await stack.enter_async_context(streaming(relay, "quiet"))
            slow = await stack.enter_async_context(watch(relay, "loud", token=relay.token("slow"), narrow=True))
            await slow.frame()
            for body in range(BODIES):
                await relay.publish([log("loud", f"{body * EVENTS + part} {LARGE}") for part in range(EVENTS)])
            reading = asyncio.create_task(read(slow))
            manager.until("WATCHDOG=1")
            stopping = asyncio.create_task(stop(relay, manager))
            await until(lambda: state(relay.process.pid) == "T")
            publishing = asyncio.create_task(relay.publish(log("p", "published meanwhile")))
            await stopping
            await publishing
            for viewer in viewers:
                assert ["published meanwhile"] == await viewer.lines(1)
            await asyncio.to_thread(manager.until, "WATCHDOG=1")
            assert list(range(BODIES * EVENTS)) == await reading
            for _ in range(3):
                # Each with a heartbeat between, in which everybody had their turn.
                await stream.readuntil(b"\n\n")
            await relay.publish(log("p", "still here"))
            for viewer in viewers:
                assert ["still here"] == await viewer.lines(1)
            assert [] == [line for line in relay.lines if line["event"] == "connection_ended"]


async def read(viewer: Viewer) -> list[int]:
    """Return the numbers of all events, in the order in which they came."""
    return [int(text.split()[0]) for text in await viewer.lines(BODIES * EVENTS)]
