"""What SQLite's errors mean to an operator, and to the relay: does it help to try again, or to begin a new file?"""

import errno
import os
import sqlite3
from pathlib import Path

from relayd.ports import JournalDamaged, JournalError, JournalMistake

__all__ = ["explain"]

FULL = "the disk is full: free space there, or lower `journal.max_mib`"
FAILS = "the disk fails: see the kernel's log, and move `journal.path` to a sound disk"
DAMAGED = "the file is damaged: move it away and let a new one be made"

MEANINGS: dict[str, tuple[type[JournalError], str]] = {
    "SQLITE_FULL": (JournalError, FULL),
    # Before the plain name: these say that what is there is not what was written.
    "SQLITE_IOERR_SHORT_READ": (JournalDamaged, DAMAGED),
    "SQLITE_IOERR_CORRUPTFS": (JournalDamaged, DAMAGED),
    "SQLITE_IOERR_DATA": (JournalDamaged, DAMAGED),
    "SQLITE_IOERR": (JournalError, FAILS),
    "SQLITE_CORRUPT": (JournalDamaged, DAMAGED),
    # What we write keeps the rules of our own tables, unless the tables are not ours any more.
    "SQLITE_CONSTRAINT": (JournalDamaged, DAMAGED),
    "SQLITE_MISMATCH": (JournalDamaged, DAMAGED),
    "SQLITE_NOTADB": (
        JournalDamaged,
        "the file is no database: move it away, or give `journal.path` another name",
    ),
    "SQLITE_READONLY": (
        JournalMistake,
        "it can't be written: give relayd's user the right to write the file and its folder",
    ),
    "SQLITE_CANTOPEN": (
        JournalMistake,
        "it can't be opened: give relayd's user the right to read and write the file and its folder",
    ),
    "SQLITE_BUSY": (JournalError, "another program holds the file: end that program"),
}
"""By the beginning of the error's name, what it is and the mend."""

SIGNS = ("no such table", "no such column", "already exists", "malformed", "not decode", "unsupported file format")
"""Words of errors without a name of their own, when the file is not as we made it."""

PASSING = {errno.ENOSPC: FULL, errno.EDQUOT: FULL, errno.EIO: FAILS}
"""Errors of the system that may go away by themselves."""

LEAST = 64 << 10
"""Bytes; where less is free SQLite can't even begin, and says that it can't open."""


def explain(error: BaseException, path: Path) -> JournalError:
    """Return the error as a sentence that names the file, the reason and the mend."""
    if isinstance(error, OSError):
        return explain_system(error, path)
    if not isinstance(error, sqlite3.Error):
        return JournalDamaged(f"journal {path}: a row can't be read ({error}): {DAMAGED}")
    # Extended names, SQLITE_IOERR_WRITE for one, begin with the plain one; errors of the module itself have none.
    name: str = getattr(error, "sqlite_errorname", "")
    kind, mend = next(
        (meaning for beginning, meaning in MEANINGS.items() if name.startswith(beginning)),
        (JournalError, "restart relayd; if it stays so, move the file away"),
    )
    if any(sign in str(error) for sign in SIGNS) or (name == "SQLITE_READONLY" and is_ours(path)):
        kind, mend = JournalDamaged, DAMAGED
    elif name.startswith(("SQLITE_CANTOPEN", "SQLITE_IOERR")) and kind is not JournalDamaged and is_full(path):
        kind, mend = JournalError, FULL
    return kind(f"journal {path}: {error}: {mend}")


def explain_system(error: OSError, path: Path) -> JournalError:
    """Return an error of the system as a sentence."""
    reason = error.strerror or str(error)
    if error.errno in PASSING:
        return JournalError(f"journal {path}: {reason}: {PASSING[error.errno]}")
    return JournalMistake(
        f"journal {path}: {reason}: give relayd's user the right to write there, or set `journal.path` to another place"
    )


def is_full(path: Path) -> bool:
    """Tell whether next to nothing is free on a file's disk."""
    try:
        disk = os.statvfs(path.parent)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < LEAST


def is_ours(path: Path) -> bool:
    """Tell whether a file and its folder can be written: one that says it can't be is damaged."""
    return path.exists() and os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
