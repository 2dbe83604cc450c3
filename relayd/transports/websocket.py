"""WebSocket (RFC 6455): one project a socket, or many on one."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from aiohttp import web

from relayd.protocol import codec
from relayd.protocol.disconnect import Disconnect, close_reason
from relayd.protocol.endpoints import WEBSOCKET, WEBSOCKET_MANY
from relayd.protocol.messages import Notice
from relayd.relay.admission import Admission, Grant, Handshake
from relayd.relay.hearing import hear
from relayd.relay.lobby import Lobby
from relayd.relay.refusal import Refused
from relayd.relay.session import Session
from relayd.transports.asking import collapses, handshake, is_modern, pace_ms
from relayd.transports.frames import WebSocketEncoding, close_frame, pong_frame, text_frame
from relayd.transports.reading import BINARY, CLOSE, PING, TEXT, BrokenFrame, Frame, FrameReader
from relayd.transports.refusing import fault
from relayd.transports.settings import WebSocketSettings
from relayd.transports.upgrade import PLAIN, Deflate, is_upgrade, negotiated, switching
from relayd.transports.wire import SocketWire, TakenOver

__all__ = ["WebSocketTransport"]

MAX_FRAME = 64 * 1024
"""Bytes of an inbound message; a larger one closes 1009."""


class WebSocketWire(SocketWire):
    """A socket whose viewer speaks, too, and is told why it ends."""

    __slots__ = ("_admission", "_awaits_goodbye", "_frames", "_reader", "_said_goodbye")

    answers = True

    def __init__(self, admission: Admission, encoding: WebSocketEncoding, deflate: Deflate) -> None:
        """Hear a viewer on behalf of a session that is not there yet."""
        super().__init__(encoding)
        self._admission = admission
        self._reader = FrameReader(limit=MAX_FRAME, deflate=bool(deflate.window))
        self._frames: list[Frame | BrokenFrame] | None = None
        self._said_goodbye = False
        self._awaits_goodbye = False

    def data_received(self, data: bytes) -> None:
        """Hear what is whole by now."""
        try:
            for frame in self._reader.feed(data):
                self._hear(frame)
        except BrokenFrame as broken:
            self._hear(broken)

    def _last_words(self, disconnect: Disconnect, sentence: str, retry_after_ms: int) -> bytes:
        return close_frame(disconnect.code, close_reason(disconnect, sentence, retry_after_ms))

    def _hang_up(self) -> None:
        # Whoever hears the close answers it (5.5.1); until then the connection stays, or the last words may be lost.
        if self._said_goodbye:
            super()._hang_up()
        else:
            self._awaits_goodbye = True

    def _worked(self, work: asyncio.Task[None]) -> None:
        super()._worked(work)
        frames, self._frames = self._frames, None
        if frames is not None and not self._ending:
            self._transport.resume_reading()
            for frame in frames:
                self._hear(frame)

    def _hear(self, frame: Frame | BrokenFrame) -> None:
        if self._work is not None:
            # In order, behind what it waits for; it holds what came in one piece, and the rest stays with the kernel.
            if self._frames is None:
                self._frames = []
                self._transport.pause_reading()
            self._frames.append(frame)
        elif isinstance(frame, Frame) and frame.opcode == CLOSE:
            self._said_goodbye = True
            if self._awaits_goodbye:
                self._hang_up()
            elif self.session is not None:
                # Whatever ended it before this frame came is still to be told, in the close that answers.
                self.session.close(Disconnect.NORMAL, "the viewer left")
        elif self.session is not None and not self.session.ended.done():
            with self.session.net():
                self._heed(self.session, frame)

    def _heed(self, session: Session, frame: Frame | BrokenFrame) -> None:
        if isinstance(frame, BrokenFrame):
            session.close(frame.disconnect, frame.sentence)
        elif not session.count_frame():
            return
        elif frame.opcode == TEXT:
            work = hear(session, self._admission, frame.text)
            if work is not None:
                self.begin(within(session, work))
        elif frame.opcode == PING:
            self.push(pong_frame(frame.payload))
        elif frame.opcode == BINARY:
            session.close(Disconnect.BAD_REQUEST, "binary frames are not spoken here; send JSON as text")


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
        if not is_upgrade(request):
            return upgrade_required()
        await self._admission.open_doors(self.name, counts=self._lobby.counts)
        # A browser can't read the status of a refused upgrade: a modern viewer is refused behind it by a close code.
        # A legacy one shows "connected" on open and comes back for ever, so it is refused before.
        with self._admission.reading(self.name):
            modern = many or is_modern(request)
        deflate = negotiated(request) if self._settings.deflate else PLAIN
        if modern:
            encoding = WebSocketEncoding(legacy=False)
            wire = WebSocketWire(self._admission, encoding, deflate)
            if wire.take_over(request) and wire.push(switching(request, deflate)):
                wire.begin(self._admit_modern(request, wire, deflate, many=many))
            return TakenOver()
        encoding, asked, grant = await self._admit_legacy(request, deflate)
        wire = WebSocketWire(self._admission, encoding, deflate)
        # No await since the place was taken: whoever is cancelled in between would keep it.
        if wire.take_over(request) and wire.push(switching(request, deflate)):
            session = wire.enter(self._admission, self._lobby, grant, many=False)
            wire.begin(session.begin(self._admission, asked))
        else:
            grant.release()
        return TakenOver()

    def _encoding(self, request: web.Request, deflate: Deflate, *, modern: bool) -> WebSocketEncoding:
        return WebSocketEncoding(
            legacy=not modern,
            window=deflate.window,
            pace_ms=pace_ms(request),
            collapses=collapses(request, envelopes=modern),
        )

    async def _admit_legacy(self, request: web.Request, deflate: Deflate) -> tuple[WebSocketEncoding, Handshake, Grant]:
        with self._admission.reading(self.name):
            encoding = self._encoding(request, deflate, modern=False)
            asked = handshake(request, self.name, self._admission.engine.limits)
        return encoding, asked, await self._admission.admit(asked)

    async def _admit_modern(self, request: web.Request, wire: WebSocketWire, deflate: Deflate, *, many: bool) -> None:
        try:
            with self._admission.reading(self.name):
                asked = handshake(request, self.name, self._admission.engine.limits, many=many)
                wire.encoding = self._encoding(request, deflate, modern=True)
            grant = await self._admission.admit(asked)
        except Refused as refused:
            self._lobby.see_off(refuse(wire, refused))
        except Exception as error:  # noqa: BLE001  # the net for one broken request, whose answer is a close code here
            self._lobby.see_off(refuse(wire, fault(self._admission, error)))
        else:
            await wire.enter(self._admission, self._lobby, grant, many=many).begin(self._admission, asked)


async def within(session: Session, work: Coroutine[Any, Any, None]) -> None:
    """Do what a viewer asked for; whatever breaks ends its session."""
    with session.net():
        await work


def upgrade_required() -> web.Response:
    """Return what a plain GET gets (RFC 9110 15.5.22)."""
    detail = "this path is for WebSocket; use /events for long poll or /stream for server-sent events"
    return web.json_response(
        {"detail": detail, "code": "WEBSOCKET_NOT_SUPPORTED"}, status=426, headers={"Upgrade": "websocket"}
    )


async def refuse(wire: WebSocketWire, refused: Refused) -> None:
    """Tell a modern viewer why it is not let in: details in a notice, then the close code."""
    disconnect = refused.disconnect
    if refused.data:
        notice = Notice(code=disconnect.name, detail=refused.sentence, data=refused.data)
        wire.push(text_frame(codec.encode(notice)))
    await wire.close(disconnect, refused.sentence, refused.retry_after_ms)
