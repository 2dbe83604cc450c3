"""Shared compressed frames as a browser reads them, and the compressed ones that it sends itself."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
from aiohttp import web
from playwright.async_api import Page

from relayd.transports.deflate import DEFLATE_ABOVE
from tests.harness.chromium import PrivateChromium
from tests.harness.inside import inside
from tests.harness.tap import PING, Tap
from tests.harness.viewer import log

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGE = """<!doctype html><title>A viewer</title><link rel="icon" href="data:,"><script>
const heard = [];
function join(address, protocols) {
  window.socket = new WebSocket(address, protocols);
  socket.onmessage = ({data}) => heard.push(data);
  return new Promise((done, fail) => {
    socket.onopen = () => done([socket.extensions, socket.protocol]);
    socket.onclose = ({code}) => fail(new Error(`closed with ${code}`));
  });
}
const lines = () => heard.filter((text) => text !== "pong").map(JSON.parse)
  .flatMap((frame) => frame.messages ?? [frame])
  .filter(({type}) => type === "workflow_log").map(({message}) => message);
function leave() {
  return new Promise((done) => { socket.onclose = ({code, wasClean}) => done([code, wasClean]); socket.close(1000); });
}
</script>"""

AGREED = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

FAR = Random(1).randbytes(8_000).hex()
"""What comes twice in one envelope, 16,000 bytes apart."""


@asynccontextmanager
async def elsewhere() -> AsyncGenerator[str]:
    """Serve the page and give its origin, which is not the relay's."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def handshakes(page: Page) -> list[dict[str, Any]]:
    """Return a list that gets the answer to each handshake of a page; Playwright does not tell, the browser does."""
    answers: list[dict[str, Any]] = []

    def heard(answer: dict[str, Any]) -> None:
        answers.append(answer["response"])

    devtools = await page.context.new_cdp_session(page)
    devtools.on("Network.webSocketHandshakeResponseReceived", heard)
    await devtools.send("Network.enable")
    return answers


async def test_a_browser_reads_compressed_and_plain_frames(chromium: PrivateChromium, tmp_path: Path) -> None:
    """A page gets every message in order, signs of life between them, and the long ones really came compressed."""
    async with (
        elsewhere() as origin,
        inside(tmp_path, {"server": {"origins": [origin], "heartbeat_seconds": 1}}) as relay,
        Tap(relay) as tap,
        chromium.page(origin) as page,
    ):
        answers = await handshakes(page)
        address, protocols = tap.through(relay.socket("p")), ["relayd.v1", f"bearer.{relay.token()}"]
        joined = await page.evaluate(f"join({json.dumps(address)}, {json.dumps(protocols)})")
        assert [AGREED, "relayd.v1"] == joined
        texts = []
        for number in range(6):
            body = [f"{number}.0 {FAR}", f"{number}.1 {FAR}"] if number % 2 else [f"{number} short"]
            texts += body
            await relay.publish(*[log("p", text) for text in body])
            await page.wait_for_function(f"lines().length === {len(texts)}")
            await page.evaluate("socket.send('ping')")
            await page.wait_for_function(f"heard.filter((text) => text === 'pong').length === {number + 1}")
        texts += (body := [f"{number} {FAR[: number * 37 % 1_000]}" for number in range(200)])
        await relay.publish(*[log("p", text) for text in body])
        await page.wait_for_function(f"lines().length === {len(texts)}")
        await relay.until(lambda: PING in {frame.opcode for frame in tap.down})
        await page.evaluate("socket.send(JSON.stringify({type: 'ping', why: 'the same words again, '.repeat(100)}))")
        await page.wait_for_function("""heard.at(-1).startsWith('{"type":"pong"')""")
        assert texts == await page.evaluate("lines()")
        heard = await page.evaluate("heard")
        assert [1000, True] == await page.evaluate("leave()")
        assert [] == await page.console_messages()
        (answer,) = answers
    assert AGREED == answer["headers"]["Sec-WebSocket-Extensions"]
    frames = [frame for frame in tap.down if frame.text]
    assert [len(text) > DEFLATE_ABOVE for text in heard] == [frame.compressed for frame in frames]
    assert {True, False} == {frame.compressed for frame in frames}
    # What comes twice travels once, and hexadecimal digits shrink by half besides.
    sizes = [(len(text), frame.size) for text, frame in zip(heard, frames, strict=True) if len(text) > 2 * len(FAR)]
    assert 3 <= len(sizes)
    assert all(size < plain / 3 for plain, size in sizes)
    # A browser compresses whatever it sends.
    assert {True} == {frame.compressed for frame in tap.up if frame.text}


async def test_a_page_from_elsewhere_is_not_let_in(chromium: PrivateChromium, tmp_path: Path) -> None:
    """A browser says where its page is from, and a page whose origin is not allowed hears nothing."""
    async with elsewhere() as origin, inside(tmp_path) as relay, chromium.page(origin) as page:
        joining = f"join({json.dumps(relay.socket('p'))}, ['relayd.v1', 'bearer.{relay.token()}'])"
        assert "closed with 1006" == await page.evaluate(f"{joining}.catch(({{message}}) => message)")
        assert 0 == relay.places()
        assert any("403" in message.text for message in await page.console_messages())
