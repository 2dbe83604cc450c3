"""
What the end of a connection means to a client, read off the one table of endings.

A close code and a refused request are judged alike: come back (`Dropped`), stop (`WatchEnded`), or go on by long
poll (`NoUpgrade`).
"""

import os
import re
from collections.abc import Mapping

from aiohttp import ClientConnectorError

from relayd.protocol.disconnect import Advice, Disconnect

__all__ = ["Dropped", "NoUpgrade", "WatchEnded", "judge_close", "judge_status", "why_unreachable"]

BY_CODE = {disconnect.code: disconnect for disconnect in Disconnect}

BY_STATUS = {
    400: Disconnect.BAD_REQUEST,
    401: Disconnect.AUTH_FAILED,
    403: Disconnect.FORBIDDEN,
    404: Disconnect.BAD_REQUEST,
    409: Disconnect.REPLACED,
    413: Disconnect.MESSAGE_TOO_BIG,
    429: Disconnect.TOO_MANY_CONNECTIONS,
    503: Disconnect.OVERLOADED,
}

COME_BACK = frozenset({408, 500, 502, 503, 504})
"""HTTP statuses that pass by themselves; what is in neither table says that the path can't carry a WebSocket."""

SENTENCES = {
    Disconnect.BAD_REQUEST: "the relay could not read the request; check the address, the project and the cursor",
    Disconnect.AUTH_FAILED: "the token was refused; get a new one",
    Disconnect.FORBIDDEN: "this token may not see the project; ask its owner or use another token",
    Disconnect.REPLACED: "a newer connection of the same session took the place",
    Disconnect.TOKEN_EXPIRED: "the token has expired; get a new one",
    Disconnect.ENDED_BY_OPERATOR: "an operator ended the connection",
    Disconnect.TOO_MANY_CONNECTIONS: "all places of this user are taken; close another connection",
    Disconnect.OVERLOADED: "the relay takes no more connections for now",
    Disconnect.RESTARTING: "the relay is restarting",
    Disconnect.PROTOCOL_ERROR: "the relay could not read a frame; something on the way may have changed it",
    Disconnect.INVALID_DATA: "the relay could not read a text; something on the way may have changed it",
    Disconnect.MESSAGE_TOO_BIG: "a message was too big; ask for less",
}

RETRY_AFTER = re.compile(r";\s*retry_after_ms=(\d{1,9})\s*$")
STOP = frozenset({Advice.STOP, Advice.LOG_IN, Advice.REFRESH})


class Dropped(Exception):
    """The connection is gone and may be resumed, `retry_after` seconds from now if that is not 0."""

    def __init__(self, sentence: str, retry_after: float = 0.0) -> None:
        """Keep the sentence and the wish."""
        super().__init__(sentence)
        self.retry_after = retry_after


class NoUpgrade(Exception):
    """Something on the way does not carry WebSockets."""


class WatchEnded(Exception):
    """There is no point in coming back; `disconnect` is the row of the table, the message a sentence for a person."""

    def __init__(self, disconnect: Disconnect, sentence: str) -> None:
        """Keep the row."""
        super().__init__(sentence)
        self.disconnect = disconnect


def judge_close(code: int | None, reason: str) -> Dropped | WatchEnded | None:
    """Return what a close frame means; None when either side was simply done (1000)."""
    asked = RETRY_AFTER.search(reason)
    told = RETRY_AFTER.sub("", reason).partition(": ")[2].strip()
    disconnect = BY_CODE.get(code or 0)
    if disconnect is None:
        return Dropped(f"the connection broke (code {code})" if code else "the connection broke")
    sentence = told or SENTENCES.get(disconnect, f"the relay closed with {disconnect.name}")
    if disconnect is Disconnect.NORMAL:
        return None
    if disconnect.advice in STOP:
        return WatchEnded(disconnect, sentence)
    return Dropped(sentence, (int(asked[1]) if asked else disconnect.retry_after_ms) / 1000)


def judge_status(status: int, headers: Mapping[str, str], detail: str = "") -> Dropped | WatchEnded | NoUpgrade:
    """Return what a refused request means; `detail` is the relay's sentence where there is one."""
    disconnect = BY_STATUS.get(status)
    if disconnect is None and status not in COME_BACK:
        return NoUpgrade(f"the answer was HTTP {status} instead of a WebSocket")
    sentence = detail or SENTENCES.get(disconnect or Disconnect.SERVER_ERROR, f"the relay answered HTTP {status}")
    if disconnect is not None and disconnect.advice in STOP:
        return WatchEnded(disconnect, sentence)
    asked = headers.get("Retry-After", "")
    # Retry-After may also be a date (RFC 9110 10.2.3); then the row of the table decides.
    default = disconnect.retry_after_ms / 1000 if disconnect else 0.0
    return Dropped(sentence, float(asked) if asked.isascii() and asked.isdigit() else default)


def why_unreachable(error: Exception) -> str:
    """Return why nobody answered, as the rest of a sentence."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ClientConnectorError):
        # The library's own text speaks of SSL settings where there is no SSL.
        return os.strerror(error.os_error.errno).lower() if error.os_error.errno else str(error.os_error)
    return str(error) or type(error).__name__
