from pathlib import Path

import pytest

from relayd.core.purges import Purge
from relayd.files.durable import DurableFile
from relayd.journal.book import MemoryBook, PurgeFile
from relayd.ports import JournalError, JournalMistake

LOG = "swarm"
EVENT = Purge(epoch=1, offset=2**62, item=3, fingerprint=b"\0\xff\n123", project_id=None)
WHOLE = Purge(epoch=0, offset=5, item=None, fingerprint=b"", project_id="a", owner="ada", team="blue")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give the path of a book that is not there yet."""
    return tmp_path / "relayd.db.purged"


def put(path: Path, data: bytes) -> None:
    """Write a file as somebody else would."""
    path.write_bytes(data)


def read(path: Path) -> bytes:
    """Return what is in a file."""
    return path.read_bytes()


def listed(folder: Path) -> list[tuple[str, int]]:
    """Return what is in a folder, with the rights to it."""
    return [(path.name, path.stat().st_mode & 0o777) for path in folder.iterdir()]


async def test_what_was_noted_is_read_again(path: Path) -> None:
    """By another relay's life, the last that was written, for this user's eyes only; before that there is nothing."""
    assert [] == list(await PurgeFile(path).read(LOG))
    await PurgeFile(path).write(LOG, [EVENT])
    await PurgeFile(path).write(LOG, [WHOLE, EVENT])
    assert [WHOLE, EVENT] == list(await PurgeFile(path).read(LOG))
    assert [(path.name, 0o600)] == listed(path.parent)
    assert PurgeFile(path).lasting


async def test_damage_is_an_error_with_its_mend(path: Path) -> None:
    """What is not known to be removed would be shown."""
    await PurgeFile(path).write(LOG, [WHOLE])
    put(path, read(path)[:-1])
    with pytest.raises(JournalMistake, match="damaged or another version's: restore it from a backup"):
        await PurgeFile(path).read(LOG)


async def test_what_is_whole_and_means_nothing_is_told(path: Path) -> None:
    """Its checksum is right, its words are others."""
    await DurableFile(path, "purges").write(b"[]")
    with pytest.raises(JournalMistake, match="can't be read"):
        await PurgeFile(path).read(LOG)


async def test_it_is_of_one_log(path: Path) -> None:
    """Another log's places mean other events."""
    await PurgeFile(path).write(LOG, [WHOLE])
    with pytest.raises(JournalMistake, match=r"from the log 'swarm', not from 'other'"):
        await PurgeFile(path).read("other")


async def test_one_that_can_not_be_written_says_so(tmp_path: Path) -> None:
    """And leaves what was noted before."""
    with pytest.raises(JournalError, match=r"could not be noted: No such file"):
        await PurgeFile(tmp_path / "nowhere" / "book").write(LOG, [WHOLE])


async def test_one_that_can_not_be_opened_says_so(tmp_path: Path) -> None:
    """A folder in its place."""
    with pytest.raises(JournalMistake, match="give relayd's user the right to read it"):
        await PurgeFile(tmp_path).read(LOG)


async def test_without_a_file_nothing_lasts() -> None:
    """And that is said."""
    book = MemoryBook()
    await book.write(LOG, [WHOLE])
    assert [] == list(await book.read(LOG))
    assert not book.lasting
