"""
A machine of our own, with systemd as its first process: what is installed, booted or broken on it is gone with it.

It sees this machine's files, and what it writes lies over them in memory; its processes, its network (loopback alone)
and its services are its own (`machine.sh`).
"""

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from tests.harness.process import Process, Whole

__all__ = ["PrivateMachine"]

SCRIPT = Path(__file__).with_suffix(".sh")
NAMESPACES = ("--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup")
CLEAN = ("env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8")
BOOT_SECONDS = 60
PAUSE = 0.1
MEND = "this test boots a machine of its own: run it as root, where namespaces and overlays may be made"


class PrivateMachine(Whole):
    """One machine, from its boot to its end."""

    def __init__(self, folder: Path) -> None:
        """Take a folder for what it prints."""
        self.base = folder / "machine"
        self.base.mkdir()
        argv = ["unshare", *NAMESPACES, "--fork", "--kill-child", "sh", str(SCRIPT), str(self.base)]
        self.holder = Process(argv, folder=folder, name="boot")

    def start(self) -> None:
        """Boot it; raises RuntimeError with the mend where that is forbidden."""
        self.holder.start()
        try:
            self.holder.wait_for_output("mounted")
        except RuntimeError as error:
            raise RuntimeError(f"{error}\n{MEND}") from error
        deadline = time.monotonic() + BOOT_SECONDS
        # Its bus is not there from the first moment on.
        while (state := self.attempt("systemctl", "is-system-running", "--wait").stdout.strip()) != b"running":
            if time.monotonic() > deadline:
                raise RuntimeError(f"the machine is {state.decode()}:\n{self.run('systemctl', '--failed')}")
            time.sleep(PAUSE)

    def close(self) -> None:
        """End it, with all that runs on it and all that it wrote."""
        self.holder.kill()

    @property
    def pid(self) -> int:
        """The process id that its first process has here."""
        children = Path(f"/proc/{self.holder.pid}/task/{self.holder.pid}/children").read_text()
        return int(children.split()[0])

    def command(self, *argv: str) -> list[str]:
        """Return the command that runs a program on it, with a clean environment."""
        return ["nsenter", "--target", str(self.pid), "--all", "--", *CLEAN, *argv]

    def run(self, *argv: str, stdin: bytes = b"", seconds: float = 120) -> str:
        """Run a program and return what it printed; raises AssertionError with all it said when it fails."""
        done = self.attempt(*argv, stdin=stdin, seconds=seconds)
        assert done.returncode == 0, f"{argv}: {done.returncode}\n{done.stdout.decode()}\n{done.stderr.decode()}"
        return done.stdout.decode()

    def attempt(self, *argv: str, stdin: bytes = b"", seconds: float = 120) -> subprocess.CompletedProcess[bytes]:
        """Run a program and return how it went."""
        return subprocess.run(self.command(*argv), input=stdin, capture_output=True, check=False, timeout=seconds)

    def spawn(self, *argv: str, output: Path) -> subprocess.Popen[bytes]:
        """Start a program that goes on and prints into a file of this machine; the other's end is its end."""
        with output.open("wb") as file:
            return subprocess.Popen(self.command(*argv), stdin=subprocess.DEVNULL, stdout=file, stderr=file)

    def write(self, path: str, content: bytes | str, *, mode: str = "0644") -> None:
        """Write a file on it."""
        body = content.encode() if isinstance(content, str) else content
        self.run("install", "-D", "-m", mode, "/dev/stdin", path, stdin=body)

    def show(self, unit: str, *properties: str) -> Sequence[str]:
        """Return what systemd says of a unit, by these properties."""
        return [self.run("systemctl", "show", "--value", "--property", name, unit).strip() for name in properties]
