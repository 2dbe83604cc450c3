"""
The relay's own negotiation, frames and wire with nothing behind them: whatever is said comes back.

For suites that know nothing of what a relay says (`scripts/autobahn`); no relay serves this.
"""

import asyncio
import sys

import uvloop
from aiohttp import web

from relayd.app.listening import listen
from relayd.protocol.disconnect import Disconnect, close_reason
from relayd.transports.frames import WebSocketEncoding, close_frame, deflated_frame, pong_frame, text_frame
from relayd.transports.reading import BINARY, CLOSE, PING, TEXT, BrokenFrame, Frame, FrameReader
from relayd.transports.upgrade import Deflate, is_upgrade, negotiated, switching
from relayd.transports.wire import SocketWire, TakenOver

__all__ = ["EchoWire", "echo"]

LIMIT = 32 * 1024 * 1024
"""Bytes of a message: what such suites send is larger than what a viewer may."""


class EchoWire(SocketWire):
    """A socket that says what it hears."""

    __slots__ = ("_deflate", "_reader", "_told")

    answers = True

    def __init__(self, deflate: Deflate) -> None:
        """Speak as was agreed on."""
        super().__init__(WebSocketEncoding(legacy=True))
        self._deflate = deflate
        self._reader = FrameReader(limit=LIMIT, deflate=bool(deflate.window))
        self._told = False

    def data_received(self, data: bytes) -> None:
        """Answer what is whole by now."""
        try:
            for frame in self._reader.feed(data):
                if not self._told:
                    self._answer(frame)
        except BrokenFrame as broken:
            self._end(broken.disconnect, broken.sentence)

    def _answer(self, frame: Frame) -> None:
        if frame.opcode in {TEXT, BINARY}:
            window = self._deflate.window
            said = deflated_frame(frame.payload, window) if window else text_frame(frame.payload)
            self.write(said if frame.opcode == TEXT else bytes([said[0] + 1]) + said[1:])
        elif frame.opcode == PING:
            self.write(pong_frame(frame.payload))
        elif frame.opcode == CLOSE:
            self._end(Disconnect.NORMAL, "")

    def _end(self, disconnect: Disconnect, sentence: str) -> None:
        if not self._told:
            self._told = True
            self.begin(self.close(disconnect, sentence, 0))

    def _last_words(self, disconnect: Disconnect, sentence: str, retry_after_ms: int) -> bytes:
        return close_frame(disconnect.code, close_reason(disconnect, sentence, retry_after_ms))


async def serve(request: web.Request) -> web.StreamResponse:
    """Upgrade, and answer from then on."""
    if not is_upgrade(request):
        raise web.HTTPUpgradeRequired
    deflate = negotiated(request)
    wire = EchoWire(deflate)
    if wire.take_over(request):
        wire.push(switching(request, deflate))
    return TakenOver()


async def echo(port: int) -> None:
    """Serve on a port of the loopback until somebody ends it."""
    app = web.Application()
    app.router.add_get("/", serve)
    listener = await listen(app, host="127.0.0.1", port=port, path="")
    print(listener.address, flush=True)  # noqa: T201  # whoever started it waits for that
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(echo(int(sys.argv[1])))
