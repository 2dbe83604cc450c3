"""
From HTTP to a WebSocket (RFC 6455 4.2, RFC 7692 7.1).

The library reads the request, runs what stands before every handler, and then lets go of the connection: what it keeps
for a request in progress (two tasks, the headers, a parser) is more than all of ours, and a viewer stays for hours.
"""

import base64
import binascii
import hashlib
import re
from typing import NamedTuple

from aiohttp import web

from relayd.protocol.endpoints import SUBPROTOCOL
from relayd.transports.asking import offered

__all__ = ["PLAIN", "Deflate", "is_upgrade", "negotiated", "switching"]

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
VERSION = "13"
KEY_BYTES = 16

EXTENSION = "permessage-deflate"
FLAGS = {"server_no_context_takeover", "client_no_context_takeover"}
BITS = re.compile(r"8|9|1[0-5]")
LEAST_WINDOW, WIDEST_WINDOW = 9, 15
"""Bits; zlib has no raw deflate of 8, an offer that insists on it is passed over."""


class Deflate(NamedTuple):
    """What was agreed on: the window of our frames in bits, 0 without compression, and the header that says so."""

    window: int
    header: str


PLAIN = Deflate(0, "")


def is_upgrade(request: web.BaseRequest) -> bool:
    """Tell whether a request is the opening of a WebSocket of the version that is spoken here."""
    headers = request.headers
    try:
        key = base64.b64decode(headers.get("Sec-WebSocket-Key", "").strip(), validate=True)
    except (binascii.Error, ValueError):
        return False
    return (
        headers.get("Upgrade", "").strip().lower() == "websocket"
        and "upgrade" in [word.strip().lower() for word in headers.get("Connection", "").split(",")]
        and headers.get("Sec-WebSocket-Version", "").strip() == VERSION
        and len(key) == KEY_BYTES
    )


def negotiated(request: web.BaseRequest) -> Deflate:
    """Return the first offer of permessage-deflate that can be taken, without a context kept on either side."""
    lines = request.headers.getall("Sec-WebSocket-Extensions", ())
    for offer in ",".join(lines).split(","):
        name, *parameters = (part.strip() for part in offer.split(";"))
        if name == EXTENSION and (window := accepted(parameters)) is not None:
            # Both flags may be answered unasked (7.1.1): our frames share no context, and we keep none of theirs.
            header = f"{EXTENSION}; server_no_context_takeover; client_no_context_takeover"
            asked = any(parameter.startswith("server_max_window_bits") for parameter in parameters)
            return Deflate(window, f"{header}; server_max_window_bits={window}" if asked else header)
    return PLAIN


def accepted(parameters: list[str]) -> int | None:
    """Return the window an offer allows us, None for one that has to be declined (7.1: unknown, twice, invalid)."""
    window, seen = WIDEST_WINDOW, set()
    for parameter in parameters:
        name, equals, value = (part.strip() for part in parameter.partition("="))
        if name in seen:
            return None
        seen.add(name)
        bits = value.strip('"')
        if name in FLAGS and not equals:
            continue
        if name == "client_max_window_bits" and (not equals or BITS.fullmatch(bits)):
            # An allowance that we don't use.
            continue
        if name != "server_max_window_bits" or not BITS.fullmatch(bits) or int(bits) < LEAST_WINDOW:
            return None
        window = int(bits)
    return window


def switching(request: web.BaseRequest, deflate: Deflate) -> bytes:
    """Return the answer that ends HTTP; our sub-protocol is chosen if offered, never the one that carries a token."""
    key = request.headers["Sec-WebSocket-Key"].strip().encode()
    # SHA-1 is what RFC 6455 4.2.2 says; nothing is kept secret with it.
    accept = base64.b64encode(hashlib.sha1(key + GUID, usedforsecurity=False).digest()).decode()
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept}",
        "Server: relayd",
    ]
    if SUBPROTOCOL in offered(request):
        lines.append(f"Sec-WebSocket-Protocol: {SUBPROTOCOL}")
    if deflate.header:
        lines.append(f"Sec-WebSocket-Extensions: {deflate.header}")
    return "\r\n".join([*lines, "", ""]).encode()
