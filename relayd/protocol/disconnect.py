"""
Every way a connection ends, in one table: close code, HTTP status, advice and metric label.

The table of docs/protocol.md section 6.  Nobody else spells a close code.
"""

from enum import Enum

__all__ = ["Advice", "Disconnect", "close_reason"]

REASON_BYTES = 123
"""RFC 6455 5.5: a control frame carries 125 bytes, two of them are the code; a longer reason is an illegal frame."""


class Advice(Enum):
    """What the client should do next."""

    NONE = "none"
    STOP = "stop"
    RESUME = "resume"
    RETRY = "retry"
    LOG_IN = "log in"
    REFRESH = "refresh"


class Disconnect(Enum):
    """An ending; its name in lower case is its metric label."""

    NORMAL = (1000, 200, Advice.NONE, 0, "")
    PROTOCOL_ERROR = (1002, 400, Advice.STOP, 0, "BAD_REQUEST")
    INVALID_DATA = (1007, 400, Advice.STOP, 0, "BAD_REQUEST")
    MESSAGE_TOO_BIG = (1009, 413, Advice.STOP, 0, "BAD_REQUEST")
    RESTARTING = (1012, 503, Advice.RESUME, 1_000, "UNAVAILABLE")
    OVERLOADED = (1013, 503, Advice.RETRY, 5_000, "UNAVAILABLE")
    BAD_REQUEST = (4400, 400, Advice.STOP, 0, "BAD_REQUEST")
    AUTH_FAILED = (4401, 401, Advice.LOG_IN, 0, "AUTH_FAILED")
    FORBIDDEN = (4403, 403, Advice.STOP, 0, "FORBIDDEN")
    IDLE_TIMEOUT = (4408, 408, Advice.RESUME, 0, "TIMEOUT")
    REPLACED = (4409, 409, Advice.STOP, 0, "BAD_REQUEST")
    TOKEN_EXPIRED = (4410, 401, Advice.REFRESH, 0, "AUTH_FAILED")
    # Not 503: a proxy would take a poll that an operator ended to the next relay.
    ENDED_BY_OPERATOR = (4411, 429, Advice.RETRY, 30_000, "ENDED_BY_OPERATOR")
    TOO_MANY_CONNECTIONS = (4429, 429, Advice.RETRY, 10_000, "TOO_MANY_CONNECTIONS")
    RATE_EXCEEDED = (4430, 429, Advice.RETRY, 5_000, "RATE_LIMITED")
    STUCK = (4431, 503, Advice.RESUME, 1_000, "UNAVAILABLE")
    SERVER_ERROR = (4500, 500, Advice.RETRY, 5_000, "SERVER_ERROR")

    def __init__(self, code: int, http_status: int, advice: Advice, retry_after_ms: int, http_code: str) -> None:
        """Spread a row of the table over names."""
        self.code = code
        self.http_status = http_status
        self.advice = advice
        self.retry_after_ms = retry_after_ms
        self.http_code = http_code

    @property
    def label(self) -> str:
        """The metric label."""
        return self.name.lower()


def close_reason(disconnect: Disconnect, sentence: str, retry_after_ms: int = 0) -> str:
    """Return `NAME: sentence; retry_after_ms=N`, the sentence cut so that all fits 123 bytes of UTF-8."""
    head = f"{disconnect.name}: "
    tail = f"; retry_after_ms={retry_after_ms}" if retry_after_ms else ""
    room = REASON_BYTES - len(head) - len(tail)
    # The sentence may quote the viewer, lone surrogates included: they must not keep a connection from ending.
    # Cutting bytes may halve a character; "ignore" drops the half.
    return head + sentence.encode(errors="replace")[:room].decode(errors="ignore") + tail
