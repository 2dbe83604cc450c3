"""A file that is whole at any moment, or an error."""

import asyncio
import stat
import threading
from pathlib import Path

import pytest

from relayd.files.durable import Damaged, DurableFile
from tests.harness.follower import until


@pytest.fixture
def file(tmp_path: Path) -> DurableFile:
    """Give one that was never written."""
    return DurableFile(tmp_path / "list", "things")


async def test_what_is_written_is_read(file: DurableFile) -> None:
    """To the last byte; nothing before anything was written."""
    assert file.read() is None
    await file.write(b"a\n\0\xff")
    assert b"a\n\0\xff" == DurableFile(file.path, "things").read()
    await file.write(b"")
    assert b"" == file.read()


async def test_nobody_else_may_read_it(file: DurableFile) -> None:
    """From its first moment on; and nothing is left beside it."""
    await file.write(b"a")
    assert 0o600 == stat.S_IMODE(file.path.stat().st_mode)
    assert [file.path] == list(file.path.parent.iterdir())


async def test_what_a_killed_process_left_is_no_matter(file: DurableFile) -> None:
    """Half a new file beside the whole old one: the old one counts, and the next write goes through."""
    await file.write(b"old")
    left = file.path.with_name(f"{file.path.name}.new")
    left.write_bytes(b"relayd thi")
    assert b"old" == file.read()
    await file.write(b"new")
    assert b"new" == file.read()
    assert not left.exists()


async def test_any_damage_is_an_error(file: DurableFile) -> None:
    """Each bit of it, each length, another version, another kind of file: never as if nothing had been written."""
    await file.write(b"one, two")
    good = file.path.read_bytes()
    damaged = [good[:length] for length in range(len(good))]
    damaged += [good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :] for at in range(len(good))]
    for text in [*damaged, good + b" ", good.replace(b" 1 ", b" 2 ", 1)]:
        file.path.write_bytes(text)
        with pytest.raises(Damaged):
            file.read()
    file.path.write_bytes(good)
    assert b"one, two" == file.read()
    with pytest.raises(Damaged):
        DurableFile(file.path, "others").read()


async def test_what_can_t_be_written_leaves_what_was(file: DurableFile) -> None:
    """A folder stands where the new one should begin."""
    await file.write(b"old")
    file.path.with_name(f"{file.path.name}.new").mkdir()
    with pytest.raises(OSError, match="directory"):
        await file.write(b"new")
    assert b"old" == file.read()


async def test_a_place_that_can_t_be_taken_leaves_nothing_behind(file: DurableFile) -> None:
    """A folder stands where the file should: the new one is thrown away."""
    (file.path / "in the way").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        await file.write(b"new")
    assert [file.path] == list(file.path.parent.iterdir())


class Hanging(DurableFile):
    """On a disk that answers when it is let."""

    def __init__(self, path: Path, *, patience: float) -> None:
        super().__init__(path, "things", patience=patience)
        self.answers = threading.Event()

    def _write(self, body: bytes) -> None:
        self.answers.wait()
        super()._write(body)


async def test_a_disk_that_hangs_is_given_up(tmp_path: Path) -> None:
    """Nobody waits for ever, nor does the process for its end; no second write overtakes the first."""
    file = Hanging(tmp_path / "list", patience=0.05)
    with pytest.raises(TimeoutError, match="list: the disk does not answer"):
        await file.write(b"first")
    assert [True] == [one.daemon for one in threading.enumerate() if one.name == "things"]
    with pytest.raises(TimeoutError, match="list: the disk hangs"):
        await file.write(b"second")
    file.answers.set()
    await until(lambda: b"first" == file.read())
    patient = Hanging(file.path, patience=30)
    patient.answers.set()
    await patient.write(b"second")
    assert b"second" == file.read()


def test_a_loop_that_is_gone_is_not_told(tmp_path: Path) -> None:
    """The process is ending: what is written is whole all the same."""

    async def leave(file: Hanging) -> None:
        with pytest.raises(TimeoutError):
            await file.write(b"last")

    file = Hanging(tmp_path / "list", patience=0.05)
    asyncio.run(leave(file))
    (thread,) = [one for one in threading.enumerate() if one.name == "things"]
    file.answers.set()
    thread.join()
    assert b"last" == file.read()
