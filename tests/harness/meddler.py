"""A proxy that is no good: it passes everything on to a relay, but for what a test has it spoil."""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Self

from aiohttp import ClientSession, ClientTimeout, ClientWebSocketResponse, WSMsgType, WSServerHandshakeError, web
from aiohttp.test_utils import TestServer
from multidict import CIMultiDict

__all__ = ["Meddler", "Spoilt"]

HOP = {"connection", "upgrade", "host", "content-length", "transfer-encoding", "keep-alive", "date", "server"}
PROTOCOL = "sec-websocket-protocol"
SMALL = 64 * 1024


class Spoilt:
    """What is done to that which passes; each does nothing unless it is replaced."""

    def down(self, frame: str) -> Iterable[str]:
        """Change what the relay says on a socket."""
        return (frame,)

    def up(self, frame: str | bytes) -> Iterable[str | bytes]:
        """Change what the viewer says on a socket."""
        return (frame,)

    def close(self, code: int, reason: str) -> tuple[int, str]:
        """Change how the relay ends a socket."""
        return code, reason

    def asked(self, path: str, query: dict[str, str], headers: CIMultiDict[str]) -> None:
        """Change what is asked."""

    def answered(self, status: int, headers: CIMultiDict[str], body: bytes) -> tuple[int, bytes]:
        """Change an answer; the body of a stream is empty here."""
        return status, body

    def flows(self, part: bytes) -> bytes:
        """Change a part of a stream."""
        return part


class Meddler:
    """A server on the loopback before another; `base` is where it is."""

    def __init__(self, target: str, spoilt: Spoilt) -> None:
        self._target = target
        self._spoilt = spoilt
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._server = TestServer(app)

    async def __aenter__(self) -> Self:
        self._http = ClientSession(timeout=ClientTimeout(total=None), auto_decompress=False)
        await self._server.start_server()
        self.base = f"http://127.0.0.1:{self._server.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()
        await self._server.close()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        query = dict(request.query)
        headers = CIMultiDict((name, value) for name, value in request.headers.items() if name.lower() not in HOP)
        self._spoilt.asked(request.path, query, headers)
        if request.headers.get("Upgrade", "").lower() == "websocket":
            with suppress(WSServerHandshakeError):
                return await self._tunnel(request, query, headers)
            headers["Connection"], headers["Upgrade"] = "Upgrade", "websocket"
        return await self._pass(request, query, headers)

    async def _pass(
        self, request: web.Request, query: Mapping[str, str], headers: CIMultiDict[str]
    ) -> web.StreamResponse:
        url, body = self._target + request.path, await request.read()
        async with self._http.request(
            request.method, url, params=query, headers=headers, data=body, allow_redirects=False
        ) as answer:
            named = CIMultiDict((name, value) for name, value in answer.headers.items() if name.lower() not in HOP)
            if answer.content_type != "text/event-stream":
                status, body = self._spoilt.answered(answer.status, named, await answer.read())
                return web.Response(status=status, headers=named, body=body)
            self._spoilt.answered(answer.status, named, b"")
            response = web.StreamResponse(status=answer.status, headers=named)
            await response.prepare(request)
            async for part in answer.content.iter_any():
                if kept := self._spoilt.flows(part):
                    await response.write(kept)
            return response

    async def _tunnel(
        self, request: web.Request, query: Mapping[str, str], headers: CIMultiDict[str]
    ) -> web.StreamResponse:
        offered = [name.strip() for name in headers.pop(PROTOCOL, "").split(",") if name.strip()]
        own = {name: value for name, value in headers.items() if not name.lower().startswith("sec-websocket")}
        async with self._http.ws_connect(
            self._target + request.path, params=query, headers=own, protocols=offered, max_msg_size=0, autoping=False
        ) as relay:
            named = CIMultiDict[str]()
            self._spoilt.answered(101, named, b"")
            viewer = web.WebSocketResponse(
                protocols=[relay.protocol] if relay.protocol else (), max_msg_size=0, autoping=False
            )
            viewer.headers.update(named)
            await viewer.prepare(request)
            await asyncio.wait(
                {asyncio.create_task(self._down(relay, viewer)), asyncio.create_task(self._up(viewer, relay))},
                return_when=asyncio.FIRST_COMPLETED,
            )
            return viewer

    async def _down(self, relay: ClientWebSocketResponse, viewer: web.WebSocketResponse) -> None:
        while True:
            message = await relay.receive()
            if message.type is WSMsgType.TEXT:
                for frame in self._spoilt.down(message.data):
                    await viewer.send_str(frame)
            elif message.type is WSMsgType.CLOSE:
                code, reason = self._spoilt.close(message.data, message.extra or "")
                await viewer.close(code=code, message=reason.encode())
                return
            elif message.type in {WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR}:
                return

    async def _up(self, viewer: web.WebSocketResponse, relay: ClientWebSocketResponse) -> None:
        async for message in viewer:
            for frame in self._spoilt.up(message.data):
                await (relay.send_str(frame) if isinstance(frame, str) else relay.send_bytes(frame))
        # It is gone; or the relay ends it, and says how.
        if viewer.close_code not in {None, 1006}:
            await relay.close()
