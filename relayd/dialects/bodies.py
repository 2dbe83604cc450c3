"""
One body into its raw events, before anybody understands them.

Law 1: what an event means does not move the events behind it: the cut looks at quotes, brackets and line feeds only,
so a broken event is one place, as a good one is.
Law 2: the time is linear in the body and the result is bounded, whoever wrote it.
"""

import re

import msgspec
from msgspec import Raw, Struct

__all__ = ["MAX_EVENTS", "MAX_MARKS", "Pieces", "cut"]

MAX_EVENTS = 10_000
"""Most events in one body; a cut ends with one more than that."""

MAX_MARKS = 1_000_000
"""Most brackets and strings that are looked at in one array, about half a second; a real body has a fraction of it."""

# Possessive all the way (`*+`): nothing that was read is read again, so no text makes it slow.
STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
INSIDE = rb'[^"\[\]{}]*+(?:' + STRING + rb'[^"\[\]{}]*+)*+'
# A flat object, a flat array and a string are one mark each; a quote alone is a string without an end.
MARK = re.compile(rb"\{" + INSIDE + rb"\}|\[" + INSIDE + rb"\]|" + STRING + rb'|["\[\]{},]', re.DOTALL)
LINE = re.compile(rb"\S[^\n]*")
# At the margin: in an object that was printed over several lines, what is an object by itself is indented.
OBJECT_LINE = re.compile(rb"^\{[^\n]*\}[ \t\r]*$", re.MULTILINE)

ANYTHING = msgspec.json.Decoder(Raw)


class Pieces(Struct, frozen=True):
    """The raw events of a body, in order; `many` for an array or lines, even if there is but one."""

    raws: list[bytes]
    many: bool


def cut(body: bytes) -> Pieces | None:
    """
    Return the raw events of a body without white space around it.

    At most MAX_EVENTS + 1 are returned; None for an array whose elements can't be told apart.
    """
    if body.startswith(b"["):
        array = elements(body)
        return None if array is None else Pieces(array, many=True)
    if b"\n" in body and not is_json(body) and OBJECT_LINE.search(body):
        return Pieces(lines(body), many=True)
    return Pieces([body], many=False)


def elements(body: bytes) -> list[bytes] | None:
    """Return the elements of an array, understood or not; None when quotes or brackets do not match."""
    found: list[bytes] = []
    depth, begin = 1, 1
    for count, mark in enumerate(MARK.finditer(body, 1)):
        at, end = mark.span()
        sign = body[at:end] if end - at == 1 else b""
        if count == MAX_MARKS or sign == b'"':
            return None
        if sign in {b"[", b"{"}:
            depth += 1
        elif sign in {b"]", b"}"}:
            depth -= 1
        elif sign == b"," and depth == 1:
            found.append(body[begin:at].strip())
            begin = end
            if len(found) > MAX_EVENTS:
                return found
        if depth == 0:
            return last_of(found, body[begin:at].strip()) if end == len(body) else None
    return None


def last_of(found: list[bytes], last: bytes) -> list[bytes]:
    """Return the elements with the last one; between the brackets of `[]` there is none."""
    return [*found, last] if found or last else []


def lines(body: bytes) -> list[bytes]:
    """Return the lines that are not blank."""
    found: list[bytes] = []
    for line in LINE.finditer(body):
        found.append(line[0].rstrip())
        if len(found) > MAX_EVENTS:
            break
    return found


def is_json(body: bytes) -> bool:
    """Return whether the whole is one JSON value, as an object that was printed over several lines is."""
    try:
        ANYTHING.decode(body)
    except (ValueError, RecursionError):
        return False
    return True
