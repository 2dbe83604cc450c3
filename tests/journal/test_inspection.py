import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from relayd.journal.inspection import holder, inspect
from relayd.journal.lock import Lock
from relayd.journal.schema import APPLICATION_ID, VERSION
from relayd.ports import JournalDamaged, JournalMistake, Position
from tests.harness.daemon import PrivateRelay
from tests.harness.viewer import log


@pytest.fixture(scope="module")
def relay() -> Iterator[PrivateRelay]:
    """A relay with a journal."""
    with PrivateRelay() as relay:
        yield relay


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of all files, and of the folder, which tells of files that came and went."""
    return {path.name: (path.stat().st_size, path.stat().st_mtime_ns) for path in (folder, *folder.iterdir())}


async def test_a_journal_is_seen_while_it_is_used_and_after(relay: PrivateRelay) -> None:
    """What stands in it, and who has it; looking leaves no trace, neither beside a relay nor without one."""
    path = relay.folder / "relayd.db"
    await relay.publish([log("seen", str(number)) for number in range(7)])
    used = inspect(path)
    assert (VERSION, "embedded:main", 1, 7) == (used.format, used.log, used.projects, used.events)
    assert isinstance(used.position, Position)
    assert used.last_received is not None
    assert relay.process.pid == holder(path)
    await relay.stop_async()
    before = listing(relay.folder)
    left = inspect(path)
    assert (used.position, used.events) == (left.position, left.events)
    assert holder(path) is None
    assert before == listing(relay.folder)


def test_a_crash_leaves_a_log_that_is_read(relay: PrivateRelay) -> None:
    """What was committed stands in the write-ahead log alone."""
    if not relay.process.alive:
        relay.start()
    relay.kill()
    assert (relay.folder / "relayd.db-wal").exists()
    assert 7 == inspect(relay.folder / "relayd.db").events


def test_a_file_that_is_not_there_is_no_damage(tmp_path: Path) -> None:
    """A relay makes it; looking does not."""
    with pytest.raises(FileNotFoundError):
        inspect(tmp_path / "relayd.db")
    assert holder(tmp_path / "relayd.db") is None
    assert [] == list(tmp_path.iterdir())


def test_an_empty_file_is_one_that_nobody_began(tmp_path: Path) -> None:
    """As after a start that ended early."""
    (tmp_path / "relayd.db").touch()
    assert (0, None, 0) == ((seen := inspect(tmp_path / "relayd.db")).format, seen.log, seen.events)


@pytest.mark.parametrize(
    ("statements", "kind", "words"),
    [
        (["CREATE TABLE theirs (a)"], JournalMistake, "another program"),
        ([f"PRAGMA application_id = {APPLICATION_ID}", "PRAGMA user_version = 99"], JournalMistake, "format 99"),
        ([f"PRAGMA application_id = {APPLICATION_ID}", "PRAGMA user_version = 2"], JournalDamaged, "no such table"),
    ],
    ids=["another's", "too new", "torn"],
)
def test_what_is_no_journal_is_named(tmp_path: Path, statements: list[str], kind: type[Exception], words: str) -> None:
    """With the file and the mend, as the relay itself says it."""
    path = tmp_path / "relayd.db"
    with sqlite3.connect(path) as db:
        for statement in statements:
            db.execute(statement)
    db.close()
    with pytest.raises(kind, match=f"relayd.db: .*{words}"):
        inspect(path)


def test_a_text_is_no_database(tmp_path: Path) -> None:
    """Whatever was copied there."""
    (tmp_path / "relayd.db").write_text("x" * 10_000)
    with pytest.raises(JournalDamaged, match="no database"):
        inspect(tmp_path / "relayd.db")


def test_a_holder_is_whoever_holds_it(tmp_path: Path) -> None:
    """The kernel's word, not the number that was written down."""
    path = tmp_path / "relayd.db"
    lock = Lock(tmp_path / "relayd.db.lock")
    assert os.getpid() == holder(path)
    lock.release()
    assert holder(path) is None
    code = "import sys, time; from pathlib import Path; from relayd.journal.lock import Lock\n"
    code += "lock = Lock(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code, f"{path}.lock"], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert child.pid == holder(path)
        child.kill()


def test_a_holder_of_another_namespace_is_somebody(tmp_path: Path) -> None:
    """Its number says nothing here."""
    (tmp_path / "relayd.db.lock").touch()
    inode = (tmp_path / "relayd.db.lock").stat().st_ino
    (tmp_path / "locks").write_text(
        f"1: POSIX  ADVISORY  WRITE 9 fd:01:{inode} 0 EOF\n2: FLOCK  ADVISORY  WRITE -1 fd:01:{inode} 0 EOF\n"
    )
    assert 0 == holder(tmp_path / "relayd.db", tmp_path / "locks")
