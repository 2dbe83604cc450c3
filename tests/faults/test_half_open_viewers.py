"""Viewers that are frozen, killed, or gone without a word: they are ended, and nobody else notices."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.harness.daemon import PrivateRelay
from tests.harness.outsider import Outsider, deafen, get, upgrade
from tests.harness.viewer import Viewer, log, watch

LARGE = "x" * 16_000
SECONDS = 30


@pytest.fixture(scope="module")
def relay() -> Iterator[PrivateRelay]:
    """Give a relay with a quick heartbeat and little patience."""
    with PrivateRelay({"server": {"heartbeat_seconds": 1, "stuck_seconds": 1}}) as running:
        yield running


@asynccontextmanager
async def beside(relay: PrivateRelay, project_id: str) -> AsyncGenerator[Viewer]:
    """Give a healthy viewer of the same project; behind the block it is still there and misses nothing."""
    async with watch(relay, project_id, token=relay.token("neighbour")) as viewer:
        await viewer.frame()
        yield viewer
        await relay.publish(log(project_id, "still here"))
        assert ["still here"] == await viewer.lines(1)


def asking(relay: PrivateRelay, transport: str, project_id: str, user: str) -> str:
    """Return what a viewer sends."""
    token = relay.token(user)
    if transport == "sse":
        return get(relay.project(project_id, "/stream", token=token))
    return upgrade(relay.socket(project_id, token=token))


async def present(relay: PrivateRelay, user: str, *, places: int) -> None:
    """Return when a user holds so many places, as it is told."""
    headers = {"Authorization": f"Bearer {relay.token(user)}"}
    async with asyncio.timeout(SECONDS), aiohttp.ClientSession(headers=headers) as http:
        while True:
            async with http.get(relay.api("/connections")) as answer:
                if places == len((await answer.json())["connections"]):
                    return
            await asyncio.sleep(0.02)


async def ending(relay: PrivateRelay, user: str) -> str:
    """Return how a user's connection has ended, once it has and its place is free."""
    async with asyncio.timeout(SECONDS):
        while not (told := [line["ending"] for line in ended(relay) if line["user"] == user]):  # noqa: ASYNC110  # the log tells nobody
            await asyncio.sleep(0.05)
    await present(relay, user, places=0)
    (how,) = told
    return str(how)


def ended(relay: PrivateRelay) -> list[dict[str, object]]:
    """Return the lines about connections that have ended."""
    return [line for line in relay.lines if line["event"] == "connection_ended"]


async def files(relay: PrivateRelay, count: float | None = None) -> float:
    """Return how many files the relay has open, once nobody opens or closes any, and once it is that number."""
    seen: list[float] = []
    async with asyncio.timeout(SECONDS):
        while len(seen) < 5 or len({*seen[-5:]}) != 1 or count not in {None, seen[-1]}:
            seen.append(await asyncio.to_thread(relay.metric, "process_open_fds"))
            await asyncio.sleep(0.05)
    return seen[-1]


# -- frozen ---------------------------------------------------------------------------------------------------------


async def test_a_frozen_socket_is_ended_by_its_silence(relay: PrivateRelay, tmp_path: Path) -> None:
    """Its machine confirms every byte; that nobody answers is seen after two signs of life."""
    async with beside(relay, "quiet"):
        with Outsider(relay, asking(relay, "websocket", "quiet", "frozen"), folder=tmp_path) as frozen:
            await present(relay, "frozen", places=1)
            await asyncio.to_thread(frozen.wait_for_output, "heard")
            frozen.freeze()
            assert "idle_timeout" == await ending(relay, "frozen")


async def test_a_frozen_stream_is_ended_when_its_buffers_are_full(relay: PrivateRelay, tmp_path: Path) -> None:
    """No byte moves any more, with data waiting; no answer is expected from it, so it is known by that alone."""
    async with beside(relay, "busy") as neighbour:
        with Outsider(relay, asking(relay, "sse", "busy", "full"), folder=tmp_path, narrow=True) as frozen:
            await present(relay, "full", places=1)
            await asyncio.to_thread(frozen.wait_for_output, "heard")
            frozen.freeze()
            for number in range(20):
                await relay.publish([log("busy", f"{number} {part} {LARGE}") for part in range(20)])
                heard = [text.split()[:2] for text in await neighbour.lines(20)]
                assert [[str(number), str(part)] for part in range(20)] == heard
            assert "stuck" == await ending(relay, "full")


async def test_a_frozen_poll_holds_its_place_no_longer_than_it_asked_for(relay: PrivateRelay, tmp_path: Path) -> None:
    """The answer frees it, whoever reads that."""
    address = relay.project("polled", "/events", after="0", wait=2, token=relay.token("polled"))
    with Outsider(relay, get(address), folder=tmp_path) as frozen:
        await present(relay, "polled", places=1)
        frozen.freeze()
        await present(relay, "polled", places=0)


async def test_an_answer_that_nobody_reads_is_not_kept_for_ever(relay: PrivateRelay, tmp_path: Path) -> None:
    """Larger than what the kernel takes: the place is free, and the connection is given up like one that is stuck."""
    for number in range(20):
        await relay.publish([log("unread", f"{number} {LARGE}") for _ in range(20)])
    before = await files(relay)
    address = relay.project("unread", "/events", after="0", limit=400, token=relay.token("unread"))
    with Outsider(relay, get(address), folder=tmp_path, narrow=True, frozen=True) as frozen:
        await files(relay, before + 1)
        await present(relay, "unread", places=0)
        await files(relay, before)
        assert frozen.alive


# -- gone -----------------------------------------------------------------------------------------------------------


async def test_a_poll_that_is_killed_frees_its_place_at_once(relay: PrivateRelay, tmp_path: Path) -> None:
    """It would have been held for most of a minute, which is longer than this test waits."""
    address = relay.project("killed", "/events", after="0", wait=55, token=relay.token("killed"))
    with Outsider(relay, get(address), folder=tmp_path) as killed:
        await present(relay, "killed", places=1)
        killed.kill()
        await present(relay, "killed", places=0)


@pytest.mark.parametrize("transport", ["sse", "websocket"])
async def test_a_viewer_whose_cable_was_pulled_is_ended(relay: PrivateRelay, transport: str) -> None:
    """Nothing it is sent is confirmed any more: on a quiet project it would hold its place for a quarter of an hour."""
    user, where = f"pulled-{transport}", urlsplit(relay.url)
    async with beside(relay, "quiet"):
        with socket.create_connection((where.hostname, where.port)) as pulled:
            pulled.sendall(asking(relay, transport, "quiet", user).encode())
            await present(relay, user, places=1)
            deafen(pulled)
            assert "idle_timeout" == await ending(relay, user)
