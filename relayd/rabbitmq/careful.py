"""
Frames that the AMQP library can't decode, made harmless.

Properties and routing keys of a message are whatever bytes a publisher wrote: the broker does not look into them.
The library decodes them strictly, and what it can't decode ends the connection.  The stream keeps such a message, so
every reader that meets it would end there again and again, for ever.

After such an end the source connects with `CarefulTransport`: it tries each header first and replaces one that can't
be decoded by one that holds the offset alone.  The message keeps its place and its body and loses its properties.
It costs a second decoding of every header, so it is not the everyday way.
"""

import asyncio
import struct

import aiormq
from pamqp.header import ContentHeader
from yarl import URL

__all__ = ["CarefulTransport", "mend"]

METHOD, HEADER = 1, 2
"""Frame types of AMQP 0-9-1 that can hold strings of a publisher."""

DELIVER = struct.pack(">HH", 60, 60)
OFFSET = b"x-stream-offset"
FIXED = 12
"""Bytes of a content header before the flags: class, weight, body size."""

SIZES = {
    b"t": 1, b"b": 1, b"B": 1, b"U": 2, b"u": 2, b"s": 2, b"I": 4, b"i": 4, b"L": 8, b"l": 8,
    b"f": 4, b"d": 8, b"D": 5, b"T": 8, b"V": 0,
}  # fmt: skip
"""Bytes of a value in a table, by its type; all others begin with their length in four bytes."""

HAS_CONTENT_TYPE, HAS_ENCODING, HAS_HEADERS, MORE_FLAGS = 0x8000, 0x4000, 0x2000, 0x0001


class CarefulTransport(aiormq.TransportFactory):
    """Opens the connection with a reader that mends what can't be decoded."""

    def __init__(self, plain: aiormq.TransportFactory) -> None:
        self.plain = plain

    async def create(self, url: URL, **kwargs: object) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return reader and writer of a new connection; raises what the plain factory raises."""
        reader, writer = await self.plain.create(url, **kwargs)
        return MendingReader(reader), writer


class MendingReader(asyncio.StreamReader):
    """
    Reads from another reader in the three steps in which the library reads a frame: type, rest of the head, payload.

    It is a StreamReader by type only; the bytes arrive in the one it wraps.
    """

    def __init__(self, inner: asyncio.StreamReader) -> None:
        super().__init__()
        self.inner = inner
        self.step = 0
        self.kind = 0

    def at_eof(self) -> bool:
        """Return True at the end of the bytes."""
        return self.inner.at_eof()

    async def read(self, n: int = -1) -> bytes:
        """Return up to `n` bytes as they came."""
        return await self.inner.read(n)

    async def readexactly(self, n: int) -> bytes:
        """Return `n` bytes, mended if they are a payload that can't be decoded; raises IncompleteReadError."""
        data = await self.inner.readexactly(n)
        step, self.step = self.step, (self.step + 1) % 3
        if step == 0:
            self.kind = data[0]
        elif step == 2:  # noqa: PLR2004 - the third of three
            return mend(self.kind, data)
        return data


def mend(kind: int, payload: bytes) -> bytes:
    """Return the payload of a frame, end byte included, as long as it was and without what can't be decoded."""
    if kind == METHOD and payload.startswith(DELIVER):
        return mend_deliver(payload)
    if kind == HEADER and not decodes(payload[:-1]):
        return mend_header(payload)
    return payload


def decodes(header: bytes) -> bool:
    """Return whether the library can decode a content header."""
    try:
        ContentHeader().unmarshal(header)
    except (ValueError, struct.error, IndexError, KeyError, OverflowError, RecursionError):
        return False
    return True


def mend_deliver(payload: bytes) -> bytes:
    """Return a delivery whose routing key is text: what is not ASCII in a broken one becomes a question mark."""
    consumer_tag = 4
    exchange = consumer_tag + 1 + payload[consumer_tag] + 9  # the delivery tag and a bit
    key = exchange + 1 + payload[exchange] + 1
    routing_key = payload[key:-1]
    try:
        routing_key.decode()
    except UnicodeDecodeError:
        return payload[:key] + bytes(byte if byte < 0x80 else 0x3F for byte in routing_key) + payload[-1:]  # noqa: PLR2004 - ASCII ends there
    return payload


def mend_header(payload: bytes) -> bytes:
    """Return a content header that holds the offset alone; the bytes that are left over are never looked at."""
    offset = find_offset(payload)
    table = b"" if offset is None else bytes([len(OFFSET)]) + OFFSET + b"l" + offset
    mended = payload[:FIXED] + struct.pack(">HI", HAS_HEADERS, len(table)) + table
    return mended.ljust(len(payload) - 1, b"\0")[: len(payload) - 1] + payload[-1:]


def find_offset(payload: bytes) -> bytes | None:
    """
    Return the eight bytes of the offset that the broker wrote into the headers, None when they are not found.

    It walks the table instead of searching it: a publisher may have hidden a forged offset in some other value.
    """
    (flags,) = struct.unpack_from(">H", payload, FIXED)
    at = FIXED + 2
    if flags & MORE_FLAGS or not flags & HAS_HEADERS:
        return None
    for flag in (HAS_CONTENT_TYPE, HAS_ENCODING):
        if flags & flag:
            at += 1 + payload[at]
    (size,) = struct.unpack_from(">I", payload, at)
    at += 4
    end = min(at + size, len(payload) - 1)
    while at < end:
        name = payload[at + 1 : at + 1 + payload[at]]
        at += 1 + payload[at]
        kind = payload[at : at + 1]
        at += 1
        if name == OFFSET and kind == b"l":
            return payload[at : at + 8]
        if kind in SIZES:
            at += SIZES[kind]
        else:
            at += 4 + int.from_bytes(payload[at : at + 4])
    return None
