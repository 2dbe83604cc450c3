"""How each kind of viewer reads messages: RFC 6455 frames and server-sent events, built once for a whole group."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from relayd.core.timeline import Entry
from relayd.protocol import codec
from relayd.transports.deflate import DEFLATE_ABOVE, deflated

__all__ = [
    "LAST_CHUNK",
    "PollEncoding",
    "SseEncoding",
    "WebSocketEncoding",
    "chunk",
    "close_frame",
    "pong_frame",
    "text_frame",
]

SHORT, MEDIUM = 126, 65_536
TEXT, DEFLATED_TEXT, CLOSE, PING, PONG = b"\x81", b"\xc1", b"\x88", b"\x89", b"\x8a"

PING_FRAME = PING + b"\x00"
"""One for all: an empty ping."""


def text_frame(payload: bytes) -> bytes:
    """Return a final, unmasked text frame (RFC 6455 5.2); a server never masks."""
    return TEXT + length(payload) + payload


def deflated_frame(payload: bytes, window: int) -> bytes:
    """Return a text frame with RSV1 set, its payload compressed (RFC 7692 6.1)."""
    data = deflated(payload, window)
    return DEFLATED_TEXT + length(data) + data


def close_frame(code: int, reason: str) -> bytes:
    """Return the frame that ends a connection (RFC 6455 5.5.1: the reason is at most 123 bytes)."""
    payload = code.to_bytes(2) + reason.encode()
    return CLOSE + length(payload) + payload


def pong_frame(payload: bytes) -> bytes:
    """Return the pong that answers a ping with that payload (RFC 6455 5.5.3: at most 125 bytes)."""
    return PONG + length(payload) + payload


def length(payload: bytes) -> bytes:
    """Return the length field without mask bit: 7, 7+16 or 7+64 bits."""
    size = len(payload)
    if size < SHORT:
        return size.to_bytes(1)
    if size < MEDIUM:
        return b"\x7e" + size.to_bytes(2)
    return b"\x7f" + size.to_bytes(8)


class WebSocketEncoding(Struct, frozen=True):
    """Modern viewers get one envelope a frame, legacy ones a frame for each message."""

    legacy: bool
    window: int = 0
    """Bits of the window that permessage-deflate was negotiated with; 0 without."""
    pace_ms: int = 0
    collapses: bool = False
    transport: str = "websocket"
    restates: bool = False

    @property
    def envelope(self) -> bool:
        """Many messages travel as one frame."""
        return not self.legacy

    @property
    def modern(self) -> bool:
        """It reads notices and snapshots."""
        return not self.legacy

    def frame(
        self,
        entries: Sequence[Entry],
        cursor: str,
        sent_at: float,
        cursors: Mapping[str, str] | None = None,
        collapsed: int = 0,
    ) -> bytes:
        """Return one frame with an envelope, or one frame for each entry."""
        if self.legacy:
            return b"".join([self._one(entry.payload) for entry in entries])
        payloads = [entry.payload for entry in entries]
        return self._one(codec.envelope(payloads, cursor, sent_at, cursors, collapsed))

    def say(self, payload: bytes, cursor: str | None = None) -> bytes:  # noqa: ARG002  # it stands in the message
        """Return one frame."""
        return self._one(payload)

    def _one(self, payload: bytes) -> bytes:
        if self.window and len(payload) > DEFLATE_ABOVE:
            return deflated_frame(payload, self.window)
        return text_frame(payload)

    def beat(self, cursor: str) -> bytes:  # noqa: ARG002  # a ping has no way to tell it; `pong` does
        """Return a ping."""
        return PING_FRAME


LAST_CHUNK = b"0\r\n\r\n"
"""The end of a chunked body, without trailers."""


def chunk(data: bytes) -> bytes:
    """Return a chunk (RFC 9112 7.1), because the shared bytes go past the library that would frame them."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class SseEncoding(Struct, frozen=True):
    """Server-sent events (HTML Living Standard 9.2): `id` is the cursor, so a browser resumes by itself."""

    batch: bool
    chunked: bool
    """HTTP/1.1; an HTTP/1.0 peer reads until the end of the connection."""
    pace_ms: int = 0
    collapses: bool = False
    transport: str = "sse"
    envelope: bool = True
    """A chunk holds many events and counts as one frame."""
    modern: bool = True
    restates: bool = False

    def frame(
        self,
        entries: Sequence[Entry],
        cursor: str,
        sent_at: float,
        cursors: Mapping[str, str] | None = None,
        collapsed: int = 0,
    ) -> bytes:
        """Return one event with an envelope, or one for each entry and the cursor behind the last."""
        if self.batch:
            payload = codec.envelope([entry.payload for entry in entries], cursor, sent_at, cursors, collapsed)
            return self.raw(b"id: %b\ndata: %b\n\n" % (cursor.encode(), payload))
        events = [b"id: %b\ndata: %b\n\n" % (entry.cursor.encode(), entry.payload) for entry in entries]
        if entries[-1].cursor != cursor:
            events.append(b"id: %b\n\n" % cursor.encode())
        return self.raw(b"".join(events))

    def begin(self, project_id: str, retry_ms: int) -> bytes:  # noqa: ARG002  # other languages begin with the project
        """Return the first bytes of a stream: how long a browser waits before it reconnects."""
        return self.raw(b"retry: %d\n\n" % retry_ms)

    def say(self, payload: bytes, cursor: str | None = None) -> bytes:
        """Return one event; without a cursor the viewer keeps the one it has."""
        mark = b"id: %b\n" % cursor.encode() if cursor else b""
        return self.raw(mark + b"data: %b\n\n" % payload)

    def beat(self, cursor: str) -> bytes:
        """Return a comment that keeps proxies awake, and an id without data that moves the viewer's cursor."""
        return self.raw(b":\nid: %b\n\n" % cursor.encode() if cursor else b":\n\n")

    def raw(self, data: bytes) -> bytes:
        """Return lines of a stream as they stand on the wire."""
        return chunk(data) if self.chunked else data


class PollEncoding(Struct, frozen=True):
    """A poll takes no bytes from its group; it is only woken."""

    collapses: bool = False
    pace_ms: int = 0
    transport: str = "longpoll"
    envelope: bool = True
    modern: bool = True
    restates: bool = False

    def frame(
        self,
        entries: Sequence[Entry],  # noqa: ARG002  # the port's verb
        cursor: str,  # noqa: ARG002
        sent_at: float,  # noqa: ARG002
        cursors: Mapping[str, str] | None = None,  # noqa: ARG002
        collapsed: int = 0,  # noqa: ARG002
    ) -> bytes:
        """Return nothing."""
        return b""

    def say(self, payload: bytes, cursor: str | None = None) -> bytes:  # noqa: ARG002  # the port's verb
        """Return nothing: an answer is JSON of its own."""
        return b""

    def beat(self, cursor: str) -> bytes:  # noqa: ARG002  # the port's verb
        """Return nothing: a poll is its own sign of life."""
        return b""
