"""One file, one process."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from relayd.ports import JournalMistake

__all__ = ["Lock"]


class Lock:
    """
    A lock that the kernel gives back when the process ends, however it ends.

    The file stays behind on purpose: deleting it would let two processes lock two files of one name.
    """

    def __init__(self, path: Path) -> None:
        """Take the lock at once; raises JournalMistake if it is taken, OSError if the file can't be made."""
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._fd, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._fd)
            raise JournalMistake(
                f"the journal is in use by process {holder} ({path}): end that one, or give each its own `journal.path`"
            ) from None
        # Who has it is told as a courtesy; a disk that is full must not keep the lock from being taken.
        with suppress(OSError):
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, b"%d\n" % os.getpid(), 0)

    def release(self) -> None:
        """Give it back."""
        os.close(self._fd)
