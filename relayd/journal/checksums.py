"""
What SQLite does not look after: whether the bytes of a row are those that were written.

Its own check finds a tree that is broken; a bit that flips within a text breaks no tree.  What was written before there
were checksums has none, and is believed.
"""

from zlib import crc32

from relayd.ports import JournalDamaged

__all__ = ["checksum", "seal", "unseal", "verify"]

SEALED = b"\x01"
"""No JSON begins with it."""

DAMAGED = "a row is not what was written: move the file away and let a new one be made"


def checksum(columns: tuple[object, ...], body: bytes) -> int:
    """Return 32 bits that stand for a row: its body, and the columns that say whose it is and where it stands."""
    return crc32(body, crc32(repr(columns).encode("utf-8", "replace")))


def verify(stored: int | None, columns: tuple[object, ...], body: object) -> None:
    """Raise JournalDamaged if a row is not the one that was written."""
    # A flipped bit may change what kind of value a column holds.
    if not isinstance(body, bytes) or (stored is not None and stored != checksum(columns, body)):
        raise JournalDamaged(DAMAGED)


def seal(body: bytes) -> bytes:
    """Return a small JSON value together with its checksum."""
    return SEALED + crc32(body).to_bytes(4) + body


def unseal(sealed: object) -> bytes:
    """Return the value; raises JournalDamaged if it is not the one that was sealed."""
    if not isinstance(sealed, bytes):
        raise JournalDamaged(DAMAGED)
    if not sealed.startswith(SEALED):
        return sealed
    if crc32(sealed[5:]).to_bytes(4) != sealed[1:5]:
        raise JournalDamaged(DAMAGED)
    return sealed[5:]
