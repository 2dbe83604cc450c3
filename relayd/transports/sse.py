"""Server-sent events (HTML Living Standard 9.2): one project a stream, `Last-Event-ID` resumes."""

from contextlib import suppress

from aiohttp import web

from relayd.protocol import codec
from relayd.protocol.disconnect import Disconnect
from relayd.protocol.endpoints import PROJECT
from relayd.protocol.messages import Notice
from relayd.relay.admission import Admission
from relayd.relay.lobby import Lobby
from relayd.transports.agui import AgUiEncoding
from relayd.transports.asking import collapses, dialect, handshake, pace_ms, query_flag, refuse
from relayd.transports.frames import LAST_CHUNK, SseEncoding
from relayd.transports.wire import OpenEnded, SocketWire

__all__ = ["SseTransport"]

RETRY_MS = 2_000
"""How long a browser waits before it reconnects, unless the ending says otherwise."""

HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    # Without it nginx gathers events until its buffer is full.
    "X-Accel-Buffering": "no",
}


class SseWire(SocketWire):
    """A response that never ends by itself."""

    __slots__ = ("_last", "_raw")

    def __init__(self, encoding: SseEncoding) -> None:
        """Be for a viewer that reads in this way."""
        super().__init__(encoding)
        self._raw = encoding.raw
        self._last = LAST_CHUNK if encoding.chunked else b""

    def _last_words(self, disconnect: Disconnect, sentence: str, retry_after_ms: int) -> bytes:
        # A notice, with the time after which to come back; a browser knows it by a field of its own.
        retry = self._raw(b"retry: %d\n\n" % retry_after_ms) if retry_after_ms else b""
        data = {"close_code": disconnect.code, "retry_after_ms": retry_after_ms}
        notice = Notice(code=disconnect.name, detail=sentence, data=data)
        return retry + self.encoding.say(codec.encode(notice)) + self._last


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
        await self._admission.open_doors(self.name, counts=self._lobby.counts)
        # A browser reconnects with the address it began with; what it has read since stands in the header.
        last_id = request.headers.get("Last-Event-ID") or request.query.get("after")
        with self._admission.reading(self.name):
            asked = handshake(request, self.name, self._admission.engine.limits, after=last_id)
            chunked = request.version >= (1, 1)
            encoding = encoding_of(request, chunked=chunked)
        grant = await self._admission.admit(asked)
        response = OpenEnded(headers=HEADERS)
        if chunked:
            response.enable_chunked_encoding()
        wire = SseWire(encoding)
        try:
            with suppress(ConnectionError):
                await response.prepare(request)
                # The first byte at once: a proxy that buffers is found out before the first event.
                first = encoding.begin(request.match_info["project_id"], RETRY_MS)
                if wire.take_over(request) and wire.push(first):
                    session = wire.enter(self._admission, self._lobby, grant, many=False)
                    wire.begin(session.begin(self._admission, asked))
        finally:
            # It is gone already, or left meanwhile: then this handler is cancelled.
            if wire.session is None:
                grant.release()
        return response


def encoding_of(request: web.Request, *, chunked: bool) -> SseEncoding:
    """Return how a viewer reads; raises Refused."""
    batch = query_flag(request, "batch")
    pace, newest = pace_ms(request), collapses(request, envelopes=batch)
    if dialect(request) == "ag-ui":
        if batch:
            raise refuse("batch: AG-UI knows no envelopes; leave out either it or dialect=ag-ui")
        return AgUiEncoding(batch=False, chunked=chunked, pace_ms=pace)
    return SseEncoding(batch=batch, chunked=chunked, pace_ms=pace, collapses=newest)
