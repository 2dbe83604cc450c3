import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import uvloop
from aiohttp import web

from relayd.app.listening import MAX_HEADER, Listener, listen, shown
from tests.harness.process import free_port
from tests.harness.viewer import narrow_socket

LARGE = 8_000_000

LOOPS = pytest.mark.parametrize("run", [uvloop.run, asyncio.run], ids=["uvloop", "asyncio"])
"""Both loops in which the daemon may run."""


@asynccontextmanager
async def listening(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    path: str = "",
    patience: float | None = None,
    over: Callable[[], None] = lambda: None,
) -> AsyncGenerator[Listener]:
    """Serve "yes" at `/`, at `/slow` after a minute, at `/large` more than buffers hold, until that is `over`."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text="yes")

    async def slow(_request: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    async def large(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        try:
            await answer.write(bytes(LARGE))
        finally:
            over()
        return answer

    async def broken(_request: web.Request) -> web.Response:
        raise RuntimeError("a fault")

    app = web.Application()
    app.add_routes([web.get("/", answer), web.get("/slow", slow), web.get("/large", large), web.get("/broken", broken)])
    listener = await listen(app, host=host, port=port, path=path, patience=patience)
    try:
        yield listener
    finally:
        await listener.stop()


async def ask(listener: Listener, path: str = "/", **headers: str) -> tuple[int, str]:
    """Return status and text of an answer."""
    async with aiohttp.ClientSession() as http, http.get(f"{listener.address}{path}", headers=headers) as answer:
        return answer.status, await answer.text()


@pytest.mark.parametrize(("choose", "host"), [(lambda: 0, "127.0.0.1"), (free_port, "localhost")], ids=["any", "one"])
async def test_the_address_is_where_it_listens(choose: Callable[[], int], host: str) -> None:
    """Also where the system chose the port."""
    port = choose()
    async with listening(host=host, port=port) as listener:
        assert listener.address.startswith(f"http://{host}:")
        assert port in {0, int(listener.address.rpartition(":")[2])}
        assert (200, "yes") == await ask(listener)


async def test_a_port_in_use_is_an_error_and_leaves_nothing_behind() -> None:
    """The address is in the sentence."""
    async with listening() as listener:
        port = int(listener.address.rpartition(":")[2])
        with pytest.raises(OSError, match=f"'127.0.0.1', {port}"):
            async with listening(port=port):
                pass


async def test_a_unix_socket_is_for_its_folder_s_group(tmp_path: Path) -> None:
    """The proxy has an account of its own; nobody else comes near."""
    path = tmp_path / "relay.sock"
    async with listening(path=str(path)) as listener:
        assert (f"unix:{path}", 0o660) == (listener.address, path.stat().st_mode & 0o777)
        connector = aiohttp.UnixConnector(str(path))
        async with aiohttp.ClientSession(connector=connector) as http, http.get("http://relay/") as answer:
            assert "yes" == await answer.text()


async def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """And no half of a server stays."""
    with pytest.raises(OSError, match=r"relay\.sock|No such file"):
        async with listening(path=str(tmp_path / "no" / "relay.sock")):
            pass


async def test_what_is_no_request_is_told_so_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    """No library, no version, no echo of what was sent; and no line in the log, for anybody could write many."""
    async with listening() as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(listener.address.rpartition(":")[2]))
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nX-Secret\0: y\r\n\r\n")
        async with asyncio.timeout(15):
            answered = (await reader.read()).decode()
        writer.close()
    assert "400" == answered.split()[1]
    assert "Server: relayd\r\n" in answered
    assert '"code": "BAD_REQUEST"' in answered
    assert "aiohttp" not in answered
    assert "Secret" not in answered
    assert [] == caplog.records


async def test_a_fault_beyond_all_nets_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The one who asked learns that it is one, and not by what library; the operator reads which."""
    async with (
        listening() as listener,
        aiohttp.ClientSession() as http,
        http.get(f"{listener.address}/broken") as answer,
    ):
        assert (500, "relayd") == (answer.status, answer.headers["Server"])
        assert "a fault" not in await answer.text()
    assert "a fault" in caplog.text


async def test_closed_doors_keep_who_is_in() -> None:
    """A connection that is open is served; a new one is refused."""
    async with listening() as listener, aiohttp.ClientSession(listener.address) as http:
        async with http.get("/") as answer:
            await answer.read()
        await listener.close_doors()
        async with http.get("/") as answer:
            assert 200 == answer.status
        with pytest.raises(aiohttp.ClientConnectorError):
            await ask(listener)


async def test_a_stop_waits_for_nobody_for_long() -> None:
    """Who is still asking after a second is cut."""
    async with listening() as listener:
        asking = asyncio.create_task(ask(listener, "/slow"))
        await asyncio.sleep(0.05)
    with pytest.raises(aiohttp.ClientError):
        await asking


async def test_headers_have_room_for_a_token_and_no_more() -> None:
    """16 KiB each; a longer one is a 400 before anything reads it."""
    async with listening() as listener:
        assert 200 == (await ask(listener, Authorization="x" * 12_000))[0]
        assert 400 == (await ask(listener, Authorization="x" * (MAX_HEADER + 1_000)))[0]


@LOOPS
def test_an_answer_that_nobody_takes_is_given_up(run: Callable[[Coroutine[None, None, None]], None]) -> None:
    """Whoever asked is frozen, or pretends to be: its connection, its buffers and its task would stay for ever."""

    async def be_cut() -> None:
        cut = asyncio.Event()
        async with listening(patience=0.2, over=cut.set) as listener:
            with narrow_socket() as frozen:
                loop = asyncio.get_running_loop()
                await loop.sock_connect(frozen, ("127.0.0.1", int(listener.address.rpartition(":")[2])))
                await loop.sock_sendall(frozen, b"GET /large HTTP/1.1\r\nHost: relay\r\n\r\n")
                async with asyncio.timeout(30):
                    await cut.wait()

    run(be_cut())


@pytest.mark.parametrize(
    ("host", "wanted"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]"), ("relay.example", "relay.example")]
)
def test_hosts_as_they_stand_in_addresses(host: str, wanted: str) -> None:
    """RFC 3986 3.2.2: an IPv6 address stands in brackets."""
    assert wanted == shown(host)
