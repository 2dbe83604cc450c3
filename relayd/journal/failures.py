"""What SQLite's errors mean to an operator."""

import sqlite3
from pathlib import Path

from relayd.ports import JournalError

__all__ = ["explain"]

MENDS = {
    "SQLITE_FULL": "the disk is full: free space there, or lower `journal.max_mib`",
    "SQLITE_IOERR": "the disk fails: see the kernel's log, and move `journal.path` to a sound disk",
    "SQLITE_CORRUPT": "the file is damaged: move it away and let a new one be made",
    "SQLITE_NOTADB": "the file is no database: move it away, or give `journal.path` another name",
    "SQLITE_READONLY": "it can't be written: give relayd's user the right to write the file and its folder",
    "SQLITE_CANTOPEN": "it can't be opened: give relayd's user the right to read and write the file and its folder",
    "SQLITE_BUSY": "another program holds the file: end that program",
}


def explain(error: BaseException, path: Path) -> JournalError:
    """Return the error as a sentence that names the file, the reason and the mend."""
    if isinstance(error, OSError):
        return JournalError(
            f"journal {path}: {error.strerror or error}: give relayd's user the right to write there,"
            " or set `journal.path` to another place"
        )
    if not isinstance(error, sqlite3.Error):
        return JournalError(f"journal {path}: a row can't be read ({error}): {MENDS['SQLITE_CORRUPT']}")
    # Extended names, SQLITE_IOERR_WRITE for one, begin with the plain one; errors of the module itself have none.
    name: str = getattr(error, "sqlite_errorname", "")
    mend = next((mend for prefix, mend in MENDS.items() if name.startswith(prefix)), None)
    if mend is None:
        return JournalError(f"journal {path}: {error}: restart relayd; if it stays so, move the file away")
    return JournalError(f"journal {path}: {error}: {mend}")
