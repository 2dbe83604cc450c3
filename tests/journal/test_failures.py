import errno
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from relayd.journal.failures import explain
from relayd.ports import JournalDamaged, JournalError, JournalMistake
from tests.harness.disk import SmallDisk


def full(path: Path) -> None:
    """Fill a disk of two pages."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA max_page_count = 2")
        db.execute("CREATE TABLE t (x)")
        db.execute("INSERT INTO t VALUES (zeroblob(100000))")


def no_database(path: Path) -> None:
    """Open a text."""
    path.write_text("no database\n" * 100)
    with closing(sqlite3.connect(path)) as db:
        db.execute("SELECT * FROM sqlite_master")


def locked(path: Path) -> None:
    """Write what another writes."""
    with closing(sqlite3.connect(path, isolation_level=None)) as one, closing(sqlite3.connect(path, timeout=0)) as two:
        one.execute("BEGIN EXCLUSIVE")
        two.execute("CREATE TABLE t (x)")


def readonly(path: Path) -> None:
    """Write where one may only read."""
    sqlite3.connect(path).close()
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            db.execute("CREATE TABLE t (x)")
    finally:
        # Root may write everything; nobody can write what is not there.
        path.unlink()


def closed(path: Path) -> None:
    """Write a file that says it must not be written, though it could be."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE t (x)")
    content = bytearray(path.read_bytes())
    content[18] = 9
    path.write_bytes(content)
    with closing(sqlite3.connect(path)) as db:
        db.execute("INSERT INTO t VALUES (1)")


def newer(path: Path) -> None:
    """Read a file in a format that SQLite does not know."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE t (x)")
    content = bytearray(path.read_bytes())
    content[47] = 9
    path.write_bytes(content)
    with closing(sqlite3.connect(path)) as db:
        db.execute("SELECT * FROM t")


def absent(path: Path) -> None:
    """Open what is not there."""
    sqlite3.connect(path / "deeper")


def strange(path: Path) -> None:
    """Make a mistake of ours."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("SELECT FROM")


def forbidden(path: Path) -> None:
    """Make a folder where a file is."""
    path.write_text("a file")
    (path / "folder").mkdir()


def unreadable(path: Path) -> None:
    """Read a row that holds no number."""
    int(path.name)


def lopsided(path: Path) -> None:
    """Break a rule of a table."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE t (x PRIMARY KEY)")
        db.execute("INSERT INTO t VALUES (1), (1)")


def missing(path: Path) -> None:
    """Read a table that is not there."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("SELECT * FROM chunks")


@pytest.mark.parametrize(
    ("fail", "mend"),
    [
        (full, "lower `journal.max_mib`"),
        (no_database, "is no database: move it away"),
        (locked, "end that program"),
        (readonly, "the right to write"),
        (absent, "the right to read and write"),
        (strange, "restart relayd"),
        (forbidden, "set `journal.path` to another place"),
        (unreadable, "let a new one be made"),
        (lopsided, "let a new one be made"),
        (missing, "let a new one be made"),
    ],
)
def test_an_error_names_the_file_and_the_mend(fail: Callable[[Path], None], mend: str, tmp_path: Path) -> None:
    """An operator at night needs no search engine."""
    path = tmp_path / "journal.db"
    with pytest.raises((sqlite3.Error, OSError, ValueError)) as caught:
        fail(path)
    sentence = str(explain(caught.value, path))
    assert f"journal {path}: " in sentence
    assert mend in sentence


@pytest.mark.parametrize(
    ("fail", "kind"),
    [
        (full, JournalError),
        (locked, JournalError),
        (strange, JournalError),
        (no_database, JournalDamaged),
        (unreadable, JournalDamaged),
        (lopsided, JournalDamaged),
        (missing, JournalDamaged),
        (closed, JournalDamaged),
        (newer, JournalDamaged),
        (readonly, JournalMistake),
        (absent, JournalMistake),
        (forbidden, JournalMistake),
    ],
)
def test_an_error_says_what_helps(fail: Callable[[Path], None], kind: type[JournalError], tmp_path: Path) -> None:
    """To try again, to begin a new file, or nothing that a relay could do."""
    path = tmp_path / "journal.db"
    with pytest.raises((sqlite3.Error, OSError, ValueError)) as caught:
        fail(path)
    assert kind is type(explain(caught.value, path))


def named(name: str) -> sqlite3.Error:
    """Return an error that SQLite has this name for."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname = name
    return error


def test_a_disk_that_returns_something_else_is_damage(tmp_path: Path) -> None:
    """One that returns nothing may come back."""
    kinds = [
        type(explain(named(f"SQLITE_IOERR_{name}"), tmp_path / "db")) for name in ("SHORT_READ", "CORRUPTFS", "WRITE")
    ]
    assert [JournalDamaged, JournalDamaged, JournalError] == kinds


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, JournalError),
        (errno.EDQUOT, JournalError),
        (errno.EIO, JournalError),
        (errno.EACCES, JournalMistake),
    ],
)
def test_an_error_of_the_system_may_pass(number: int, kind: type[JournalError], tmp_path: Path) -> None:
    """A disk is emptied or mended; rights are given by people."""
    assert kind is type(explain(OSError(number, "x"), tmp_path / "db"))


@pytest.mark.parametrize("name", ["SQLITE_CANTOPEN", "SQLITE_IOERR_SHMSIZE"])
def test_on_a_full_disk_it_is_the_disk(name: str, tmp_path: Path) -> None:
    """SQLite can't make its companions there, and says that it can't open or that the disk fails."""
    with SmallDisk(tmp_path, kib=64) as disk:
        disk.fill()
        full_one = explain(named(name), disk.folder / "journal.db")
        disk.free()
        other = explain(named(name), disk.folder / "journal.db")
    assert "the disk is full" in str(full_one)
    assert JournalError is type(full_one)
    assert "the disk is full" not in str(other)


def test_a_folder_that_is_gone_is_not_full(tmp_path: Path) -> None:
    """Nobody knows what is free there."""
    assert "can't be opened" in str(explain(named("SQLITE_CANTOPEN"), tmp_path / "gone" / "journal.db"))
