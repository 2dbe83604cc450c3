"""The shipped nginx configuration in a real nginx, in front of a small upstream that tells who was asked for what."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession, TCPConnector, WSServerHandshakeError, web
from aiohttp.test_utils import TestServer
from yarl import URL

from tests.harness.nginx import PrivateNginx

CANARY = "canary-eyJhbGciOiJIUzI1NiJ9-0123456789"
PUBLIC = "/v1/public/agent-swarms"


class Upstream:
    """Plays relayd or the product, and remembers what reached it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.requests: list[web.Request] = []
        self.asked = asyncio.Event()
        self.go_on = asyncio.Event()
        self.full = False
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self.server = TestServer(app)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        self.asked.set()
        if self.full:
            return web.json_response({"who": self.name, "code": "FULL"}, status=503, headers={"Retry-After": "7"})
        if request.path.startswith("/ws/"):
            return await self._echo(request)
        if request.path.endswith("/stream"):
            return await self._stream(request)
        if request.path.endswith("/events"):
            await self.go_on.wait()
        return web.json_response({"who": self.name, "path": request.path, "method": request.method})

    async def _echo(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=("relayd.v1",))
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(f"{self.name}:{message.data}")
        return socket

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        # Without X-Accel-Buffering: the configuration alone must see to it.
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"id: 1\ndata: first\n\n")
        await self.go_on.wait()
        await response.write(b"id: 2\ndata: second\n\n")
        return response


@pytest.fixture
async def relayd() -> AsyncIterator[Upstream]:
    """What stands where relayd stands."""
    upstream = Upstream("relayd")
    async with upstream.server:
        yield upstream


@pytest.fixture
async def product() -> AsyncIterator[Upstream]:
    """What answers the rest of the prefix."""
    upstream = Upstream("product")
    async with upstream.server:
        yield upstream


@pytest.fixture
async def nginx(tmp_path: Path, relayd: Upstream, product: Upstream) -> AsyncIterator[PrivateNginx]:
    """Nginx in front of both."""
    with PrivateNginx(
        tmp_path / "nginx",
        relayd=f"127.0.0.1:{relayd.server.port}",
        product=f"127.0.0.1:{product.server.port}",
        origins=("https://app.example",),
    ) as private:
        yield private


@pytest.fixture
async def viewer(nginx: PrivateNginx) -> AsyncIterator[ClientSession]:
    """A client that trusts the private certificate."""
    async with ClientSession(nginx.https, connector=TCPConnector(ssl=nginx.tls)) as session:
        yield session


@pytest.mark.parametrize("path", ["/ws/admin/agent-swarm/p-1", "/ws/admin/agent-swarm"])
async def test_a_websocket_goes_through(viewer: ClientSession, path: str) -> None:
    """Upgrade, sub-protocol and frames pass in both directions."""
    async with viewer.ws_connect(path, protocols=("relayd.v1",)) as socket:
        await socket.send_str("ping")
        assert await socket.receive_str() == "relayd:ping"
        assert socket.protocol == "relayd.v1"


async def test_the_address_of_a_viewer_can_not_be_forged(viewer: ClientSession, relayd: Upstream) -> None:
    """What a stranger writes into X-Forwarded-For and Forwarded is replaced, on upgrades, too."""
    forged = {"X-Forwarded-For": "6.6.6.6", "Forwarded": "for=6.6.6.6"}
    async with viewer.ws_connect("/ws/admin/agent-swarm/p-1", headers=forged):
        headers = relayd.requests[0].headers
    assert headers["X-Forwarded-For"] == "127.0.0.1"
    assert headers["X-Forwarded-Proto"] == "https"
    assert "Forwarded" not in headers
    assert len(headers["X-Request-ID"]) == 32


@pytest.mark.parametrize("origin", ["https://evil.example", "http://app.example", "https://app.example.evil", "null"])
async def test_a_strange_page_opens_no_socket(viewer: ClientSession, relayd: Upstream, origin: str) -> None:
    """Cross-site WebSocket hijacking ends at the proxy; the list is compared exactly."""
    with pytest.raises(WSServerHandshakeError) as refused:
        await viewer.ws_connect("/ws/admin/agent-swarm/p-1", headers={"Origin": origin})
    assert refused.value.status == 403
    assert not relayd.requests


async def test_pages_of_this_host_and_listed_ones_open_sockets(viewer: ClientSession, nginx: PrivateNginx) -> None:
    """The same host needs no list, other origins do."""
    for origin in (nginx.https, "https://app.example"):
        async with viewer.ws_connect("/ws/admin/agent-swarm/p-1", headers={"Origin": origin}) as socket:
            await socket.send_str("hi")
            assert await socket.receive_str() == "relayd:hi"


async def test_the_first_byte_of_a_stream_comes_at_once(viewer: ClientSession, relayd: Upstream) -> None:
    """The upstream waits for the viewer to have read the first event before it writes the second: no buffering."""
    async with viewer.get(f"{PUBLIC}/projects/p-1/stream") as response:
        assert response.headers["Content-Type"] == "text/event-stream"
        assert await asyncio.wait_for(response.content.readuntil(b"\n\n"), 10) == b"id: 1\ndata: first\n\n"
        relayd.go_on.set()
        assert await asyncio.wait_for(response.content.readuntil(b"\n\n"), 10) == b"id: 2\ndata: second\n\n"


async def test_a_long_poll_is_held(viewer: ClientSession, relayd: Upstream) -> None:
    """The answer comes when relayd gives it."""
    poll = asyncio.create_task(_get(viewer, f"{PUBLIC}/projects/p-1/events?wait=25"))
    await asyncio.wait_for(relayd.asked.wait(), 10)
    assert not poll.done()
    relayd.go_on.set()
    assert (await poll)["who"] == "relayd"


async def test_who_says_later_or_is_away_is_passed_over(tmp_path: Path, relayd: Upstream) -> None:
    """Sockets and questions go to the next relay; when that says the same, the viewer reads it."""
    other = Upstream("other")
    async with other.server:
        upstreams = [f"127.0.0.1:{one.server.port}" for one in (relayd, other)]
        with PrivateNginx(tmp_path / "nginx", relayd=[*upstreams, "127.0.0.1:1"]) as nginx:
            async with ClientSession(nginx.https, connector=TCPConnector(ssl=nginx.tls)) as viewer:
                assert {"relayd", "other"} == {(await _get(viewer, f"{PUBLIC}/projects"))["who"] for _ in range(6)}
        with PrivateNginx(tmp_path / "nginx", relayd=upstreams) as nginx:
            async with ClientSession(nginx.https, connector=TCPConnector(ssl=nginx.tls)) as viewer:
                relayd.full = True
                assert {"other"} == {(await _get(viewer, f"{PUBLIC}/projects"))["who"] for _ in range(4)}
                for _ in range(2):
                    async with viewer.ws_connect("/ws/admin/agent-swarm/p-1") as socket:
                        await socket.send_str("hi")
                        assert "other:hi" == await socket.receive_str()
                # What was sent may have been done: it is not sent again.
                asked = len(relayd.requests)
                answers = sorted([await _status(viewer, f"{PUBLIC}/tickets") for _ in range(2)])
                assert [(200, "", ""), (503, "FULL", "7")] == answers
                assert asked + 1 == len(relayd.requests)
                other.full = True
                async with viewer.get(f"{PUBLIC}/projects") as response:
                    assert (503, "7") == (response.status, response.headers["Retry-After"])
                    assert "FULL" == (await response.json())["code"]


@pytest.mark.parametrize("prefix", ["/v1", "/api/v1"])
@pytest.mark.parametrize(
    ("method", "path", "who"),
    [
        ("GET", "/projects", "relayd"),
        ("GET", "/projects/p-1", "relayd"),
        ("GET", "/projects/~p.1_x/status", "relayd"),
        ("GET", "/projects/p-1/agents", "relayd"),
        ("GET", "/projects/p-1/logs?format=csv", "relayd"),
        ("GET", "/projects/p-1/viewers", "relayd"),
        ("GET", "/projects/p-1/export?after=0", "relayd"),
        ("GET", "/health", "relayd"),
        ("GET", "/metrics", "relayd"),
        ("GET", "/connections", "relayd"),
        ("DELETE", "/connections/c-1", "relayd"),
        ("POST", "/tickets", "relayd"),
        ("POST", "/orchestrate", "product"),
        ("POST", "/projects/p-1/stop", "product"),
        ("POST", "/projects/p-1/restart", "product"),
        ("GET", "/projects/p-1/github", "product"),
        ("DELETE", "/projects/p-1", "product"),
        ("POST", "/projects", "product"),
    ],
)
async def test_each_path_goes_to_who_answers_it(
    viewer: ClientSession, prefix: str, method: str, path: str, who: str
) -> None:
    """The relay gets exactly what it answers, under both prefixes; the product gets the rest."""
    async with viewer.request(method, f"{prefix}/public/agent-swarms{path}") as response:
        answer = await response.json()
    assert who == answer["who"]
    assert f"{prefix}/public/agent-swarms{path}".partition("?")[0] == answer["path"]


@pytest.mark.parametrize(("wanted", "who"), [("GET", "relayd"), ("DELETE", "product")])
async def test_a_preflight_goes_where_its_request_will_go(viewer: ClientSession, wanted: str, who: str) -> None:
    """Only who answers the request can say whether a page may send it."""
    headers = {"Origin": "https://app.example", "Access-Control-Request-Method": wanted}
    async with viewer.options(f"{PUBLIC}/projects/p-1", headers=headers) as response:
        assert who == (await response.json())["who"]


@pytest.mark.parametrize(
    "path",
    [
        "/metrics",
        "/livez",
        "/readyz",
        "/rejected",
        "/rejected/1/replay",
        "/v1/internal/events",
        "/api/v1/internal/events",
        "/v1/public/agent-swarms/../../internal/events",
        "/v1/public/agent-swarms/..%2f..%2finternal/events",
        "/index.html",
        "/ws",
        "/ws/admin/agent-swarm/.hidden",
    ],
)
async def test_what_is_for_operators_and_workers_is_not_there(
    viewer: ClientSession, nginx: PrivateNginx, relayd: Upstream, product: Upstream, path: str
) -> None:
    """Admin listener and ingest can't be reached from outside, by any spelling."""
    async with viewer.post(URL(nginx.https + path, encoded=True)) as response:
        assert response.status == 404
    assert not relayd.requests
    assert not product.requests


@pytest.mark.parametrize(
    "path",
    [
        "/v1/internal/events/..%2f..%2fpublic/agent-swarms/health",
        "/v1/internal/../public/agent-swarms/health",
        "/v1//public/agent-swarms/health",
        "/v1/public/agent-swarms/projects/p%2d1",
        "/metrics/%2e%2e/ws/admin/agent-swarm/p-1",
    ],
)
async def test_a_path_with_two_readings_is_refused(
    viewer: ClientSession, nginx: PrivateNginx, relayd: Upstream, path: str
) -> None:
    """The proxy decides on the decoded path and passes on the written one; they must be the same."""
    async with viewer.get(URL(nginx.https + path, encoded=True)) as response:
        assert response.status == 400
    assert not relayd.requests


async def test_only_websocket_is_upgraded_to(viewer: ClientSession, relayd: Upstream) -> None:
    """An h2c upgrade would get past the proxy's rules."""
    async with viewer.get(f"{PUBLIC}/health", headers={"Upgrade": "h2c", "Connection": "Upgrade"}):
        pass
    assert "Upgrade" not in relayd.requests[0].headers


async def test_security_headers_stand_once_on_every_answer(viewer: ClientSession) -> None:
    """On relayd's answers and on the proxy's own."""
    for path in (f"{PUBLIC}/health", "/metrics"):
        async with viewer.get(path) as response:
            assert response.headers.getall("Referrer-Policy") == ["no-referrer"]
            assert response.headers.getall("X-Content-Type-Options") == ["nosniff"]
            assert "Strict-Transport-Security" in response.headers


async def test_a_flood_of_handshakes_is_told_to_come_back(viewer: ClientSession, nginx: PrivateNginx) -> None:
    """Beyond the burst: 429 in the protocol's shape, and no log line quotes the token."""
    answers = await asyncio.gather(*(_status(viewer, f"{PUBLIC}/tickets?token={CANARY}") for _ in range(100)))
    refused = [answer for answer in answers if answer[0] == 429]
    assert refused
    assert (429, "RATE_LIMITED", "5") == refused[0]
    _assert_no_canary(nginx)


async def test_no_log_shows_a_token(tmp_path: Path, relayd: Upstream) -> None:
    """Query, header, sub-protocol and Referer: none of them reaches a file, and the path does."""
    relayd.go_on.set()
    headers = {"Authorization": f"Bearer {CANARY}", "Referer": f"https://app.example/?token={CANARY}"}
    with PrivateNginx(tmp_path / "nginx", relayd=f"127.0.0.1:{relayd.server.port}") as nginx:
        async with ClientSession(nginx.https, connector=TCPConnector(ssl=nginx.tls)) as viewer:
            await _get(viewer, f"{PUBLIC}/projects/p-1?token={CANARY}", headers=headers)
            await _get(viewer, f"{PUBLIC}/projects/p-1/events?ticket={CANARY}", headers=headers)
            socket = f"/ws/admin/agent-swarm/p-1?token={CANARY}"
            async with viewer.ws_connect(socket, protocols=("relayd.v1", f"bearer.{CANARY}")):
                pass
            async with viewer.get(f"/metrics?token={CANARY}") as response:
                assert response.status == 404
            async with viewer.get(f"{nginx.http}/x?token={CANARY}", allow_redirects=False) as response:
                assert response.status == 308
    # Stopped, so that every line is written.
    lines = [json.loads(line) for line in nginx.logs()["relayd.access.log"].splitlines()]
    assert len(lines) == 5
    assert f"{PUBLIC}/projects/p-1" in {line["uri"] for line in lines}
    assert CANARY in relayd.requests[0].path_qs
    _assert_no_canary(nginx)


@pytest.mark.parametrize("where", ["tcp", "unix"])
async def test_no_log_shows_a_token_when_relayd_is_down(tmp_path: Path, where: str) -> None:
    """The error log would quote the request line twice; the viewer gets an answer in the protocol's shape."""
    gone = "127.0.0.1:1" if where == "tcp" else f"unix:{tmp_path}/gone.sock"
    with PrivateNginx(tmp_path / "nginx", relayd=gone) as nginx:
        async with ClientSession(nginx.https, connector=TCPConnector(ssl=nginx.tls)) as viewer:
            assert await _status(viewer, f"{PUBLIC}/tickets?token={CANARY}") == (503, "UNAVAILABLE", "5")
            for path in ("/ws/admin/agent-swarm/p-1", f"{PUBLIC}/projects/p-1/stream", f"{PUBLIC}/projects/p-1/stop"):
                async with viewer.get(f"{path}?token={CANARY}") as response:
                    assert response.status == 503
    _assert_no_canary(nginx)


async def _get(viewer: ClientSession, path: str, headers: dict[str, str] | None = None) -> dict[str, str]:
    async with viewer.get(path, headers=headers) as response:
        answer: dict[str, str] = await response.json()
    return answer


async def _status(viewer: ClientSession, path: str) -> tuple[int, str, str]:
    async with viewer.post(path) as response:
        answer = await response.json()
        return response.status, answer.get("code", ""), response.headers.get("Retry-After", "")


def _assert_no_canary(nginx: PrivateNginx) -> None:
    for name, text in nginx.logs().items():
        assert CANARY not in text, name
