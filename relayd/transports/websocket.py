"""WebSocket (RFC 6455): one project a socket, or many on one."""

import asyncio
from contextlib import suppress

from aiohttp import WSMsgType, web

from relayd.protocol import codec
from relayd.protocol.disconnect import Disconnect, close_reason
from relayd.protocol.endpoints import SUBPROTOCOL, WEBSOCKET, WEBSOCKET_MANY
from relayd.protocol.messages import Notice
from relayd.relay.admission import Admission, Grant, Handshake
from relayd.relay.hearing import hear
from relayd.relay.lobby import Lobby
from relayd.relay.refusal import Refused
from relayd.relay.session import Session
from relayd.transports.asking import collapses, handshake, is_modern, pace_ms
from relayd.transports.frames import WebSocketEncoding, pong_frame, text_frame
from relayd.transports.settings import WebSocketSettings
from relayd.transports.wire import SocketWire

__all__ = ["WebSocketTransport"]

MAX_FRAME = 64 * 1024
"""Bytes of an inbound message; a larger one closes 1009."""

CLOSE_SECONDS = 3.0
"""How long a viewer may take to answer a close before the socket is cut."""

GONE = {WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED}


class WebSocketWire(SocketWire):
    """A socket that can say why it ends."""

    socket: web.WebSocketResponse

    async def close(self, disconnect: Disconnect, sentence: str, retry_after_ms: int) -> None:
        """Send a close frame with code and reason and wait a moment for the answer; raises nothing."""
        if disconnect is Disconnect.STUCK or self._transport.is_closing():
            self.abort()
            return
        reason = close_reason(disconnect, sentence, retry_after_ms).encode()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.socket.close(code=disconnect.code, message=reason)
        except (TimeoutError, ConnectionError):
            self.abort()


class WebSocketTransport:
    """Serves both WebSocket paths."""

    Settings = WebSocketSettings
    name = "websocket"

    def __init__(self, settings: WebSocketSettings, admission: Admission, lobby: Lobby) -> None:
        """Serve those whom admission lets in."""
        self._settings = settings
        self._admission = admission
        self._lobby = lobby

    def mount(self, router: web.UrlDispatcher, prefix: str) -> None:
        """Add the paths; they have no alias."""
        if not prefix:
            router.add_get(WEBSOCKET, self.one)
            router.add_get(WEBSOCKET_MANY, self.many)

    async def one(self, request: web.Request) -> web.StreamResponse:
        """Serve one project."""
        return await self._serve(request, many=False)

    async def many(self, request: web.Request) -> web.StreamResponse:
        """Serve many projects."""
        return await self._serve(request, many=True)

    async def _serve(self, request: web.Request, *, many: bool) -> web.StreamResponse:
        response = web.WebSocketResponse(
            protocols=(SUBPROTOCOL,),
            autoping=False,
            # Only negotiated here: the library's compressor, with its context for each connection, is never used.
            compress=self._settings.deflate,
            max_msg_size=MAX_FRAME,
            timeout=CLOSE_SECONDS,
        )
        if not response.can_prepare(request).ok:
            return upgrade_required()
        self._admission.open_doors(self.name, counts=self._lobby.counts())
        # A browser can't read the status of a refused upgrade: a modern viewer is refused behind it by a close code.
        # A legacy one shows "connected" on open and comes back for ever, so it is refused before.
        with self._admission.reading(self.name):
            modern = many or is_modern(request)
        asked, grant = await self._admit_legacy(request) if not modern else (None, None)
        try:
            writer = await response.prepare(request)
            window = int(response.compress)
            encoding = (
                WebSocketEncoding(legacy=False) if modern else self._encoding(request, modern=False, window=window)
            )
            wire = WebSocketWire(request, writer, encoding, answers=True)
            wire.socket = response
            if asked is None or grant is None:
                try:
                    with self._admission.reading(self.name):
                        asked = handshake(request, self.name, self._admission.engine.limits, many=many)
                        wire.encoding = self._encoding(request, modern=True, window=window)
                    grant = await self._admission.admit(asked)
                except Refused as refused:
                    await refuse(wire, refused)
                    return response
            await self._converse(response, wire, asked, grant, many=many)
        finally:
            if grant is not None:
                grant.release()
        return response

    def _encoding(self, request: web.Request, *, modern: bool, window: int) -> WebSocketEncoding:
        return WebSocketEncoding(
            legacy=not modern,
            window=window,
            pace_ms=pace_ms(request),
            collapses=collapses(request, envelopes=modern),
        )

    async def _admit_legacy(self, request: web.Request) -> tuple[Handshake, Grant]:
        with self._admission.reading(self.name):
            self._encoding(request, modern=False, window=0)
            asked = handshake(request, self.name, self._admission.engine.limits)
        return asked, await self._admission.admit(asked)

    async def _converse(
        self, response: web.WebSocketResponse, wire: WebSocketWire, asked: Handshake, grant: Grant, *, many: bool
    ) -> None:
        session = Session(self._admission.engine, grant, wire, many=many)
        self._lobby.enter(session)
        ending: list[asyncio.Task[None]] = []
        session.ended.add_done_callback(lambda _: ending.append(asyncio.ensure_future(end(session, wire))))
        try:
            with session.net():
                if asked.project_id is not None:
                    project = await self._admission.open(asked.project_id)
                    session.subscribe(
                        project, asked.selection, after=asked.after, tail=asked.tail, verdict=grant.verdict
                    )
                await self._listen(response, session, wire)
        finally:
            session.close(Disconnect.NORMAL, "the viewer left")
            # The callback that makes the task of ending runs in the loop's next turn.
            await asyncio.sleep(0)
            await asyncio.gather(*ending)

    async def _listen(self, response: web.WebSocketResponse, session: Session, wire: WebSocketWire) -> None:
        while True:
            message = await response.receive()
            if message.type in GONE:
                return
            if message.type is WSMsgType.ERROR:
                session.close(*broken(response.close_code))
                return
            if not session.count_frame():
                return
            if message.type is WSMsgType.TEXT:
                await hear(session, self._admission, message.data)
            elif message.type is WSMsgType.PING:
                wire.push(pong_frame(message.data))
            elif message.type is WSMsgType.BINARY:
                session.close(Disconnect.BAD_REQUEST, "binary frames are not spoken here; send JSON as text")


def upgrade_required() -> web.Response:
    """Return what a plain GET gets (RFC 9110 15.5.22)."""
    detail = "this path is for WebSocket; use /events for long poll or /stream for server-sent events"
    return web.json_response(
        {"detail": detail, "code": "WEBSOCKET_NOT_SUPPORTED"}, status=426, headers={"Upgrade": "websocket"}
    )


def broken(code: int | None) -> tuple[Disconnect, str]:
    """Return the ending for a frame that the library has refused and answered already."""
    if code == Disconnect.MESSAGE_TOO_BIG.code:
        return Disconnect.MESSAGE_TOO_BIG, f"a message is at most {MAX_FRAME} bytes"
    return Disconnect.BAD_REQUEST, "a frame broke RFC 6455"


async def refuse(wire: WebSocketWire, refused: Refused) -> None:
    """Tell a modern viewer why it is not let in: details in a notice, then the close code."""
    disconnect = refused.disconnect
    if refused.data:
        notice = Notice(code=disconnect.name, detail=refused.sentence, data=refused.data)
        wire.write(text_frame(codec.encode(notice)))
    await wire.close(disconnect, refused.sentence, disconnect.retry_after_ms)


async def end(session: Session, wire: WebSocketWire) -> None:
    """Close the socket of a session that has ended."""
    ending = session.ended.result()
    with suppress(ConnectionError):
        await wire.close(ending.disconnect, ending.sentence, ending.retry_after_ms)
