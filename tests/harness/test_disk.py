"""The small disk is small, private, and the same for who is inside and for the test."""

import errno
import subprocess
from pathlib import Path

import pytest

from tests.harness.disk import SmallDisk
from tests.harness.process import Process


def test_it_is_full_and_empty_again(tmp_path: Path) -> None:
    """Nothing more can be written, but for what was spared; and then it can."""
    with SmallDisk(tmp_path, kib=256) as disk:
        disk.fill(spare=8192)
        (disk.folder / "spared").write_bytes(b"x" * 8192)
        with pytest.raises(OSError, match="No space") as caught:
            (disk.folder / "more").write_bytes(b"x" * 4096)
        assert errno.ENOSPC == caught.value.errno
        disk.free()
        (disk.folder / "more").write_bytes(b"x" * 100_000)


def test_who_is_inside_sees_it_where_it_is(tmp_path: Path) -> None:
    """Everybody else sees an empty folder there; programs come and go, and what they wrote stays until it is closed."""
    with SmallDisk(tmp_path, kib=256) as disk:
        for word in ("one", "two"):
            subprocess.run(disk.inside(["sh", "-c", f"echo {word} >> {disk.path}/said"]), check=True)
        assert ["one", "two"] == (disk.folder / "said").read_text().split()
        assert [] == list(disk.path.iterdir())
        child = Process(disk.inside(["sleep", "60"]), folder=tmp_path, name="sleeper")
        with child:
            assert child.alive
    assert not disk.path.exists()
