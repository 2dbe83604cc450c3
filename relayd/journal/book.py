"""The purge book on disk: a small file beside the journal, which stays where the journal is moved aside or lost."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from relayd.core.purges import Purge
from relayd.files.durable import Damaged, DurableFile
from relayd.ports import JournalError, JournalMistake

__all__ = ["MemoryBook", "PurgeFile"]

MEND = (
    "restore it from a backup; without one move it away, and purge anew what must not come back when the stream is read"
    " once more"
)


class Page(Struct, frozen=True):
    """What the file holds."""

    log: str
    purges: Sequence[Purge]


class PurgeFile:
    """Notes purges in one file."""

    lasting = True

    def __init__(self, path: Path) -> None:
        """Take the file's path; it is made at the first purge."""
        self._file = DurableFile(path, "purges")

    async def read(self, log: str) -> Sequence[Purge]:
        """Return what was noted, nothing if there is no file; raises JournalMistake if it is damaged."""
        path = self._file.path
        try:
            body = await asyncio.to_thread(self._file.read)
            if body is None:
                return ()
            page = msgspec.json.decode(body, type=Page)
        except OSError as error:
            raise JournalMistake(f"{path}: {error.strerror}: give relayd's user the right to read it") from error
        except (Damaged, msgspec.MsgspecError) as error:
            raise JournalMistake(
                f"{path}: what was purged can't be read, the file is damaged or another version's: {MEND}"
            ) from error
        if page.log != log:
            raise JournalMistake(
                f"{path}: it says what was purged from the log {page.log!r}, not from {log!r}:"
                " give `journal.path` another name, or move the file away"
            )
        return page.purges

    async def write(self, log: str, purges: Sequence[Purge]) -> None:
        """Note all of these in place of what was noted, and return when it is on the disk; raises JournalError."""
        try:
            await self._file.write(msgspec.json.encode(Page(log, purges)))
        except OSError as error:
            why = error.strerror or error
            raise JournalError(f"{self._file.path}: what is purged could not be noted: {why}") from error


class MemoryBook:
    """Notes nothing: where there is no journal, what is purged is known for as long as the relay runs."""

    lasting = False

    async def read(self, log: str) -> Sequence[Purge]:  # noqa: ARG002  # the port's verb
        """Return nothing."""
        return ()

    async def write(self, log: str, purges: Sequence[Purge]) -> None:
        """Do nothing."""
