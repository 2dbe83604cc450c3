from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from relayd.client.http import Unreachable
from relayd.client.listener import Listener, Said
from tests.harness.process import free_port

LARGE = b"x" * 3_000_000


@pytest.fixture
async def app() -> web.Application:
    """Something that answers."""
    app = web.Application()

    async def unwell(_: web.Request) -> web.Response:
        return web.json_response({"ready": False}, status=503)

    async def large(_: web.Request) -> web.Response:
        return web.Response(body=LARGE)

    async def flood(_: web.Request) -> web.Response:
        return web.Response(body=LARGE * 3)

    app.add_routes([web.get("/readyz", unwell), web.get("/large", large), web.get("/flood", flood)])
    return app


async def test_whatever_it_says_is_an_answer(app: web.Application) -> None:
    """503 is what an unwell relay says, with its reasons; a long answer comes whole."""
    async with TestServer(app) as server, Listener(f"http://127.0.0.1:{server.port}", seconds=10) as listener:
        said = await listener.get("/readyz")
        assert (503, {"ready": False}) == (said.status, said.told())
        assert LARGE == (await listener.get("/large")).body


async def test_a_flood_is_no_answer(app: web.Application) -> None:
    """What answers there may be anything."""
    async with TestServer(app) as server, Listener(f"http://127.0.0.1:{server.port}", seconds=10) as listener:
        with pytest.raises(Unreachable, match="no relay"):
            await listener.get("/flood")


async def test_a_unix_socket_is_an_address(app: web.Application, tmp_path: Path) -> None:
    """As everywhere on the command line."""
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.UnixSite(runner, str(tmp_path / "admin.sock")).start()
        async with Listener(f"unix:{tmp_path}/admin.sock", seconds=10) as listener:
            assert 503 == (await listener.get("/readyz")).status
    finally:
        await runner.cleanup()


async def test_nobody_there_is_told() -> None:
    """With the address."""
    url = f"http://127.0.0.1:{free_port()}"
    async with Listener(url, seconds=10) as listener:
        with pytest.raises(Unreachable, match=f"{url} can't be reached: connection refused"):
            await listener.get("/livez")


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b""])
def test_what_is_no_object_tells_nothing(body: bytes) -> None:
    """Neither does it raise."""
    assert {} == Said(200, body).told()
