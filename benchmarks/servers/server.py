"""What every measured server can do, and the programs that are started for it."""

import shutil
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from benchmarks.load import Request
from benchmarks.measure.processes import cpu_seconds, descriptors, pinned, resident_bytes
from benchmarks.publish.feed import Sink
from tests.harness.process import Process

__all__ = ["Missing", "OpenSink", "Peer", "Server", "Started", "found"]

PLACES = "/usr/local/sbin:/usr/sbin:/sbin"

OpenSink = AbstractAsyncContextManager[Sink]


class Missing(Exception):
    """A peer is not installed; the message says what is."""


def found(program: str) -> str:
    """Return the path of a program; raises Missing."""
    path = shutil.which(program) or shutil.which(program, path=PLACES)
    if path is None:
        raise Missing(f"{program} is not installed (scripts/install-bench installs it)")
    return path


class Server(Protocol):
    """A server on a core of its own; `start` returns when it takes viewers."""

    name: str

    @property
    def port(self) -> int:
        """Where viewers connect."""
        ...

    @property
    def handshakes(self) -> int:
        """How many viewers may be shaking hands at a time."""
        ...

    def start(self) -> None:
        """Start it; raises Missing."""
        ...

    def stop(self) -> None:
        """End it and remove what it wrote."""
        ...

    def cpu(self) -> float:
        """Return the CPU seconds it has used."""
        ...

    def resident(self) -> int:
        """Return its resident memory in bytes."""
        ...

    def requests(self, count: int) -> list[Request]:
        """Return what that many viewers send."""
        ...

    def sink(self) -> OpenSink:
        """Return where events are published."""
        ...


class Peer(Protocol):
    """A class of servers."""

    name: str

    def __call__(self, folder: Path, core: int) -> Server:
        """Return one that is not yet started."""
        ...


class Started:
    """A server that is one process."""

    handshakes = 100

    def __init__(self, folder: Path, core: int) -> None:
        """Use a folder that its user removes."""
        self.folder = folder
        self.core = core
        self.process: Process | None = None

    def launch(self, argv: list[str], port: int, *, env: dict[str, str] | None = None) -> Process:
        """Start a program on the server's core and wait for its port."""
        self.folder.mkdir(parents=True, exist_ok=True)
        process = Process(pinned(self.core, argv), folder=self.folder, name="server", env=env)
        process.start()
        try:
            process.wait_for_port(port, seconds=60)
        except RuntimeError:
            process.kill()
            raise
        self.process = process
        return process

    def stop(self) -> None:
        """End it and remove what it wrote."""
        if self.process is not None:
            self.process.kill()
            self.process = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def cpu(self) -> float:
        """Return the CPU seconds it has used."""
        return cpu_seconds(self.pid)

    def resident(self) -> int:
        """Return its resident memory in bytes."""
        return resident_bytes(self.pid)

    def descriptors(self) -> int:
        """Return how many files, sockets included, it has open."""
        return descriptors(self.pid)

    @property
    def pid(self) -> int:
        """Its process id."""
        if self.process is None:
            raise RuntimeError("the server is not running")
        return self.process.pid
