import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from relayd.client.http import Unreachable
from relayd.client.visitor import Closed, Visitor
from tests.harness.process import free_port


@pytest.fixture
async def visitor() -> AsyncIterator[Visitor]:
    """Somebody who visits a small server, and waits for a third of a second."""

    async def echo(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=("relayd.v1",))
        await socket.prepare(request)
        async for message in socket:
            if message.data == "leave":
                await socket.close(code=4400, message=b"why")
            else:
                await socket.send_str(f"heard {message.data}")
        return socket

    async def whole(request: web.Request) -> web.Response:
        return web.Response(text=request.headers.get("X-Asked", ""), status=418, headers={"X-Said": "b"})

    async def slow(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"begin")
        # It goes on for as long as somebody is there.
        await asyncio.Event().wait()
        return response

    async def away(_: web.Request) -> web.Response:
        raise web.HTTPFound("/whole")

    app = web.Application()
    app.add_routes([web.get("/ws", echo), web.get("/whole", whole), web.get("/slow", slow), web.get("/away", away)])
    async with TestServer(app) as server, Visitor(f"http://127.0.0.1:{server.port}", seconds=0.3) as visitor:
        yield visitor


async def test_an_answer_is_what_came(visitor: Visitor) -> None:
    """Whatever its status; a token could stand in its headers and in its body."""
    answer = await visitor.get("/whole", {"X-Asked": "a"})
    assert (418, "b", b"a") == (answer.status, answer.headers["x-said"], answer.body)
    assert b"x-said: b\n" in answer.said
    assert answer.said.endswith(b"\na")


async def test_redirects_are_answers(visitor: Visitor) -> None:
    """A token is not carried to where somebody else says."""
    assert 302 == (await visitor.get("/away")).status


async def test_an_answer_is_seen_as_it_grows(visitor: Visitor) -> None:
    """Head, beginning, and that nothing more came in time."""
    seen: list[bytes] = []

    async def watching() -> None:
        async with aclosing(visitor.watch("/slow")) as parts:
            async for answer in parts:
                seen.append(answer.body)  # noqa: PERF401 - what was seen counts, though it ends with an error

    with pytest.raises(Unreachable, match="/slow: no answer in time"):
        await watching()
    assert [b"", b"begin"] == seen


async def test_a_socket_speaks_and_ends(visitor: Visitor) -> None:
    """A text, silence, and a close code are three things."""
    async with visitor.shake("/ws", protocols=("relayd.v1", "other")) as shaken:
        assert (101, "relayd.v1") == (shaken.status, shaken.headers["sec-websocket-protocol"])
        await shaken.say("hello")
        assert "heard hello" == await shaken.hear(5)
        assert await shaken.hear(0.05) is None
        await shaken.say("leave")
        assert Closed(4400, "why") == await shaken.hear(5)


async def test_a_socket_that_is_refused_has_a_status(visitor: Visitor) -> None:
    """And no socket."""
    async with visitor.shake("/whole") as shaken:
        assert (418, None) == (shaken.status, shaken.socket)


async def test_nobody_there_is_told() -> None:
    """Without what stood in the query, which may be a token."""
    async with Visitor(f"http://127.0.0.1:{free_port()}", seconds=5) as visitor:
        with pytest.raises(Unreachable, match=r"/x: connection refused$"):
            await visitor.get("/x?token=secret")
        with pytest.raises(Unreachable, match="connection refused"):
            async with visitor.shake("/ws"):
                pass


async def test_another_method_is_asked_with(visitor: Visitor) -> None:
    """What is only there for GET says so."""
    assert 405 == (await visitor.get("/whole", method="DELETE")).status


async def test_a_stream_is_left_at_once(visitor: Visitor) -> None:
    """Whoever has had enough takes no place any more; what is whole is let go of by itself."""
    async with aclosing(visitor.watch("/slow")) as parts:
        async for answer in parts:
            if answer.body:
                break
    assert b"begin" == answer.body


async def test_bytes_are_a_binary_frame(visitor: Visitor) -> None:
    """Which a relay does not speak, and this server echoes."""
    async with visitor.shake("/ws") as shaken:
        await shaken.say(b"raw")
        assert "heard b'raw'" == await shaken.hear(5)
