"""
Compressed frames that many viewers share (RFC 7692, permessage-deflate).

Law: every payload begins with a fresh context.  A context kept from frame to frame belongs to one connection and would
cost its memory; without one, the same bytes are right for all who negotiated the window.  It needs no consent: a
decompressor that keeps its window is never referred back to (RFC 7692 7.2.3.1).
"""

import re
import zlib

from aiohttp import web

__all__ = ["DEFLATE_ABOVE", "deflated", "name_window"]

DEFLATE_ABOVE = 512
"""Payloads up to so many bytes travel as they are: they would hardly shrink."""

LEVEL = 6
"""Measured on our envelopes: level 1 saves 2 points less for the same time, level 9 none more for five times of it."""

TAIL = b"\x00\x00\xff\xff"
"""What every flush ends with, and no message carries (RFC 7692 7.2.1)."""


EXTENSIONS = "Sec-WebSocket-Extensions"
ASKS_FOR_15 = re.compile(r"server_max_window_bits\s*=\s*\"?15\b")


async def name_window(request: web.Request, response: web.StreamResponse) -> None:
    """
    Name a window of 15 bits in the answer to an offer that asks for it (RFC 7692 7.1.2.1).

    The library leaves it out because it is the greatest there is; a strict client then fails the connection
    (aiohttp 3.14.5, websockets 17).
    """
    agreed = response.headers.get(EXTENSIONS, "")
    if agreed == "permessage-deflate" and ASKS_FOR_15.search(request.headers.get(EXTENSIONS, "")):
        response.headers[EXTENSIONS] = "permessage-deflate; server_max_window_bits=15"


def deflated(payload: bytes, window: int) -> bytes:
    """Return the payload compressed for a reader with a window of 2**`window` bytes, 9 to 15."""
    # A negative number asks zlib for raw deflate, without its own header.
    compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, -window)
    return (compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)
