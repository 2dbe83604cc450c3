import asyncio
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relayd.journal.checksums import seal
from relayd.journal.sqlite import SqliteJournal
from relayd.ports import JournalDamaged
from relayd.testing.journal import JournalContract
from relayd.testing.journal_words import LIMITS, LOG, NOW, Limits, commit, refused, said
from tests.harness.disk import SmallDisk
from tests.harness.follower import until

WRITER = """
import asyncio, sys
from pathlib import Path
from relayd.journal.sqlite import SqliteJournal
from relayd.ports import JournalError
from relayd.testing.journal_words import LIMITS, LOG, commit, said

async def main():
    journal = SqliteJournal(Path(sys.argv[1]), synchronous="full", **(LIMITS | {"max_events_per_project": 10**6}))
    try:
        await journal.open(LOG, window=1)
    except JournalError as error:
        print(error)
        return
    for offset in range(1_000_000):
        await journal.commit(commit([said("a", offset, item=item) for item in range(3)]))
        print(offset, flush=True)

asyncio.run(main())
"""
"""Another relay on the same file; it tells each commit that it was promised."""


def on_disk(folder: Path, limits: Limits = LIMITS) -> SqliteJournal:
    """Return a journal in a folder."""
    return SqliteJournal(folder / "deep" / "journal.db", synchronous="normal", **limits)


class TestSqliteJournal(JournalContract):
    """The journal on disk keeps the contract."""

    @pytest.fixture
    async def journal(self, tmp_path: Path) -> AsyncIterator[SqliteJournal]:
        journal = on_disk(tmp_path)
        yield journal
        await journal.close()


# -- crashes and other people's files ------------------------------------------------------------------------------


async def contiguous(journal: SqliteJournal) -> int:
    """Return the offset up to which a journal of `WRITER` holds everything; fails if there is a hole."""
    recovered = await journal.open(LOG, window=1)
    assert recovered.position is not None
    found = await journal.read("a", limit=10**6)
    assert [(offset, item) for offset in range(recovered.position.offset + 1) for item in range(3)] == [
        one.place[1:3] for one in found
    ]
    await journal.close()
    return recovered.position.offset


async def test_a_killed_process_leaves_what_it_was_promised(tmp_path: Path) -> None:
    """Position and events agree, and no commit that returned is missing."""
    journal = on_disk(tmp_path)
    with subprocess.Popen(  # noqa: ASYNC220 - the loop has nothing else to do
        [sys.executable, "-c", WRITER, str(tmp_path / "deep" / "journal.db")], stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        told = [int(writer.stdout.readline()) for _ in range(20)]
        assert "in use by process" in await refused(journal.open(LOG, window=1))
        writer.send_signal(signal.SIGKILL)
        told += [int(line) for line in writer.stdout.read().splitlines()]
    assert told[-1] <= await contiguous(journal)


async def test_a_copy_of_the_open_files_is_consistent(tmp_path: Path) -> None:
    """A backup of file and write-ahead log, or a machine that loses power, shows whole commits."""
    journal = on_disk(tmp_path)
    await journal.open(LOG, window=1)
    for offset in range(10):
        await journal.commit(commit([said("a", offset, item=item) for item in range(3)]))
    (tmp_path / "copy" / "deep").mkdir(parents=True)
    for name in ("journal.db", "journal.db-wal"):
        shutil.copy(tmp_path / "deep" / name, tmp_path / "copy" / "deep" / name)
    await journal.close()
    assert await contiguous(on_disk(tmp_path / "copy")) == 9


async def left_behind(folder: Path, *, clean: bool) -> Path:
    """Return a copy of a file with 30 events of `a`, as a stop in order or a kill leaves it."""
    journal = on_disk(folder)
    await journal.open(LOG, window=1)
    for offset in range(30):
        await journal.commit(commit([said("a", offset, text="x" * 3000)]))
    source = folder / "deep" / "journal.db"
    copy = folder / "copy" / "deep" / "journal.db"
    copy.parent.mkdir(parents=True)
    if clean:
        await journal.close()
        shutil.copy(source, copy)
    else:
        assert journal._opened is not None
        await journal._opened.writer.run(lambda db: db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
        shutil.copy(source, copy)
        await journal.close()
    return copy


@pytest.mark.parametrize("clean", [True, False])
async def test_damage_is_looked_for_after_an_unclean_stop(tmp_path: Path, *, clean: bool) -> None:
    """Beside all else: it opens at once, however large it is; and what was found sound is not looked through again."""
    copy = await left_behind(tmp_path, clean=clean)
    content = bytearray(copy.read_bytes())
    content[4096 * 20 : 4096 * 22] = b"rot!" * 2048
    copy.write_bytes(content)
    journal = on_disk(tmp_path / "copy")
    recovered = await journal.open(LOG, window=1)
    assert recovered.position is not None
    if clean:
        await journal.check()
    else:
        assert "the journal is damaged" in await refused(journal.check())
    await journal.close()
    # Closing it does not make it sound.
    await journal.open(LOG, window=1)
    if not clean:
        assert "the journal is damaged" in await refused(journal.check())
    await journal.close()


async def test_who_was_found_sound_is_closed_in_order(tmp_path: Path) -> None:
    """One that nobody has looked through yet is looked through the next time."""
    await left_behind(tmp_path, clean=False)
    journal = on_disk(tmp_path / "copy")
    for looked_through in (False, True):
        await journal.open(LOG, window=1)
        assert not journal._sound
        if looked_through:
            await journal.check()
        await journal.close()
    await journal.open(LOG, window=1)
    assert journal._sound
    await journal.commit(commit([said("a", 99)]))
    (db,) = [sqlite3.connect(tmp_path / "copy" / "deep" / "journal.db")]
    assert [(seal(b"false"),)] == db.execute("SELECT value FROM meta WHERE key = 'clean'").fetchall()
    db.close()
    await journal.close()


async def test_what_a_check_finds_in_a_file_that_is_gone_is_nobodys_trouble(tmp_path: Path) -> None:
    """Another took its place meanwhile, and would be moved aside for it."""
    copy = await left_behind(tmp_path, clean=False)
    content = bytearray(copy.read_bytes())
    content[4096 * 20 : 4096 * 22] = b"rot!" * 2048
    copy.write_bytes(content)
    journal = on_disk(tmp_path / "copy")
    await journal.open(LOG, window=1)
    checking = asyncio.create_task(journal.check())
    await asyncio.sleep(0)
    await journal.set_aside(NOW)
    await journal.open(LOG, window=1)
    await checking
    await journal.check()
    await journal.close()


async def test_a_check_that_nobody_waits_for_ends(tmp_path: Path) -> None:
    """A relay that stops does not look through gigabytes first."""
    await left_behind(tmp_path, clean=False)
    journal = on_disk(tmp_path / "copy")
    await journal.open(LOG, window=1)
    before = set(threading.enumerate())
    checking = asyncio.create_task(journal.check())
    await asyncio.sleep(0)
    checking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await checking
    # The thread tells that it is done just before it is.
    await until(lambda: set(threading.enumerate()) <= before)
    await journal.close()


@pytest.mark.parametrize("how", ["text", "empty pages", "short", "torn"])
async def test_a_file_that_can_t_be_read_at_all_is_damage(tmp_path: Path, how: str) -> None:
    """No check is needed to see it; a new one can be begun in its place."""
    copy = await left_behind(tmp_path, clean=True)
    content = copy.read_bytes()
    damaged = {
        "text": b"no database\n" * 1000,
        "empty pages": content[:100] + bytes(4096 * 8 - 100) + content[4096 * 8 :],
        "short": content[: 4096 * 9],
        "torn": content[:4096] + content[8192:],
    }
    copy.write_bytes(damaged[how])
    journal = on_disk(tmp_path / "copy")
    with pytest.raises(JournalDamaged, match=str(copy)):
        await journal.open(LOG, window=1)
    aside = await journal.set_aside(NOW)
    assert aside is not None
    assert damaged[how] == (copy.parent / aside.path).read_bytes()
    assert (await journal.open(LOG, window=1)).position is None
    await journal.check()
    await journal.close()


async def test_a_file_that_is_moved_while_it_is_in_use_is_not_written_any_more(tmp_path: Path) -> None:
    """It would be gone with the process; moved back, it goes on."""
    journal = on_disk(tmp_path)
    path = tmp_path / "deep" / "journal.db"
    await journal.open(LOG, window=1)
    await journal.commit(commit([said("a", 1)]))
    path.rename(tmp_path / "elsewhere")
    with pytest.raises(JournalDamaged, match="was moved or deleted"):
        await journal.commit(commit([said("a", 2)]))
    path.write_text("another")
    with pytest.raises(JournalDamaged, match="was moved or deleted"):
        await journal.commit(commit([said("a", 2)]))
    (tmp_path / "elsewhere").rename(path)
    await journal.commit(commit([said("a", 2)]))
    path.unlink()
    assert await journal.set_aside(NOW) is not None
    assert (await journal.open(LOG, window=1)).position is None
    await journal.close()


async def test_a_file_in_use_is_not_moved(tmp_path: Path) -> None:
    """Another process's lock holds for that, too."""
    one, other = on_disk(tmp_path), on_disk(tmp_path)
    await one.open(LOG, window=1)
    assert "in use by process" in await refused(other.set_aside(NOW))
    await one.commit(commit([said("a", 1)]))
    await one.close()


READER = """
import asyncio, os, sys
from pathlib import Path
from relayd.journal.sqlite import SqliteJournal
from relayd.ports import JournalError
from relayd.testing.journal_words import LIMITS, LOG, commit, said

async def main():
    journal = SqliteJournal(Path(sys.argv[1]), synchronous="full", **LIMITS)
    position = (await journal.open(LOG, window=1)).position
    offset = -1 if position is None else position.offset
    print("opened at", offset, "with", len(await journal.read("a", limit=999)))
    for attempt in range(2):
        try:
            await journal.commit(commit([said("a", offset + 1, text="x" * 100_000)]))
        except JournalError as error:
            print(error)
        else:
            print("written")
        await journal.check()
        os.unlink(sys.argv[2]) if not attempt else None
    await journal.close()

asyncio.run(main())
"""
"""Another relay that opens a journal and writes to it, and once more after a file was deleted."""


def test_a_file_opens_on_a_full_disk(tmp_path: Path) -> None:
    """As a kill left it: it is read from where it ends, nothing is written, and then it is written again."""
    with SmallDisk(tmp_path, kib=2_048) as disk:
        path = str(disk.path / "journal.db")
        command = [sys.executable, "-c", WRITER, path]
        with subprocess.Popen(disk.inside(command), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as writer:
            assert writer.stdout is not None
            for _ in range(5):
                writer.stdout.readline()
            disk.fill()
            writer.kill()
        command = [sys.executable, "-c", READER, path, str(disk.path / "filler")]
        done = subprocess.run(disk.inside(command), capture_output=True, text=True, check=True)
    opened, refusal, written = done.stdout.splitlines()
    _, _, offset, _, events = opened.split()
    assert int(offset) >= 4
    assert int(events) == 3 * (int(offset) + 1)
    assert "the disk is full: free space there" in refusal
    assert "written" == written


async def test_pages_are_given_back(tmp_path: Path) -> None:
    """What retention frees does not stay in the file for ever."""
    journal = on_disk(tmp_path, LIMITS | {"max_events_per_project": 10_000})
    path = tmp_path / "deep" / "journal.db"
    await journal.open(LOG, window=1)
    for offset in range(100):
        await journal.commit(commit([said("a", offset, item=item, text="x" * 9_000) for item in range(10)]))
    assert journal._opened is not None
    await journal._opened.writer.run(lambda db: db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
    large = path.stat().st_size
    await journal.commit(commit([said("a", 200, at=NOW + 1_000)]))
    while await journal.retain(NOW + 1_000):
        pass
    for _ in range(100):
        await journal.retain(NOW + 1_000)
    await journal.close()
    assert large > 8_000_000
    assert path.stat().st_size < large // 2


async def test_a_second_process_is_refused(tmp_path: Path) -> None:
    """Two relays on one file would each miss what the other read."""
    journal = on_disk(tmp_path)
    await journal.open(LOG, window=1)
    second = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, str(tmp_path / "deep" / "journal.db"), stdout=subprocess.PIPE
    )
    said_last, _ = await second.communicate()
    assert "in use by process" in said_last.decode()
    await journal.commit(commit([said("a", 1)]))
    await journal.close()


async def test_what_it_can_not_open_is_left_as_it_was(tmp_path: Path) -> None:
    """A newer file, a stranger's file, a folder that is none: a sentence each, and the lock is free again."""
    path = tmp_path / "deep" / "journal.db"
    path.parent.mkdir()
    for statement, sentence in (
        ("PRAGMA user_version = 99", "run the newer relayd"),
        ("PRAGMA application_id = 1", "another program"),
    ):
        journal = on_disk(tmp_path)
        await journal.open(LOG, window=1)
        await journal.close()
        sqlite3.connect(path).execute(statement).connection.close()
        before = path.read_bytes()
        assert sentence in await refused(journal.open(LOG, window=1))
        assert path.read_bytes() == before
        path.unlink()
    (tmp_path / "file").write_text("")
    assert "another place" in await refused(on_disk(tmp_path / "file").open(LOG, window=1))


async def test_a_full_disk_is_told_and_survived(tmp_path: Path) -> None:
    """The sentence names the file and the mend; when there is room again the same commit goes through."""
    journal = on_disk(tmp_path)
    await journal.open(LOG, window=1)
    assert journal._opened is not None
    large = commit([said("a", 1, item=item, text="x" * 9000) for item in range(9)])
    await journal._opened.writer.run(lambda db: db.execute("PRAGMA max_page_count = 20"))
    sentence = await refused(journal.commit(large))
    assert str(tmp_path) in sentence
    assert "free space" in sentence
    assert await journal.load("a", newest=1) is None
    await journal._opened.writer.run(lambda db: db.execute("PRAGMA max_page_count = 9999"))
    await journal.commit(large)
    assert len(await journal.read("a", limit=99)) == 9
    await journal.close()


async def test_a_damaged_row_is_told(tmp_path: Path) -> None:
    """It is no surprise of the JSON library's, but a sentence with a mend."""
    journal = on_disk(tmp_path)
    await journal.open(LOG, window=1)
    assert journal._opened is not None
    await journal.commit(commit([said("a", 1)]))
    rot = "UPDATE chunks SET body = CAST('rot' AS BLOB), checksum = NULL"
    await journal._opened.writer.run(lambda db: db.execute(rot))
    assert "a row can't be read" in await refused(journal.read("a", limit=1))
    await journal.close()


async def test_a_cancelled_commit_is_whole(tmp_path: Path) -> None:
    """The caller went away; the transaction did not stop half-way, and the next one finds everything in order."""
    journal = on_disk(tmp_path)
    await journal.open(LOG, window=1)
    caller = asyncio.create_task(journal.commit(commit([said("a", 1)])))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await journal.commit(commit([said("a", 2)]))
    assert [1, 2] == [one.place.offset for one in await journal.read("a", limit=9)]
    await journal.close()
