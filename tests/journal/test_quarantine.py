from pathlib import Path

import pytest

from relayd.journal.quarantine import KEPT, move_aside

NOON = 1_767_268_800.0
"""2026-01-01, 12:00 UTC."""
NAME = "relayd.db.damaged-20260101T120000Z"


def written(folder: Path, *companions: str, text: str = "x") -> Path:
    """Return the path of a file with these companions."""
    for companion in companions:
        (folder / f"relayd.db{companion}").write_text(text)
    return folder / "relayd.db"


def names(folder: Path) -> list[str]:
    """Return what is in a folder."""
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_moved_with_its_companions(tmp_path: Path) -> None:
    """Under a name with the time, with which SQLite finds them together; the lock stays."""
    path = written(tmp_path, "", "-wal", "-shm", ".lock")
    aside = move_aside(path, NOON)
    assert aside is not None
    assert (str(tmp_path / NAME), []) == (aside.path, list(aside.gone))
    assert [NAME, f"{NAME}-shm", f"{NAME}-wal", "relayd.db.lock"] == names(tmp_path)


def test_where_there_is_none_nothing_is_moved(tmp_path: Path) -> None:
    """A new file can be made at once."""
    assert None is move_aside(tmp_path / "relayd.db", NOON)
    assert [] == names(tmp_path)


def test_companions_that_were_left_behind_are_moved_too(tmp_path: Path) -> None:
    """An old write-ahead log beside a new file would be taken for its own."""
    path = written(tmp_path, "-wal")
    assert None is not move_aside(path, NOON)
    assert [f"{NAME}-wal"] == names(tmp_path)


def test_two_within_a_second_have_names_of_their_own(tmp_path: Path) -> None:
    """Neither is lost."""
    for text in ("first", "second"):
        move_aside(written(tmp_path, "", text=text), NOON)
    assert [NAME, f"{NAME}.1"] == names(tmp_path)
    assert ["first", "second"] == [(tmp_path / name).read_text() for name in names(tmp_path)]


def test_the_newest_stay(tmp_path: Path) -> None:
    """Older ones make room, with their companions, and are named; what is somebody else's stays."""
    mine = tmp_path / "relayd.db.damaged-by-me"
    mine.write_text("x")
    gone: list[str] = []
    for day in range(KEPT + 2):
        aside = move_aside(written(tmp_path, "", "-wal"), NOON + day * 86_400)
        assert aside is not None
        gone += aside.gone
    assert [f"relayd.db.damaged-2026010{day}T120000Z{end}" for day in (1, 2) for end in ("", "-wal")] == gone
    kept = [f"relayd.db.damaged-2026010{day}T120000Z{end}" for day in (3, 4, 5) for end in ("", "-wal")]
    assert [*kept, mine.name] == names(tmp_path)


def test_a_folder_that_can_t_be_written_is_an_error(tmp_path: Path) -> None:
    """Of the system; whoever called says it in a sentence."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(NotADirectoryError):
        move_aside(tmp_path / "file" / "relayd.db", NOON)
