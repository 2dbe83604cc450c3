"""
The receiving half of a WebSocket (RFC 6455 5, RFC 7692): bytes of a viewer become frames; it does no I/O.

Law 1: nothing is kept between two messages.  Each compressed one is inflated with a fresh context, which the handshake
has told the viewer (`client_no_context_takeover`), so an idle viewer costs no window.
Law 2: a message is refused as soon as it is known to be too long, not once it has been stored.
Law 3: every frame is told, fragments as well: what nobody hears of nobody can count, and a flood of it costs as much.
"""

import zlib
from collections.abc import Iterator
from typing import NamedTuple

from relayd.protocol.disconnect import Disconnect

__all__ = ["BINARY", "CLOSE", "FRAGMENT", "PING", "PONG", "TEXT", "BrokenFrame", "Frame", "FrameReader"]

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
DATA, CONTROL = {CONTINUATION, TEXT, BINARY}, {CLOSE, PING, PONG}

FIN, RSV1, RSV, OPCODE = 0x80, 0x40, 0x70, 0x0F
MASKED, SIZE = 0x80, 0x7F
SIZE_16, SIZE_64 = 126, 127
CONTROL_BYTES = 125

CODE_BYTES = 2
CODES = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)})
"""What may stand in a close frame (RFC 6455 7.4, and the registry that it begins)."""

TAIL = b"\x00\x00\xff\xff"
"""What a sender cuts off a compressed message (RFC 7692 7.2.1)."""


class Frame(NamedTuple):
    """A whole message, or a control frame."""

    opcode: int
    payload: bytes
    text: str = ""
    """The payload of a text message."""


FRAGMENT = Frame(CONTINUATION, b"")
"""A part of a message that does not complete it."""


class BrokenFrame(Exception):
    """The viewer broke the protocol; nothing that follows can be read."""

    def __init__(self, disconnect: Disconnect, sentence: str) -> None:
        """Keep how it ends (RFC 6455 7.4.1) and why."""
        super().__init__(sentence)
        self.disconnect = disconnect
        self.sentence = sentence


class FrameReader:
    """What one viewer has sent that is not yet a whole message."""

    __slots__ = ("_broken", "_compressed", "_deflate", "_held", "_limit", "_opcode", "_parts")

    def __init__(self, *, limit: int, deflate: bool) -> None:
        """Take messages of up to `limit` bytes; compressed ones if `deflate` was negotiated."""
        self._limit = limit
        self._deflate = deflate
        self._held = b""
        self._broken = False
        self._parts: bytearray | None = None
        """What came of the message whose fragments are coming; None between messages, for most have no fragments."""
        self._opcode = CONTINUATION
        """Of the message whose fragments are coming; CONTINUATION between messages."""
        self._compressed = False

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield what is whole by now; raises BrokenFrame behind the last good one, and once only."""
        if self._broken:
            # Nothing that follows can be read, so nothing of it is kept.
            return
        held, at = self._held + data, 0
        try:
            while (end := self._end(held, at)) is not None:
                frame = self._take(held[at], held[at + 1], held[at:end])
                at = end
                yield frame
        except BrokenFrame:
            self._broken, self._parts, at = True, None, len(held)
            raise
        finally:
            self._held = held[at:]

    def _end(self, held: bytes, at: int) -> int | None:
        """Return where the frame at a position ends, None while that can't be told; raises BrokenFrame."""
        have = len(held) - at
        if have < 2:  # noqa: PLR2004  # the fixed part of a head
            return None
        first, second = held[at], held[at + 1]
        self._check(first, second)
        size, head = second & SIZE, 6
        if size >= SIZE_16:
            head += 2 if size == SIZE_16 else 8
            if have < head:
                return None
            size = int.from_bytes(held[at + 2 : at + head - 4])
        if (first & OPCODE) in DATA and size + len(self._parts or b"") > self._limit:
            raise self._too_big()
        return at + head + size if have >= head + size else None

    def _check(self, first: int, second: int) -> None:
        opcode = first & OPCODE
        if not second & MASKED:
            raise broken("frames of a viewer are masked (RFC 6455 5.1)")
        if opcode in CONTROL:
            if not first & FIN or second & SIZE > CONTROL_BYTES:
                raise broken("a control frame is whole and at most 125 bytes long (RFC 6455 5.5)")
        elif opcode not in DATA:
            raise broken(f"there is no frame of opcode {opcode} (RFC 6455 5.2)")
        elif (opcode == CONTINUATION) == (self._opcode == CONTINUATION):
            raise broken("fragments belong to one message, begun by its first (RFC 6455 5.4)")
        allowed = RSV1 if self._deflate and opcode in {TEXT, BINARY} else 0
        if first & RSV & ~allowed:
            raise broken("a reserved bit is set that no extension has negotiated (RFC 6455 5.2)")

    def _take(self, first: int, second: int, frame: bytes) -> Frame:
        """Return what a frame completes, or FRAGMENT; raises BrokenFrame."""
        opcode, size = first & OPCODE, second & SIZE
        head = 6 if size < SIZE_16 else 8 if size == SIZE_16 else 14
        payload = unmasked(frame[head:], frame[head - 4 : head])
        if opcode == CLOSE:
            check_close(payload)
        if opcode in CONTROL:
            return Frame(opcode, payload)
        if opcode != CONTINUATION:
            self._opcode, self._compressed = opcode, bool(first & RSV1)
        if not first & FIN or self._parts is not None:
            self._parts = bytearray() if self._parts is None else self._parts
            self._parts += payload
        if not first & FIN:
            return FRAGMENT
        opcode, payload = self._opcode, payload if self._parts is None else bytes(self._parts)
        self._opcode, self._parts = CONTINUATION, None
        if self._compressed:
            payload = self._inflated(payload)
        return Frame(opcode, payload, "" if opcode == BINARY else read_text(payload))

    def _inflated(self, payload: bytes) -> bytes:
        # A negative number asks zlib for raw deflate; a viewer may use up to 15 bits, for it was not asked for less.
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            text = inflater.decompress(payload + TAIL, self._limit + 1)
        except zlib.error as error:
            raise BrokenFrame(Disconnect.INVALID_DATA, "a message can't be inflated (RFC 7692 7.2.2)") from error
        if len(text) > self._limit:
            raise self._too_big()
        return text

    def _too_big(self) -> BrokenFrame:
        return BrokenFrame(Disconnect.MESSAGE_TOO_BIG, f"a message is at most {self._limit} bytes")


def broken(what: str) -> BrokenFrame:
    """Return the error for a frame that is none."""
    return BrokenFrame(Disconnect.PROTOCOL_ERROR, what)


def unmasked(payload: bytes, mask: bytes) -> bytes:
    """Return the payload as it was before it was masked, or the other way round (RFC 6455 5.3)."""
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload) ^ int.from_bytes(key)).to_bytes(size)


def read_text(payload: bytes) -> str:
    """Return a text; raises BrokenFrame for bytes that are none."""
    try:
        return payload.decode()
    except UnicodeDecodeError as error:
        raise BrokenFrame(Disconnect.INVALID_DATA, "a text is UTF-8 (RFC 6455 5.6)") from error


def check_close(payload: bytes) -> None:
    """Raise BrokenFrame for a farewell with half a code, a code that nobody may send, or a reason that is no text."""
    if not payload:
        return
    if len(payload) < CODE_BYTES or int.from_bytes(payload[:CODE_BYTES]) not in CODES:
        raise broken("a close frame is empty or begins with a code that may be sent (RFC 6455 5.5.1, 7.4)")
    read_text(payload[CODE_BYTES:])
