"""Server-sent events (HTML Living Standard 9.2): one project a stream, `Last-Event-ID` resumes."""

import asyncio

from aiohttp import web

from relayd.ports import Encoding
from relayd.protocol import codec
from relayd.protocol.disconnect import Disconnect
from relayd.protocol.endpoints import PROJECT
from relayd.protocol.messages import Notice
from relayd.relay.admission import Admission
from relayd.relay.lobby import Lobby
from relayd.relay.session import Ending, Session
from relayd.transports.asking import collapses, handshake, pace_ms, query_flag
from relayd.transports.frames import SseEncoding
from relayd.transports.wire import SocketWire

__all__ = ["SseTransport"]

RETRY_MS = 2_000
"""How long a browser waits before it reconnects, unless the ending says otherwise."""

HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    # Without it nginx gathers events until its buffer is full.
    "X-Accel-Buffering": "no",
}


class SseTransport:
    """Serves streams."""

    name = "sse"

    def __init__(self, admission: Admission, lobby: Lobby) -> None:
        """Serve those whom admission lets in."""
        self._admission = admission
        self._lobby = lobby

    def mount(self, router: web.UrlDispatcher, prefix: str) -> None:
        """Add the path below a prefix."""
        router.add_get(prefix + PROJECT + "/stream", self.stream, allow_head=False)

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Serve one project until either side ends it."""
        self._admission.open_doors(self.name, counts=self._lobby.counts())
        # A browser reconnects with the address it began with; what it has read since stands in the header.
        last_id = request.headers.get("Last-Event-ID") or request.query.get("after")
        with self._admission.reading(self.name):
            asked = handshake(request, self.name, self._admission.engine.limits, after=last_id)
            chunked = request.version >= (1, 1)
            batch = query_flag(request, "batch")
            encoding = SseEncoding(
                batch=batch, chunked=chunked, pace_ms=pace_ms(request), collapses=collapses(request, envelopes=batch)
            )
        grant = await self._admission.admit(asked)
        try:
            response, wire = await self._begin(request, encoding)
            session = Session(self._admission.engine, grant, wire, many=False)
            self._lobby.enter(session)
            try:
                with session.net():
                    project = await self._admission.open(str(asked.project_id))
                    session.subscribe(
                        project, asked.selection, after=asked.after, tail=asked.tail, verdict=grant.verdict
                    )
                    # Not the future itself: with this handler it would be cancelled, and the session would never leave.
                    await asyncio.wait({session.ended})
            finally:
                # Also when the viewer went away: aiohttp cancels this handler then.
                session.close(Disconnect.NORMAL, "the viewer left")
            await self._end(response, wire, session.ended.result())
            return response
        finally:
            grant.release()

    async def _begin(self, request: web.Request, encoding: SseEncoding) -> tuple[web.StreamResponse, SocketWire]:
        response = web.StreamResponse(headers=HEADERS)
        if encoding.chunked:
            response.enable_chunked_encoding()
        wire = SocketWire(request, await response.prepare(request), encoding, answers=False)
        # The first byte at once: a proxy that buffers is found out before the first event.
        wire.write(encoding.raw(b"retry: %d\n\n" % RETRY_MS))
        return response, wire

    async def _end(self, response: web.StreamResponse, wire: SocketWire, ending: Ending) -> None:
        if ending.disconnect is Disconnect.STUCK:
            wire.abort()
            return
        wire.write(last_words(wire.encoding, ending))
        await response.write_eof()


def last_words(encoding: Encoding, ending: Ending) -> bytes:
    """Return the notice that ends a stream, with the time after which to come back."""
    notice = Notice(
        code=ending.disconnect.name,
        detail=ending.sentence,
        data={"close_code": ending.disconnect.code, "retry_after_ms": ending.retry_after_ms},
    )
    return encoding.say(codec.encode(notice))
