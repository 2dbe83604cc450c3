"""The file of revocations: whole at any moment, or an error."""

import asyncio
import stat
import threading
from pathlib import Path

import pytest

from relayd.core.revocations import Revocation
from relayd.identity.revoked_file import BadRevocations, RevokedFile
from tests.harness.follower import until

ADA = Revocation(kind="user", name="ada ✓", at=1_700_000_000.123456, until=1_700_000_600.0)
TOKEN = Revocation(kind="token", name="t/1", at=2.5, until=3.5, taken_back=True)


@pytest.fixture
def file(tmp_path: Path) -> RevokedFile:
    """Give one beside a journal."""
    return RevokedFile.beside(tmp_path / "relayd.db")


async def test_what_is_written_is_read(file: RevokedFile) -> None:
    """To the last digit; nothing before anything was written."""
    assert [] == file.read()
    await file.write([ADA, TOKEN])
    assert [ADA, TOKEN] == RevokedFile(file.path).read()
    await file.write([])
    assert [] == file.read()


async def test_nobody_else_may_read_it(file: RevokedFile) -> None:
    """Who may not come in is nobody's business; and it lies beside the journal, under a name of its own."""
    await file.write([ADA])
    assert 0o600 == stat.S_IMODE(file.path.stat().st_mode)
    assert ["relayd.db.revocations"] == [one.name for one in file.path.parent.iterdir()]


async def test_what_a_killed_process_left_is_no_matter(file: RevokedFile) -> None:
    """Half a new file beside the whole old one: the old one counts, and the next write goes through."""
    await file.write([ADA])
    left = file.path.with_name(f"{file.path.name}.new")
    left.write_bytes(b"relayd rev")
    assert [ADA] == file.read()
    await file.write([TOKEN])
    assert [TOKEN] == file.read()
    assert not left.exists()


async def test_any_damage_is_an_error(file: RevokedFile) -> None:
    """Each bit of it, each length: nobody is let in again because a disk forgot."""
    await file.write([ADA, TOKEN])
    good = file.path.read_bytes()
    damaged = [good[:length] for length in range(len(good))]
    damaged += [good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :] for at in range(len(good))]
    for text in [*damaged, good + b" ", good.replace(b" 1 ", b" 2 ", 1)]:
        file.path.write_bytes(text)
        with pytest.raises(BadRevocations, match="move it away"):
            file.read()
    file.path.write_bytes(good)
    assert [ADA, TOKEN] == file.read()


async def test_a_list_of_another_version_is_an_error(file: RevokedFile) -> None:
    """Whole, and in words that this one does not know."""
    await file.write([ADA])
    _, _, body = file.path.read_bytes().partition(b"\n")
    file._write(body.replace(b'"user"', b'"team"'))
    with pytest.raises(BadRevocations, match="another version"):
        file.read()


def test_a_list_that_may_not_be_read_is_an_error(file: RevokedFile) -> None:
    """Here because it is a folder."""
    file.path.mkdir()
    with pytest.raises(BadRevocations, match="let relayd read it"):
        file.read()


async def test_what_can_t_be_written_leaves_what_was(file: RevokedFile) -> None:
    """And nothing beside it."""
    await file.write([ADA])
    left = file.path.with_name(f"{file.path.name}.new")
    left.mkdir()
    with pytest.raises(OSError, match="directory"):
        await file.write([TOKEN])
    assert [ADA] == file.read()


async def test_a_place_that_can_t_be_taken_leaves_nothing_behind(file: RevokedFile) -> None:
    """A folder stands where the file should: the new one is thrown away."""
    (file.path / "in the way").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        await file.write([TOKEN])
    assert [file.path] == list(file.path.parent.iterdir())


class Hanging(RevokedFile):
    """On a disk that answers when it is let."""

    def __init__(self, path: Path, *, patience: float) -> None:
        super().__init__(path, patience=patience)
        self.answers = threading.Event()

    def _write(self, body: bytes) -> None:
        self.answers.wait()
        super()._write(body)


async def test_a_disk_that_hangs_is_given_up(tmp_path: Path) -> None:
    """Nobody waits for ever, nor does the process for its end; no second write overtakes the first."""
    file = Hanging(tmp_path / "list", patience=0.05)
    with pytest.raises(TimeoutError, match="list: the disk does not answer"):
        await file.write([ADA])
    assert [True] == [one.daemon for one in threading.enumerate() if one.name == "revocations"]
    with pytest.raises(TimeoutError, match="list: the disk hangs"):
        await file.write([TOKEN])
    file.answers.set()
    await until(lambda: [ADA] == file.read())
    patient = Hanging(file.path, patience=30)
    patient.answers.set()
    await patient.write([TOKEN])
    assert [TOKEN] == file.read()


def test_a_loop_that_is_gone_is_not_told(tmp_path: Path) -> None:
    """The process is ending: what is written is whole all the same."""

    async def leave(file: Hanging) -> None:
        with pytest.raises(TimeoutError):
            await file.write([ADA])

    file = Hanging(tmp_path / "list", patience=0.05)
    asyncio.run(leave(file))
    (thread,) = [one for one in threading.enumerate() if one.name == "revocations"]
    file.answers.set()
    thread.join()
    assert [ADA] == file.read()
