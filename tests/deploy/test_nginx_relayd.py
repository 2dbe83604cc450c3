"""The shipped nginx configuration in front of a real relay: what passes, what does not, and what no log holds."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohappyeyeballs import AddrInfoType
from aiohttp import ClientSession, ClientTimeout, TCPConnector, WSMsgType

from relayd.protocol.endpoints import PREFIX
from tests.harness.daemon import PrivateRelay
from tests.harness.follower import until
from tests.harness.nginx import PrivateNginx
from tests.harness.viewer import log, narrow_socket

SECONDS = 15.0
SOCKET = "/ws/admin/agent-swarm"
VIEWER, STRANGER = "127.0.0.2", "127.0.0.3"
"""Addresses of this machine that are not the proxy's."""

FORGED = {"X-Forwarded-For": "6.6.6.6, 127.0.0.1", "Forwarded": "for=6.6.6.6"}


@pytest.fixture(scope="module")
def relay() -> Iterator[PrivateRelay]:
    """A relay with its own log; a test that stops it starts it again."""
    with PrivateRelay() as relay:
        yield relay


@pytest.fixture(scope="module")
def nginx(relay: PrivateRelay, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateNginx]:
    """The proxy before it."""
    with PrivateNginx(tmp_path_factory.mktemp("nginx"), relayd=f"127.0.0.1:{relay.port}") as nginx:
        yield nginx


@pytest.fixture
async def http(nginx: PrivateNginx) -> AsyncIterator[ClientSession]:
    """Somebody who asks from outside."""
    async with client(nginx.https, VIEWER, nginx.tls) as http:
        yield http


@asynccontextmanager
async def client(url: str, address: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[ClientSession]:
    """Give a client that comes from an address, and return when all its sockets are closed: TLS says farewell first."""
    opened: list[socket.socket] = []

    def open_one(about: AddrInfoType) -> socket.socket:
        opened.append(socket.socket(*about[:3]))
        return opened[-1]

    connector = TCPConnector(ssl=tls or True, local_addr=(address, 0), socket_factory=open_one)
    async with ClientSession(url, connector=connector, timeout=ClientTimeout(SECONDS)) as http:
        yield http
    await until(lambda: all(one.fileno() < 0 for one in opened))


def bearer(relay: PrivateRelay, **more: Any) -> dict[str, str]:  # noqa: ANN401  # what `token` takes
    """Return the header that opens."""
    return {"Authorization": f"Bearer {relay.token(**more)}"}


@pytest.mark.parametrize("legacy", [False, True])
async def test_a_socket_hears_what_comes(http: ClientSession, relay: PrivateRelay, legacy: bool) -> None:
    """Modern with its token in a sub-protocol, legacy with it in the address; frames pass both ways."""
    project_id = f"socket-{legacy}"
    query = f"?token={relay.token()}" if legacy else ""
    protocols = () if legacy else ("relayd.v1", f"bearer.{relay.token()}")
    async with http.ws_connect(f"{SOCKET}/{project_id}{query}", protocols=protocols) as socket:
        assert "connection_established" == (await socket.receive_json())["type"]
        await socket.send_str("ping")
        assert "pong" == await socket.receive_str()
        await relay.publish(log(project_id, "live"))
        frame = await socket.receive_json()
        (message,) = frame["messages"] if frame["type"] == "batch" else [frame]
        assert "live" == message["message"]


async def test_a_stream_is_not_held_back(http: ClientSession, relay: PrivateRelay) -> None:
    """Its first byte comes before there is any event, and each event when it happens."""
    async with http.get(f"{PREFIX}/projects/stream/stream", headers=bearer(relay)) as answer:
        assert b"retry: 2000\n\n" == await answer.content.readuntil(b"\n\n")
        assert b'"connection_established"' in await answer.content.readuntil(b"\n\n")
        for text in ("one", "two"):
            await relay.publish(log("stream", text))
            await answer.content.readuntil(f'"message":"{text}"'.encode())


async def test_a_poll_is_held_and_woken(http: ClientSession, relay: PrivateRelay) -> None:
    """The answer comes with the news."""
    first = await get(http, f"{PREFIX}/projects/poll/events?wait=0", relay)
    poll = asyncio.create_task(get(http, f"{PREFIX}/projects/poll/events?wait=55&after={first['cursor']}", relay))
    done, _ = await asyncio.wait({poll}, timeout=0.3)
    assert set() == done
    await relay.publish(log("poll", "news"))
    assert ["news"] == [message["message"] for message in (await poll)["messages"]]


@pytest.mark.parametrize("prefix", [PREFIX, f"/api{PREFIX}"])
async def test_questions_are_answered(http: ClientSession, relay: PrivateRelay, prefix: str) -> None:
    """The list, one of it, its log, and the open health under both prefixes."""
    project_id = f"asked{prefix.count('/')}"
    await relay.publish(log(project_id, "here"))
    assert project_id in {project["id"] for project in (await get(http, f"{prefix}/projects", relay))["projects"]}
    assert project_id == (await get(http, f"{prefix}/projects/{project_id}", relay))["id"]
    logs = (await get(http, f"{prefix}/projects/{project_id}/logs", relay))["logs"]
    assert ["here"] == [line["message"] for line in logs]
    async with http.get(f"{prefix}/health") as answer:
        assert 200 == answer.status


@pytest.mark.parametrize("prefix", [PREFIX, f"/api{PREFIX}"])
async def test_a_ticket_passes_and_no_log_holds_it(
    http: ClientSession, nginx: PrivateNginx, relay: PrivateRelay, prefix: str
) -> None:
    """A page of the same host asks for it, with its origin; its stream comes without; then it is used up."""
    await relay.publish(log("ticket", "here"))
    page = {**bearer(relay), "Origin": nginx.https}
    wish = {"project_id": "ticket"}
    async with http.post(f"{prefix}/tickets", json=wish, headers=page) as answer:
        assert (201, "no-store") == (answer.status, answer.headers["Cache-Control"])
        ticket = (await answer.json())["ticket"]
    async with http.get(f"{prefix}/projects/ticket/stream?ticket={ticket}") as stream:
        assert 200 == stream.status
        await stream.content.readuntil(b'"here"')
        # TLS says farewell first, and nginx answers that with the next heartbeat only.
        assert stream.connection is not None
        assert stream.connection.transport is not None
        stream.connection.transport.abort()
    protocols = ("relayd.v1",)
    async with http.ws_connect(f"{SOCKET}/ticket?ticket={ticket}", protocols=protocols) as again:
        closed = await again.receive()
        assert (WSMsgType.CLOSE, 4401) == (closed.type, closed.data)
    for name, text in {**nginx.logs(), "relayd": relay.log}.items():
        assert ticket[4:20] not in text, name
        assert ticket[-16:] not in text, name


@pytest.mark.parametrize(
    "path", ["/metrics", "/livez", "/readyz", "/rejected", "/v1/internal/events", "/api/v1/internal/events"]
)
async def test_what_is_for_operators_and_workers_is_not_there(
    http: ClientSession, relay: PrivateRelay, path: str
) -> None:
    """Not even for a worker's token: events come in from inside only."""
    for method in ("GET", "POST"):
        async with http.request(method, path, headers=bearer(relay, worker=True), data=b"{}") as answer:
            assert 404 == answer.status


async def test_a_viewer_is_known_by_its_own_address(nginx: PrivateNginx, relay: PrivateRelay) -> None:
    """The relay believes nginx, nginx believes nobody, and nobody else is believed."""
    async with client(nginx.https, VIEWER, nginx.tls) as http:
        assert VIEWER == await remote(relay, http, f"{SOCKET}/seen", FORGED)
    async with client(relay.url, STRANGER) as http:
        assert STRANGER == await remote(relay, http, f"{SOCKET}/seen", FORGED)


async def test_a_unix_socket_before_the_relay_does_the_same(tmp_path: Path) -> None:
    """Whoever may open the socket is the proxy: no address says so."""
    path = tmp_path / "relayd.sock"
    async with PrivateRelay({"server": {"socket": path, "trusted_proxies": []}}) as relay:
        with PrivateNginx(tmp_path / "nginx", relayd=f"unix:{path}") as nginx:
            async with client(nginx.https, VIEWER, nginx.tls) as http:
                assert VIEWER == await remote(relay, http, f"{SOCKET}/seen", FORGED)


async def test_a_restart_is_told_and_no_log_holds_a_token(
    http: ClientSession, nginx: PrivateNginx, relay: PrivateRelay
) -> None:
    """1012 reaches a socket through the proxy, a stream its last words; meanwhile nginx answers."""
    await relay.publish(log("restart", "before"))
    token = relay.token()
    async with (
        http.ws_connect(f"{SOCKET}/restart?batch=1&token={token}") as socket,
        http.get(f"{PREFIX}/projects/restart/stream?token={token}") as stream,
    ):
        assert "connection_established" == (await socket.receive_json())["type"]
        cursor = (await socket.receive_json())["cursor"]
        await stream.content.readuntil(b'"before"')
        assert 0 == await relay.stop_async()
        closed = await socket.receive()
        assert (WSMsgType.CLOSE, 1012) == (closed.type, closed.data)
        assert str(closed.extra).startswith("RESTARTING: ")
        assert b'"code":"RESTARTING"' in await stream.content.read()
    for path in (f"{SOCKET}/restart", f"{PREFIX}/projects/restart/stream", f"{PREFIX}/projects"):
        async with http.get(f"{path}?token={token}") as answer:
            assert (503, "UNAVAILABLE") == (answer.status, (await answer.json())["code"])
            assert "5" == answer.headers["Retry-After"]
    await relay.start_async()
    await relay.publish(log("restart", "after"))
    told = await get(http, f"{PREFIX}/projects/restart/events?after={cursor}", relay)
    assert (True, ["after"]) == (told["recovered"], [message["message"] for message in told["messages"]])
    for name, text in {**nginx.logs(), "relayd": relay.log}.items():
        assert token not in text, name
        assert "eyJ" not in text, name


async def test_who_takes_nothing_is_ended_by_the_relay(tmp_path: Path) -> None:
    """Counted as stuck, behind all that nginx and the kernel hold back; nginx would have told nobody."""
    endings = [f'relayd_disconnects_total{{reason="{reason}"}}' for reason in ("stuck", "normal")]
    async with PrivateRelay({"server": {"heartbeat_seconds": 1, "stuck_seconds": 1}}) as relay:
        with PrivateNginx(tmp_path / "nginx", relayd=f"127.0.0.1:{relay.port}") as nginx:
            reader, writer = await idle(nginx, f"{PREFIX}/projects/still/stream?token={relay.token()}")
            assert b"HTTP/1.1 200 OK\r\n" == await reader.readline()
            async with asyncio.timeout(SECONDS):
                while not any(ended := [relay.metric(name) for name in endings]):
                    await relay.publish([log("still", "x" * 4_000)] * 200)
            assert [1, 0] == ended
            writer.transport.abort()


async def idle(nginx: PrivateNginx, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Ask for something through the proxy with a socket that takes little, and reads no more than it is asked to."""
    dialling = narrow_socket()
    await asyncio.get_running_loop().sock_connect(dialling, ("127.0.0.1", nginx.port))
    reader, writer = await asyncio.open_connection(sock=dialling, ssl=nginx.tls, server_hostname="127.0.0.1", limit=64)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    return reader, writer


async def get(http: ClientSession, path: str, relay: PrivateRelay) -> Any:  # noqa: ANN401  # JSON
    """Return the JSON of an answer that is 200."""
    async with http.get(path, headers=bearer(relay)) as answer:
        assert 200 == answer.status, await answer.text()
        return await answer.json()


async def remote(relay: PrivateRelay, http: ClientSession, path: str, headers: dict[str, str]) -> str:
    """Return the address by which the relay's log knows a viewer who was there."""
    before = len(relay.lines)
    protocols = ("relayd.v1", f"bearer.{relay.token()}")
    async with http.ws_connect(path, headers=headers, protocols=protocols) as socket:
        await socket.receive_json()
    line = await asyncio.to_thread(relay.wait_for_line, "connection_ended", after=before)
    address: str = line["remote"]
    return address
