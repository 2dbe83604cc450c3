from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from relayd.doctor.visit import Visit, trusting
from relayd.doctor.walls import echo_of, head_of, inner_of, origin_of, stranger_of
from tests.doctor.patient import amiss, found
from tests.harness.process import free_port


@asynccontextmanager
async def before(answer: Any) -> AsyncIterator[Visit]:  # noqa: ANN401
    """Give a visit to something that answers everything in one way."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        yield visit(server.port)


def visit(port: int | None) -> Visit:
    """Return a visit without a token."""
    return Visit(base=f"http://127.0.0.1:{port}", project="p", token=None, trusted=trusting(None), nonce="n")


async def open_to_all(request: web.Request) -> web.StreamResponse:
    """Let everybody in, repeat what was said, and be an hour late."""
    if request.headers.get("Upgrade"):
        socket = web.WebSocketResponse(protocols=("relayd.v1",))
        await socket.prepare(request)
        await socket.close()
        return socket
    headers = {"Server": "front/1.2", "Date": "Sun, 06 Nov 1994 08:49:37 GMT"}
    return web.json_response({"alive": True, "ready": True, "asked": str(request.url)}, headers=headers)


async def closed(_: web.Request) -> web.Response:
    """Let nobody in."""
    return web.json_response({}, status=401, headers={"Server": "front"})


async def test_open_walls_are_named() -> None:
    """What answers is judged by what it says: a product may have a /metrics of its own."""
    async with before(open_to_all) as open_:
        inner = list(await inner_of(open_))
        assert ["/livez is open to all", "/readyz is open to all"] == [one.found for one in inner]
        assert {"strangers": "bad"} == amiss(await stranger_of(open_))
        assert {"foreign pages": "bad"} == amiss(await origin_of(open_))
        assert {"token's echo": "bad"} == amiss(await echo_of(open_))
        assert {"Server": "warn", "clock": "warn"} == amiss(await head_of(open_))


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ("# HELP x\nrelayd_connections 1\n", "/metrics"),
        ('{"alive":false}', "/livez"),
        ('{"ready":false}', "/readyz"),
        ('{"rejected":[]}', "/rejected"),
    ],
)
async def test_each_inner_path_is_known_by_what_it_says(body: str, path: str) -> None:
    """Also where a relay is unwell; what merely speaks of relayd is none."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=body if request.path == path else "see relayd_connections", status=503)

    async with before(answer) as visit:
        findings = list(await inner_of(visit))
    assert [("bad", f"{path} is open to all")] == [(one.mark.value, one.found) for one in findings]


async def test_closed_walls_are_well() -> None:
    """What refuses all shows nothing; whether it would let a foreign page in can't be told."""
    async with before(closed) as shut:
        for look in (inner_of, stranger_of, echo_of, head_of):
            assert {} == amiss(await look(shut))
        assert "skip" == found(list(await origin_of(shut)), "foreign pages").mark


@pytest.mark.parametrize("look", [inner_of, stranger_of, echo_of, head_of, origin_of])
async def test_nobody_there_is_told_by_each(look: Any) -> None:  # noqa: ANN401
    """And ends none of them."""
    (finding,) = await look(visit(free_port()))
    assert "bad" == finding.mark
    assert "connection refused" in finding.found
