"""
A disk of a few hundred KiB that can be filled, emptied and made to forget: a tmpfs that only those inside can see.

It is mounted in a namespace of its own, which a user may make as well as root.  A child holds the namespace, programs
are started inside of it, and the test reaches the files through the child's root.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.harness.process import Process, Whole

__all__ = ["SmallDisk"]

READY = "mounted"
SCRIPT = 'mount -t tmpfs -o "size=$1k,mode=0700" none "$2" && echo mounted && exec sleep infinity'
BLOCK = b"x" * 4096


class SmallDisk(Whole):
    """One disk below a folder; it is gone when it is closed."""

    def __init__(self, folder: Path, *, kib: int) -> None:
        """Make the mount point."""
        self.path = folder / "disk"
        """Where those inside see it."""
        self.path.mkdir()
        self.holder = Process(
            ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", SCRIPT, "sh", str(kib), str(self.path)],
            folder=folder,
            name="disk",
        )

    def start(self) -> None:
        """Mount it; raises RuntimeError with the mend where that is forbidden."""
        self.holder.start()
        try:
            self.holder.wait_for_output(READY)
        except RuntimeError as error:
            raise RuntimeError(
                f"{error}\nthis test needs a disk that it can fill: run it as root, or allow user namespaces "
                "(`sysctl kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0`)"
            ) from error

    def close(self) -> None:
        """Unmount it, with all that is on it."""
        self.holder.kill()
        self.path.rmdir()

    @property
    def folder(self) -> Path:
        """Where the test sees it."""
        return Path(f"/proc/{self.holder.pid}/root{self.path}")

    def inside(self, argv: Sequence[str]) -> list[str]:
        """Return the command that runs a program inside; it keeps its process id."""
        pid = str(self.holder.pid)
        return ["nsenter", "--preserve-credentials", "--user", "--mount", "--target", pid, "--", *argv]

    def fill(self, *, spare: int = 0) -> None:
        """Take all that is free, but for so many bytes."""
        left = shutil.disk_usage(self.folder).free - spare
        with (self.folder / "filler").open("ab", buffering=0) as filler:
            try:
                while left > 0:
                    left -= filler.write(BLOCK[:left])
            except OSError:
                # What was free was less than was told.
                return

    def free(self) -> None:
        """Give back what was taken."""
        (self.folder / "filler").unlink()
