"""All or nothing, for code that runs in the thread of one connection."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

__all__ = ["transaction"]


@contextmanager
def transaction(db: sqlite3.Connection, kind: Literal["IMMEDIATE", "DEFERRED"] = "IMMEDIATE") -> Iterator[None]:
    """Commit when the block ends, roll back when it or the commit raises; DEFERRED gives reads one consistent view."""
    db.execute(f"BEGIN {kind}")
    try:
        yield
        # Inside: on a full disk it is often the COMMIT that fails, and it leaves the transaction open.
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            # The first error is the one to tell; a disk that is gone fails the rollback, too.
            with suppress(sqlite3.Error):
                db.execute("ROLLBACK")
        raise
