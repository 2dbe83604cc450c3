from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from relayd.doctor.visit import Visit, trusting
from relayd.doctor.ways import poll_of, socket_of, stream_of
from tests.doctor.patient import amiss

FIRST = '{"type":"connection_established"}'


@asynccontextmanager
async def before(answer: Any, *, token: str | None = "a.b.c") -> AsyncIterator[Visit]:  # noqa: ANN401
    """Give a visit to something that answers everything in one way."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        base = f"http://127.0.0.1:{server.port}"
        yield Visit(base=base, project="p", token=token, trusted=trusting(None), nonce="n")


def saying(status: int, body: str = "{}", **headers: str) -> Callable[[web.Request], Any]:
    """Return something that says the same to all."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, text=body, headers={n.replace("_", "-"): v for n, v in headers.items()})

    return answer


def upgrading(*words: str, code: int = 1000, protocol: str = "relayd.v1") -> Callable[[web.Request], Any]:
    """Return something that opens sockets, says some words, and answers what it is told."""

    async def answer(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=(protocol,))
        await socket.prepare(request)
        for word in words:
            await socket.send_str(word)
        if code != 1000:
            await socket.close(code=code)
        async for _ in socket:
            await socket.send_str('{"type":"pong"}')
        return socket

    return answer


@pytest.mark.parametrize(
    ("answer", "expected", "words"),
    [
        (upgrading(FIRST), {}, ""),
        (upgrading(FIRST, protocol="other"), {"WebSocket": "bad"}, "sub-protocol lost"),
        (upgrading("hello"), {"WebSocket, first message": "bad"}, "no relay's"),
        (upgrading(code=4401), {"WebSocket, first message": "bad"}, "4401: the token was refused"),
        (upgrading(code=1001), {"WebSocket, first message": "bad"}, "1001: "),
        (saying(400), {"WebSocket": "bad"}, "not upgraded, HTTP 400"),
        (saying(503), {"WebSocket": "bad"}, "refused with HTTP 503"),
        (saying(401), {"WebSocket": "bad"}, "without our sub-protocol"),
    ],
)
async def test_a_socket_is_judged_by_what_becomes_of_it(answer: Any, expected: dict[str, str], words: str) -> None:  # noqa: ANN401
    """An upgrade, our sub-protocol, a first message, an answer."""
    async with before(answer) as visit:
        findings = list(await socket_of(visit, 0.0))
    assert expected == amiss(findings)
    assert words in " ".join(one.found for one in findings if one.mark == "bad")


async def test_an_upgrade_is_seen_without_a_token() -> None:
    """A relay upgrades first, and then says who may not."""
    async with before(upgrading(code=4401), token=None) as visit:
        findings = list(await socket_of(visit, 0.0))
    assert {} == amiss(findings)
    assert ["ok", "skip"] == [one.mark.value for one in findings]


@pytest.mark.parametrize(
    ("body", "headers", "expected", "words"),
    [
        ('{"cursor":"c"}', {"Cache_Control": "no-store"}, "long poll, cache", "answered without a token"),
        ("<html>", {"Cache_Control": "no-store"}, "long poll", "no relay"),
        ("[1]", {"Cache_Control": "no-store"}, "long poll", "no relay"),
    ],
)
async def test_a_poll_is_judged_by_what_answers(body: str, headers: dict[str, str], expected: str, words: str) -> None:
    """Whoever answers everybody alike is a cache, or no relay."""
    async with before(saying(200, body, **headers)) as visit:
        findings = list(await poll_of(visit))
    assert {expected: "bad"} == amiss(findings)
    assert words in " ".join(one.found for one in findings)


@pytest.mark.parametrize(
    ("headers", "words"), [({}, "missing"), ({"Cache_Control": "no-store", "Age": "3"}, "out of a cache")]
)
async def test_a_poll_that_may_be_kept_is_named(headers: dict[str, str], words: str) -> None:
    """By its headers, even if nobody keeps it today."""

    async def answer(request: web.Request) -> web.Response:
        if "Authorization" not in request.headers:
            return web.Response(status=401)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(text='{"cursor":"c"}', headers=named)

    async with before(answer) as visit:
        findings = list(await poll_of(visit))
    assert {"long poll, cache": "bad"} == amiss(findings)
    assert words in " ".join(one.found for one in findings)


@pytest.mark.parametrize(
    ("status", "body", "words"), [(200, "", "ended at once"), (200, "hello\n\n", "ended at once"), (403, "", "403: ")]
)
async def test_a_stream_that_is_none_is_named(status: int, body: str, words: str) -> None:
    """One that ends, and one that is refused."""
    async with before(saying(status, body)) as visit:
        (finding,) = await stream_of(visit)
    assert "bad" == finding.mark
    assert words in finding.found
