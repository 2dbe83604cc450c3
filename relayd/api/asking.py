"""What a request for the API asks for; every mistake is named with its mend."""

from collections.abc import Callable

import msgspec
from aiohttp import web

from relayd.protocol.disconnect import Disconnect
from relayd.relay.admission import Proof
from relayd.relay.refusal import Refused

__all__ = ["Authenticate", "answer", "bad", "number"]

MAX_DIGITS = 18

Authenticate = Callable[[web.Request], Proof]
"""Returns who asks, and what it showed; raises Refused."""


def bad(sentence: str) -> Refused:
    """Return the refusal of a malformed request."""
    return Refused(Disconnect.BAD_REQUEST, sentence, "malformed")


def number(request: web.Request, name: str, *, default: int, least: int, most: int) -> int:
    """Return a whole number of the query; raises Refused."""
    text = request.query.get(name)
    if text is None:
        return default
    # The length first: Python refuses to read a number of thousands of digits.
    readable = text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS
    if not readable or not least <= int(text) <= most:
        raise bad(f"{name}: use a whole number from {least} to {most}, not {text[:40]!r}")
    return int(text)


def answer(data: object, *, status: int = 200) -> web.Response:
    """Return JSON that no cache keeps."""
    return web.Response(
        body=msgspec.json.encode(data),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"},
    )
