"""
Places in the log and the opaque cursors that name them (docs/protocol.md section 3).

A place is a pure function of the log: repeats, filters and mapping fixes never move it.
A cursor is 24 bytes in base64url, 32 characters without padding:

    version 1 · log identity 5 · offset 8 · item 2 · part 2 · fingerprint 6
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from hashlib import blake2b
from struct import Struct as Layout
from struct import error as layout_error
from typing import NamedTuple

__all__ = ["BEGINNING", "BadCursorError", "BodyCursors", "Cursor", "Place", "decode", "fingerprint", "identity"]

VERSION = 1
LAYOUT = Layout(">B5sQHH6s")
TEXT_LENGTH = 32

BEGINNING = "0"
"""The cursor of an empty log: everything is after it."""


class BadCursorError(ValueError):
    """The text is no cursor of this version; its message is a sentence for the viewer."""


class Place(NamedTuple):
    """
    Where an event stands; places compare in the log's order.

    `epoch` counts how often this relay saw its log deleted and made anew; it orders places here and is not in
    the cursor, because replicas may have counted differently: there the fingerprint tells the logs apart.
    """

    epoch: int
    offset: int
    item: int = 0
    part: int = 0


class Cursor(NamedTuple):
    """A place in a named log, with 48 bits that recognise the AMQP body (or ingest body) that stands there."""

    log: bytes
    offset: int
    item: int
    part: int
    fingerprint: bytes

    def __str__(self) -> str:
        """Return the 32 characters that travel."""
        packed = LAYOUT.pack(VERSION, self.log, self.offset, self.item, self.part, self.fingerprint)
        return urlsafe_b64encode(packed).decode("ascii")

    def place(self, epoch: int) -> Place:
        """Return the place this cursor names in the log of that epoch."""
        return Place(epoch, self.offset, self.item, self.part)


class BodyCursors:
    """
    The cursors of one body's events as text, most of it made once.

    Three bytes are four characters: the first 15 bytes are the same for 256 items, the last six for all of them, and
    between them stand the item's low byte and the part.
    """

    __slots__ = ("_first", "_last", "_log", "_mark", "_offset")

    def __init__(self, log: bytes, offset: int, fingerprint: bytes) -> None:
        """Take what the cursors of a body have in common."""
        self._log, self._offset, self._mark = log, offset, fingerprint
        text = str(Cursor(log, offset, 0, 0, fingerprint))
        self._first, self._last = text[:20], text[24:]

    def text(self, item: int, part: int) -> str:
        """Return what `str` of the whole cursor returns."""
        if part or item >= len(MIDDLES):
            return str(Cursor(self._log, self._offset, item, part, self._mark))
        return self._first + MIDDLES[item] + self._last


MIDDLES = tuple(urlsafe_b64encode(bytes((item, 0, 0))).decode("ascii") for item in range(256))
"""Low byte of the item, and part 0."""


def identity(log: str) -> bytes:
    """Return the 5 bytes that stand for a log's name in cursors."""
    return blake2b(log.encode(), digest_size=5).digest()


def fingerprint(log: bytes, message_id: str | None, body: bytes) -> bytes:
    """Return 6 bytes of BLAKE2b over the log, the message id and the raw body, never over what it was mapped to."""
    digest = blake2b(log, digest_size=6)
    # The length keeps (id "a", body "b…") and (id "ab", body "…") apart.
    name = b"" if message_id is None else message_id.encode("utf-8", "surrogatepass")
    digest.update(b"%d:%b" % (len(name), name))
    digest.update(body)
    return digest.digest()


def decode(text: str) -> Cursor:
    """Return the cursor that the text names; raises BadCursorError for anything else, whoever wrote it."""
    if len(text) != TEXT_LENGTH:
        raise BadCursorError(
            f"a cursor has {TEXT_LENGTH} characters, this one has {len(text)}; send the last one you got"
        )
    try:
        version, log, offset, item, part, mark = LAYOUT.unpack(urlsafe_b64decode(text.encode("ascii")))
    # Other characters than base64's are skipped by the decoder, so there may be too few bytes as well.
    except (Base64Error, layout_error, ValueError) as error:
        raise BadCursorError("this is not a cursor of this relay; send the last one you got, unchanged") from error
    if version != VERSION:
        raise BadCursorError(f"cursors of version {version} are not spoken here; connect without `after`")
    cursor = Cursor(log, offset, item, part, mark)
    if offset > 2**63 - 1 or str(cursor) != text:
        raise BadCursorError("this is not a cursor of this relay; send the last one you got, unchanged")
    return cursor
