import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from relayd.journal.ledger import Ledger
from relayd.journal.recovery import check_damage, claim, recover
from relayd.journal.schema import migrate
from relayd.journal.writing import put_meta, write
from relayd.ports import JournalError
from relayd.testing.journal_words import commit, mark, said


def journal(path: Path) -> sqlite3.Connection:
    """Return the database of a journal with 40 commits of a project, still open."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA synchronous = OFF")
    migrate(db)
    claim(db, "x")
    ledger = Ledger(window=5, max_events=9)
    for offset in range(40):
        write(db, ledger, commit([said("a", offset, text="x" * 3000)]), max_rejected=9)
    return db


def rot(path: Path) -> None:
    """Overwrite pages in the middle of a file."""
    with path.open("r+b") as file:
        file.seek(4096 * 20)
        file.write(b"rot!" * 2048)


def test_damage_is_found_after_an_unclean_stop(tmp_path: Path) -> None:
    """Better none than a journal that lies about the past."""
    journal(tmp_path / "db").close()
    rot(tmp_path / "db")
    with (
        closing(sqlite3.connect(tmp_path / "db")) as db,
        pytest.raises(JournalError, match=r"damaged .*: move the file away"),
    ):
        check_damage(db)


def test_a_file_that_was_closed_is_not_searched(tmp_path: Path) -> None:
    """A start takes no longer the more there is."""
    with closing(journal(tmp_path / "db")) as db:
        put_meta(db, "clean", value=True)
    rot(tmp_path / "db")
    with closing(sqlite3.connect(tmp_path / "db")) as db:
        check_damage(db)


def test_an_unclean_stop_without_damage_is_none(tmp_path: Path) -> None:
    """Most crashes break nothing; and a new file has nothing to search."""
    with closing(sqlite3.connect(":memory:")) as db:
        check_damage(db)
    with closing(journal(tmp_path / "db")) as db:
        check_damage(db)


def test_a_file_is_one_logs(tmp_path: Path) -> None:
    """The sentence names both logs and the mend."""
    with (
        closing(journal(tmp_path / "db")) as db,
        pytest.raises(JournalError, match=r"log 'x', not to 'y': give `journal\.path`"),
    ):
        claim(db, "y")


def test_counts_and_window_are_read(tmp_path: Path) -> None:
    """What retention and repeats need: which project has too many events, where the window begins."""
    with closing(journal(tmp_path / "db")) as db:
        ledger, recovered = recover(db, window=5, max_events=39)
    assert {1: 40} == ledger.events
    assert {1} == ledger.crowded
    assert 36 == ledger.window_begin
    assert [35, 36, 37, 38, 39] == [body.offset for body in recovered.bodies]
    assert [(offset,) for offset in range(35, 40)] == [body.repeat_keys for body in recovered.bodies]


def test_bodies_without_keys_come_back_too(tmp_path: Path) -> None:
    """They are checkpoints: a cursor may stand there."""
    with closing(journal(tmp_path / "db")) as db:
        ledger, _ = recover(db, window=5, max_events=39)
        told = commit([said("a", 50), said("a", 51)])
        silent = [replace(body, repeat_keys=()) for body in told.bodies]
        write(db, ledger, replace(told, bodies=silent), max_rejected=9)
        _, recovered = recover(db, window=5, max_events=39)
    assert [mark(0, 50), mark(0, 51)] == [body.fingerprint for body in recovered.bodies[-2:]]
    assert [35, 36, 37, 38, 39] == [key for body in recovered.bodies for key in body.repeat_keys]
