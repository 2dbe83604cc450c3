"""There are more connections than the process may have files open: it says so, serves who is there, and recovers."""

import asyncio
import resource
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp

from relayd.app.descriptors import connections
from tests.harness.daemon import PrivateRelay
from tests.harness.follower import until
from tests.harness.manager import Manager
from tests.harness.process import find
from tests.harness.raw import RawSocket, raw, upgraded
from tests.harness.viewer import Viewer, log, refused, watch

FEW = 100
"""Files that a relay may have open."""

CROWD = 120
"""Connections that come at once where there is room for a handful."""

SPARE = 4
VIEWERS = 5
MOST_LINES = 20
"""Of the log, for all of a crowd that can't be let in."""


@asynccontextmanager
async def publisher(relay: PrivateRelay) -> AsyncGenerator[aiohttp.ClientSession]:
    """Give a worker whose one connection stays open."""
    headers = {"Authorization": f"Bearer {relay.token('worker', worker=True)}"}
    async with aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=1)) as http:
        await publish(relay, http, "first")
        yield http


async def publish(relay: PrivateRelay, http: aiohttp.ClientSession, text: str) -> None:
    """Publish a line over the open connection."""
    async with http.post(relay.ingest, json=log("p", text)) as answer:
        assert 200 == answer.status


async def answered(socket: RawSocket) -> bool:
    """Ask for the health and return whether there was an answer."""
    try:
        socket.send(b"GET /v1/public/agent-swarms/health HTTP/1.1\r\nHost: relay\r\n\r\n")
        return (await socket.until(b"\r\n\r\n")).startswith("HTTP/1.1 200 ")
    except (OSError, asyncio.IncompleteReadError):
        return False


async def test_a_crowd_that_takes_all_descriptors_harms_nobody_who_is_there(tmp_path: Path) -> None:
    """Events get through, the manager hears signs of life, the log is no flood, and who comes later is let in."""
    with Manager(tmp_path) as manager:
        async with PrivateRelay(env=manager.env) as relay, AsyncExitStack() as stack:
            http = await stack.enter_async_context(publisher(relay))
            viewers = [await stack.enter_async_context(watch(relay, "p", tail=0)) for _ in range(VIEWERS)]
            for viewer in viewers:
                await viewer.frame()
            open_now = int(relay.metric("process_open_fds"))
            limits = resource.prlimit(relay.process.pid, resource.RLIMIT_NOFILE)
            resource.prlimit(relay.process.pid, resource.RLIMIT_NOFILE, (open_now + SPARE, limits[1]))
            known = len(relay.log.splitlines())
            async with AsyncExitStack() as crowd:
                sockets = [await crowd.enter_async_context(raw(relay)) for _ in range(CROWD)]
                served = sum(await asyncio.gather(*map(answered, sockets)))
                # The connection over which the figure was read is gone, too.
                assert 0 < served <= 2 * SPARE
                assert 0 == await asyncio.to_thread(relay.probe, "/livez")
                await hear(relay, http, viewers, "meanwhile")
                manager.heard()
                for _ in range(3):
                    # Before the worker's library closes a connection that it has not used for 15 s.
                    await asyncio.to_thread(manager.until, "WATCHDOG=1", seconds=8)
                await hear(relay, http, viewers, "still")
            await until(lambda: relay.probe("/livez") == 200)
            resource.prlimit(relay.process.pid, resource.RLIMIT_NOFILE, limits)
            assert MOST_LINES > len(relay.log.splitlines()) - known
            async with watch(relay, "p", token=relay.token("later")) as later:
                assert ["first", "meanwhile", "still"] == await later.lines(3)
            assert [] == [line for line in relay.lines if line["level"] in {"error", "critical"}]


async def hear(relay: PrivateRelay, http: aiohttp.ClientSession, viewers: list[Viewer], text: str) -> None:
    """Publish something, and see everybody get it."""
    await publish(relay, http, text)
    for viewer in viewers:
        assert [text] == await viewer.lines(1)


async def test_a_limit_that_is_too_low_is_told_and_kept_clear_of(tmp_path: Path) -> None:
    """The sentence names the setting and the mends; a viewer too many is refused with advice, operators get in."""
    relay = PrivateRelay(folder=tmp_path)
    relay.process.argv = [find("prlimit"), f"--nofile={FEW}:{FEW}", *relay.process.argv]
    async with relay, AsyncExitStack() as stack:
        line = relay.wait_for_line("connections_capped")
        room = connections(10_000, allowed=FEW)
        assert "warning" == line["level"]
        for part in ("server.max_connections is 10000", f"{FEW} files", f"{room} connections", "LimitNOFILE="):
            assert part in line["detail"]
        for number in range(room):
            path = f"/ws/admin/agent-swarm/p?token={relay.token(f'user-{number // 5}')}"
            viewer = await stack.enter_async_context(upgraded(relay, path))
            await viewer.frame()
        for legacy in (True, False):
            status, body, headers = await refused(relay, "p", token=relay.token("late"), legacy=legacy)
            assert (503, "UNAVAILABLE", "5") == (status, body["code"], headers["retry-after"])
        assert room == relay.metric('relayd_connections{transport="websocket"}')
        assert 200 == relay.probe("/readyz")
        assert FEW > relay.metric("process_open_fds")
