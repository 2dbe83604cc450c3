import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from relayd.journal.ledger import Ledger
from relayd.journal.recovery import claim, look_through, recover, was_closed
from relayd.journal.schema import migrate
from relayd.journal.writing import put_meta, write
from relayd.ports import JournalDamaged, JournalMistake
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


def test_damage_is_found(tmp_path: Path) -> None:
    """Better none than a journal that lies about the past."""
    journal(tmp_path / "db").close()
    rot(tmp_path / "db")
    with (
        closing(sqlite3.connect(tmp_path / "db")) as db,
        pytest.raises(JournalDamaged, match=r"damaged .*: move the file away"),
    ):
        look_through(db)


def test_an_index_that_has_lost_a_row_is_damage(tmp_path: Path) -> None:
    """Who reads by it would miss the row's events, and nobody would be told."""
    with closing(journal(tmp_path / "db")) as db:
        db.execute("PRAGMA writable_schema = ON")
        (sql,) = db.execute("SELECT sql FROM sqlite_schema WHERE name = 'chunks_by_place'").fetchone()
        db.execute("UPDATE sqlite_schema SET sql = replace(sql, ', events)', ', events) WHERE seq > 0')"
                   " WHERE name = 'chunks_by_place'")  # fmt: skip
    with closing(sqlite3.connect(tmp_path / "db", isolation_level=None)) as db:
        # To this one the index is of some rows only, and so it leaves the others alone.
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_schema SET sql = replace(sql, 'seq > 0', 'seq > 99') WHERE name = 'chunks_by_place'")
    with closing(sqlite3.connect(tmp_path / "db", isolation_level=None)) as db:
        db.execute("DELETE FROM chunks WHERE seq = 7")
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_schema SET sql = ? WHERE name = 'chunks_by_place'", (sql,))
    with closing(sqlite3.connect(tmp_path / "db")) as db:
        assert ("ok",) == db.execute("PRAGMA quick_check(1)").fetchone()
        with pytest.raises(JournalDamaged):
            look_through(db)


def test_most_crashes_break_nothing(tmp_path: Path) -> None:
    """And a new file has nothing to search."""
    with closing(sqlite3.connect(":memory:")) as db:
        look_through(db)
    with closing(journal(tmp_path / "db")) as db:
        look_through(db)


def test_only_who_said_so_was_closed_in_order(tmp_path: Path) -> None:
    """Neither a new file nor one that was in use."""
    with closing(journal(tmp_path / "db")) as db:
        assert not was_closed(db)
        put_meta(db, "clean", value=True)
        assert was_closed(db)


@pytest.mark.parametrize("table", ["chunks", "checkpoints"])
def test_what_lies_behind_the_position_is_damage(tmp_path: Path, table: str) -> None:
    """Pages of two times: read again from the position, the same events would stand there twice."""
    with closing(journal(tmp_path / "db")) as db:
        recover(db, window=5, max_events=9)
        newest = f"WHERE seq = (SELECT max(seq) FROM {table})"  # noqa: S608  # a word of the test
        db.execute(f"UPDATE {table} SET last_offset = 40 {newest}")  # noqa: S608  # as above
        with pytest.raises(JournalDamaged, match="offset 40, behind its own position"):
            recover(db, window=5, max_events=9)
        db.execute(f"UPDATE {table} SET last_offset = 39 {newest}")  # noqa: S608  # as above
        db.execute("DELETE FROM meta WHERE key = 'position'")
        with pytest.raises(JournalDamaged, match="offset 39, behind its own position"):
            recover(db, window=5, max_events=9)


def test_a_file_is_one_logs(tmp_path: Path) -> None:
    """The sentence names both logs and the mend."""
    with (
        closing(journal(tmp_path / "db")) as db,
        pytest.raises(JournalMistake, match=r"log 'x', not to 'y': give `journal\.path`"),
    ):
        claim(db, "y")


def test_opening_a_file_writes_nothing(tmp_path: Path) -> None:
    """On a full disk it can be read all the same."""
    with closing(journal(tmp_path / "db")) as db:
        before = db.total_changes
        claim(db, "x")
        recover(db, window=5, max_events=9)
        assert before == db.total_changes


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
