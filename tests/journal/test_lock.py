import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from relayd.journal.lock import Lock
from relayd.ports import JournalMistake
from tests.harness.disk import SmallDisk

HOLD = """
import sys
from pathlib import Path
from relayd.journal.lock import Lock
lock = Lock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_taker_is_told_who_has_it(tmp_path: Path) -> None:
    """The sentence names the process and the mend."""
    lock = Lock(tmp_path / "lock")
    with pytest.raises(JournalMistake, match=rf"in use by process {os.getpid()} .*: end that one, or"):
        Lock(tmp_path / "lock")
    lock.release()
    Lock(tmp_path / "lock").release()


def test_a_process_that_is_killed_gives_it_back(tmp_path: Path) -> None:
    """Nobody has to delete a stale file after a crash."""
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(JournalMistake, match=f"process {holder.pid} "):
            Lock(path)
        holder.kill()
        holder.wait()
        Lock(path).release()


def test_the_file_is_the_users_alone(tmp_path: Path) -> None:
    """Who can open it could hold it against us."""
    Lock(tmp_path / "lock").release()
    assert stat.S_IMODE((tmp_path / "lock").stat().st_mode) == 0o600


def test_a_full_disk_keeps_nobody_from_the_lock(tmp_path: Path) -> None:
    """Who has it can't be told then; that somebody has it can."""
    with SmallDisk(tmp_path, kib=64) as disk:
        disk.fill()
        path = disk.folder / "lock"
        lock = Lock(path)
        with pytest.raises(JournalMistake, match="in use by process unknown"):
            Lock(path)
        lock.release()
        Lock(path).release()
