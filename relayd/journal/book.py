"""
The purge book on disk: a small file beside the journal, which stays where the journal is moved aside or lost.

Law: what it says is whole or nothing.  It is written under another name, brought to the disk and renamed.
"""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

import msgspec
from msgspec import Struct

from relayd.core.purges import Purge
from relayd.ports import JournalError, JournalMistake

__all__ = ["MemoryBook", "PurgeFile"]

MEND = (
    "restore it from a backup; without one move it away, and purge anew what must not come back when the stream is read"
    " once more"
)


class Page(Struct, frozen=True):
    """What the file holds behind its checksum."""

    log: str
    purges: Sequence[Purge]


class PurgeFile:
    """Notes purges in one file: a checksum in hexadecimal, a line feed, and JSON."""

    lasting = True

    def __init__(self, path: Path) -> None:
        """Take the file's path; it is made at the first purge."""
        self._path = path

    async def read(self, log: str) -> Sequence[Purge]:
        """Return what was noted, nothing if there is no file; raises JournalMistake if it is damaged."""
        return await asyncio.to_thread(self._read, log)

    def _read(self, log: str) -> Sequence[Purge]:
        try:
            checksum, _, text = self._path.read_bytes().partition(b"\n")
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise JournalMistake(f"{self._path}: {error.strerror}: give relayd's user the right to read it") from error
        if checksum != b"%08x" % crc32(text):
            raise JournalMistake(f"{self._path}: what was purged can't be read, the file is damaged: {MEND}")
        try:
            page = msgspec.json.decode(text, type=Page)
        except msgspec.DecodeError as error:
            raise JournalMistake(f"{self._path}: what was purged can't be read ({error}): {MEND}") from error
        if page.log != log:
            raise JournalMistake(
                f"{self._path}: it says what was purged from the log {page.log!r}, not from {log!r}:"
                " give `journal.path` another name, or move the file away"
            )
        return page.purges

    async def write(self, log: str, purges: Sequence[Purge]) -> None:
        """Note all of these in place of what was noted, and return when it is on the disk; raises JournalError."""
        try:
            await asyncio.to_thread(self._write, msgspec.json.encode(Page(log, purges)))
        except OSError as error:
            raise JournalError(f"{self._path}: what is purged could not be noted: {error.strerror}") from error

    def _write(self, text: bytes) -> None:
        fresh = self._path.with_name(f"{self._path.name}.new")
        file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(file, "wb") as out:
            out.write(b"%08x\n" % crc32(text) + text)
            out.flush()
            os.fsync(file)
        fresh.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class MemoryBook:
    """Notes nothing: where there is no journal, what is purged is known for as long as the relay runs."""

    lasting = False

    async def read(self, log: str) -> Sequence[Purge]:  # noqa: ARG002  # the port's verb
        """Return nothing."""
        return ()

    async def write(self, log: str, purges: Sequence[Purge]) -> None:
        """Do nothing."""
