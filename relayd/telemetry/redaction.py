"""
What must never stand in a log, and how it is taken out.

Law: redaction is the last thing before a line is written, and works on the text, not on where it came from: tokens
reach logs by URLs, headers, exceptions and libraries that nobody thought of.
"""

import logging
import re
import traceback
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

__all__ = ["MARK", "TokenFilter", "clean", "clean_field", "escape", "redact"]

MARK = "[redacted]"
"""Stands where a secret stood."""

MAX_DEPTH = 6
"""Deeper values are shown as text: a producer's nesting must not become our recursion."""

SECRET_NAMES = frozenset({"token", "ticket", "authorization", "password", "secret", "access_token"})
"""Fields whose whole text is a secret."""

SECRETS: tuple[tuple[re.Pattern[str], str], ...] = (
    # `token=` and `ticket=`, whatever they are part of: `refresh_token=`, or a URL inside another one.
    (re.compile(r"(?i)(token|ticket)(=|%3d)[^\s&#\"'<>]+"), rf"\1\2{MARK}"),
    # A ticket, which says what it is, wherever it stands.
    (re.compile(r"\brt1\.[A-Za-z0-9_-]{6,}"), MARK),
    # The sub-protocol that carries a token.
    (re.compile(r"\bbearer\.[A-Za-z0-9._~+/=-]+"), f"bearer.{MARK}"),
    # The header, as HTTP, a dict's repr or a header list spell it.
    (re.compile(r"(?i)(\bauthorization\b[\"']?\s*[:=,]\s*[\"']?(?:bearer|basic)?\s*)[^\s\"',]+"), rf"\1{MARK}"),
    # Eight characters and more, so that "a bearer token" stays a sentence.
    (re.compile(r"(?i)\b(bearer\s+)[A-Za-z0-9._~+/=-]{8,}"), rf"\1{MARK}"),
    # A JWT begins with the base64 of `{"`; one that is cut short is a secret still.
    (re.compile(r"eyJ[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*)*"), MARK),
    # The same with white space behind the brace.
    (re.compile(r"(?<![A-Za-z0-9_-])e[wy][A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)*"), MARK),
    # The password of a URL.
    (re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^\s/:@]*:)[^\s/@]+@"), rf"\1{MARK}@"),
)

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
"""C0, C1 and what turns or hides text: with them a stranger's text could forge a line or steer a terminal."""


def redact(text: str) -> str:
    """Return the text without anything that opens a door."""
    for secret, instead in SECRETS:
        text = secret.sub(instead, text)
    return text


def escape(text: str) -> str:
    r"""Return the text with control characters spelt out as `\x1b` or `\u202e`."""
    return CONTROL.sub(lambda found: found.group().encode("unicode_escape").decode("ascii"), text)


def clean(value: object, depth: int = 0) -> object:
    """Return the value as data that a log line can hold, without secrets at any depth."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return redact(value)
    if depth < MAX_DEPTH:
        if isinstance(value, Mapping):
            return {redact(str(name)): clean_field(str(name), item, depth + 1) for name, item in value.items()}
        if isinstance(value, Sequence | AbstractSet) and not isinstance(value, bytes | bytearray | memoryview):
            return [clean(item, depth + 1) for item in value]
    return redact(repr(value))


def clean_field(name: str, value: object, depth: int = 0) -> object:
    """Return what a field of that name may show; the whole of it is a secret where the name says so."""
    return MARK if name.lower() in SECRET_NAMES and isinstance(value, str | bytes) else clean(value, depth)


class TokenFilter(logging.Filter):
    """Takes secrets out of the records of libraries before any handler sees them; drops none."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact the message and the exception in place."""
        if isinstance(record.msg, dict):
            # Ours, not yet formatted: the processors clean it.
            return True
        record.msg, record.args = redact(_message(record)), ()
        if record.exc_info and not record.exc_text:
            # Formatters print a text that is already there instead of making their own.
            record.exc_text = redact("".join(traceback.format_exception(*record.exc_info)).rstrip())
        return True


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError, IndexError):
        # A library's wrong format must not raise out of its log call: the filter runs outside of logging's own net.
        return f"{record.msg!r} {record.args!r}"
