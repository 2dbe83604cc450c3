"""
Wherever a bit flips or the file ends: what is read is what was written, or somebody is told.

The file is as a kill left it, so that it is looked through.  What is not compared: which rejected events there are.
"""

import shutil
from pathlib import Path
from random import Random

from relayd.core.floor import Floor
from relayd.journal.sqlite import SqliteJournal
from relayd.ports import JournalDamaged, JournalError, JournalMistake
from relayd.protocol.cursor import Place
from relayd.testing.journal_words import LIMITS, LOG, NOW, commit, poison, row, said

ROUNDS = 150
PROJECTS = ("a", "b", "c")
WINDOW = 50


def on_disk(path: Path) -> SqliteJournal:
    """Return a journal that keeps everything."""
    limits = LIMITS | {"max_events_per_project": 10_000, "max_age_seconds": 1e9}
    return SqliteJournal(path, synchronous="normal", **limits)


async def filled(folder: Path, *, checkpointed: bool) -> Path:
    """Return a file that was in use when it was copied, with or without a write-ahead log beside it."""
    journal = on_disk(folder / "open" / "journal.db")
    await journal.open(LOG, window=WINDOW)
    for offset in range(60):
        entries = [said(project, offset, item=item, text="x" * 40) for item, project in enumerate(PROJECTS)]
        states = [row(project, Place(0, offset, item)) for item, project in enumerate(PROJECTS)] if offset % 9 else []
        await journal.commit(commit(entries, projects=states, rejected=[poison(offset)]))
    await journal.commit(commit([said("a", 60)], floors={"c": Floor(Place(0, 0, 2))}))
    if checkpointed:
        assert journal._opened is not None
        await journal._opened.writer.run(lambda db: db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
    for name in ("journal.db", "journal.db-wal"):
        shutil.copy(folder / "open" / name, folder / name)
    await journal.close()
    return folder / "journal.db"


async def story(path: Path) -> dict[str, object]:
    """Return all that a journal tells of its projects, after it was looked through; raises JournalError."""
    journal = on_disk(path)
    try:
        recovered = await journal.open(LOG, window=WINDOW)
        await journal.check()
        await journal.retain(NOW)
        told: dict[str, object] = {
            "position": recovered.position,
            "floors": recovered.floors,
            "floor": recovered.floor,
            "projects": recovered.projects,
            "rows": list(await journal.list_projects()),
        }
        for project in PROJECTS:
            told[project] = list(await journal.read(project, limit=1_000))
            told[f"loaded {project}"] = await journal.load(project, newest=5)
        return told
    finally:
        await journal.close()


def placed(folder: Path, content: bytes, log: bytes) -> Path:
    """Put a file and its write-ahead log into an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    path = folder / "journal.db"
    path.write_bytes(content)
    path.with_name("journal.db-wal").write_bytes(log)
    return path


async def ends(folder: Path, content: bytes, log: bytes, truth: dict[str, object]) -> str:
    """Return what becomes of a file with this content and write-ahead log."""
    try:
        told = await story(placed(folder, content, log))
    except JournalError as error:
        return type(error).__name__
    return "whole" if told == truth else "wrong"


async def test_a_bit_that_flips_is_seen_or_does_no_harm(tmp_path: Path) -> None:
    """In free space and in what is only for speed it does none; nowhere is it believed."""
    path = await filled(tmp_path, checkpointed=True)
    content = path.read_bytes()
    truth = await story(Path(shutil.copy(path, tmp_path / "truth.db")))
    ended: dict[str, list[int]] = {}
    for seed in range(ROUNDS):
        flipped = bytearray(content)
        bit = Random(seed).randrange(len(content) * 8)
        flipped[bit // 8] ^= 1 << bit % 8
        ended.setdefault(await ends(tmp_path / "x", bytes(flipped), b"", truth), []).append(seed)
    print({name: len(seeds) for name, seeds in ended.items()})  # noqa: T201  # seen when the test fails
    assert [] == ended.pop("wrong", [])
    assert {JournalDamaged.__name__, "whole"} <= ended.keys()
    assert len(ended.get(JournalMistake.__name__, [])) < 3


async def test_a_file_that_ends_anywhere_is_damaged(tmp_path: Path) -> None:
    """Or it is as it was."""
    content = (await filled(tmp_path, checkpointed=True)).read_bytes()
    for seed in range(ROUNDS // 5):
        end = Random(seed).randrange(1, len(content))
        assert JournalDamaged.__name__ == await ends(tmp_path / "x", content[:end], b"", {}), seed


async def test_a_write_ahead_log_that_is_damaged_ends_there(tmp_path: Path) -> None:
    """What is before is an older state of the file, and whole; what is behind was not written."""
    path = await filled(tmp_path, checkpointed=False)
    content, log = path.read_bytes(), path.with_name("journal.db-wal").read_bytes()
    assert len(log) > 100_000
    for seed in range(ROUNDS // 3):
        flipped = bytearray(log)
        bit = Random(seed).randrange(len(log) * 8)
        flipped[bit // 8] ^= 1 << bit % 8
        journal = on_disk(placed(tmp_path / "x", content, bytes(flipped)))
        recovered = await journal.open(LOG, window=WINDOW)
        await journal.check()
        reached = -1 if recovered.position is None else recovered.position.offset
        for item, project in enumerate(PROJECTS):
            found = [one.place.offset for one in await journal.read(project, limit=1_000)]
            assert list(range(min(reached, 60 if item == 0 else 59) + 1)) == found, seed
        await journal.close()
