import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from relayd.journal.failures import explain


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
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        db.execute("CREATE TABLE t (x)")


def absent(path: Path) -> None:
    """Open what is not there."""
    sqlite3.connect(path / "deeper")


def strange(path: Path) -> None:
    """Make a mistake of ours."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("SELECT nonsense")


def forbidden(path: Path) -> None:
    """Make a folder where a file is."""
    path.write_text("a file")
    (path / "folder").mkdir()


def unreadable(path: Path) -> None:
    """Read a row that holds no number."""
    int(path.name)


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
