"""
Real programs as children of a test: started, waited for, stopped, and never left behind.

Each child leads a process group of its own.  A guard beside it kills the group when the test run is gone, however it
went: the guard reads from a pipe that only the test run holds, and a pipe ends even for a process that was killed.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

__all__ = ["MEND", "Process", "Whole", "find", "free_port", "wait_for_port"]

MEND = "run `scripts/install-missing`"
"""What to do about a program that is not there."""

LOOPBACK = "127.0.0.1"
GIVEN_TO_CONNECTIONS = Path("/proc/sys/net/ipv4/ip_local_port_range")
FIRST_PORT = 10_000
GUARD = 'read -r _; kill -s KILL -- "-$1"'
PAUSE = 0.05
PLACES = "/usr/local/sbin:/usr/sbin:/sbin"
"""Where Debian keeps servers; not on the PATH of people who are not root."""


def find(program: str) -> str:
    """Return the path of a program, by name or path; raises RuntimeError with the mend when it is not installed."""
    found = shutil.which(program) or shutil.which(program, path=PLACES)
    if found is None:
        raise RuntimeError(f"{program} is not installed, and this test runs the real one; {MEND}")
    return found


def free_port() -> int:
    """
    Return a TCP port of the loopback that nobody listens on, and that the system gives to no connection.

    Else one of a thousand viewers might take it while a server is down that is about to be started again.
    """
    below = int(GIVEN_TO_CONNECTIONS.read_text(encoding="ascii").split()[0]) - FIRST_PORT
    while True:
        with socket.socket() as probe, suppress(OSError):
            # Where the system keeps nothing back, it may choose.
            probe.bind((LOOPBACK, FIRST_PORT + secrets.randbelow(below) if below > 0 else 0))
            port: int = probe.getsockname()[1]
            return port


class Whole:
    """Something that is started and closed as one: what fails to start is closed, too."""

    def start(self) -> None:
        """Start it."""
        raise NotImplementedError

    def close(self) -> None:
        """End it, however far it came, and remove what it wrote."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        """Start it."""
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()


class Process:
    """One child: `start`, `stop` (asks first), `kill` (does not), and what it printed."""

    def __init__(
        self, argv: Sequence[str], *, folder: Path, name: str | None = None, env: Mapping[str, str] | None = None
    ) -> None:
        """Take what to run; `folder` is its working directory and gets `<name>.out`; `env` replaces the environment."""
        self.argv = [find(argv[0]), *argv[1:]]
        self.name = name or Path(argv[0]).name
        self.folder = folder
        self.env = dict(os.environ if env is None else env)
        self.printed = folder / f"{self.name}.out"
        self.child: subprocess.Popen[bytes] | None = None
        self.guard: subprocess.Popen[bytes] | None = None
        self.begun = 0

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Kill it."""
        self.kill()

    @property
    def pid(self) -> int:
        """The running child's process id; raises RuntimeError when there is none."""
        if self.child is None:
            raise RuntimeError(f"{self.name} is not running")
        return self.child.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.child is not None and self.child.poll() is None

    @property
    def output(self) -> str:
        """What it printed since it was last started, errors included."""
        return self.printed.read_bytes()[self.begun :].decode(errors="replace")

    def start(self) -> None:
        """Start it; it may be started again after it ended."""
        if self.alive:
            raise RuntimeError(f"{self.name} is running already")
        self._reap()
        with self.printed.open("ab") as printed:
            self.begun = printed.tell()
            self.child = subprocess.Popen(
                self.argv,
                cwd=self.folder,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.guard = subprocess.Popen(
            ["/bin/sh", "-c", GUARD, "guard", str(self.child.pid)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def wait_for_output(self, text: str, seconds: float = 30) -> None:
        """Return when it has printed the text; raises RuntimeError with what it printed when it ends or time is up."""
        deadline = time.monotonic() + seconds
        while text not in self.output:
            self._check(deadline, f"printing {text!r}")
            time.sleep(PAUSE)

    def wait_for_port(self, port: int, seconds: float = 30) -> None:
        """Return when it accepts connections; raises RuntimeError with what it printed when it ends or time is up."""
        deadline = time.monotonic() + seconds
        while not _accepts(port):
            self._check(deadline, f"listening on port {port}")
            time.sleep(PAUSE)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def stop(self, seconds: float = 30) -> int:
        """Ask it to end with SIGTERM and return its exit status (negative: a signal); kills it when time is up."""
        if self.child is None:
            return 0
        self.child.terminate()
        return self.wait(seconds, after=" after SIGTERM")

    def wait(self, seconds: float = 30, *, after: str = "") -> int:
        """Return its exit status once it has ended (negative: a signal); kills it when time is up."""
        if self.child is None:
            return 0
        child = self.child
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError(f"{self.name} did not end {seconds:g} s{after}; it printed:\n{self.output}") from None
        self._reap()
        return child.returncode

    def kill(self) -> None:
        """End it and its children at once, with SIGKILL."""
        if self.child is not None:
            _kill_group(self.child.pid)
            self.child.wait()
        self._reap()

    def _check(self, deadline: float, what: str) -> None:
        if not self.alive:
            status = "never" if self.child is None else self.child.returncode
            raise RuntimeError(f"{self.name} ended ({status}) before {what}; it printed:\n{self.output}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"{self.name} took too long for {what}; it printed:\n{self.output}")

    def _reap(self) -> None:
        """Forget a child that ended, and take with it what it left in its group."""
        # The guard goes first: once the child is reaped its id may be given to somebody else.
        if self.guard is not None:
            self.guard.kill()
            self.guard.wait()
            if self.guard.stdin is not None:
                self.guard.stdin.close()
            self.guard = None
        if self.child is not None:
            _kill_group(self.child.pid)
            self.child = None


def wait_for_port(port: int, seconds: float = 30) -> None:
    """Return when somebody accepts connections on the loopback; raises RuntimeError when time is up."""
    deadline = time.monotonic() + seconds
    while not _accepts(port):
        if time.monotonic() > deadline:
            raise RuntimeError(f"nobody listens on port {port} after {seconds:g} s")
        time.sleep(PAUSE)


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
