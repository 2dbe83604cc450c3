"""
A small file that is whole at any moment: it is written anew beside its old self and takes its place when it is durable.

Law 1: what can't be read as it was written is an error, never as if nothing had been.
Law 2: a disk that hangs keeps nobody waiting for ever, nor the process from ending.
"""

import asyncio
import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Thread

__all__ = ["Damaged", "DurableFile"]

PATIENCE = 10.0
"""Seconds that a writer waits for the disk."""


class Damaged(Exception):
    """The file is not what was written, or another version's."""


class DurableFile:
    """A first line with what the file is and the checksum of the rest, and the rest; nobody else may read it."""

    def __init__(self, path: Path, what: str, *, patience: float = PATIENCE) -> None:
        """Be at that path; `what` is one word, which its first line says."""
        self.path = path
        self._what = what
        self._patience = patience
        self._writing: asyncio.Future[None] | None = None

    def read(self) -> bytes | None:
        """Return what was written, None where nothing ever was; raises Damaged, OSError."""
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return None
        head, _, body = text.partition(b"\n")
        if head != self._head(body):
            raise Damaged
        return body

    async def write(self, body: bytes) -> None:
        """Keep this in place of all before, durably; raises OSError."""
        if self._writing is not None and not self._writing.done():
            # A second thread could be done before the first one, whose older content would then take its place.
            raise TimeoutError(f"{self.path}: the disk hangs")
        self._writing = written = in_thread(partial(self._write, body), self._what)
        await asyncio.wait({written}, timeout=self._patience)
        if not written.done():
            raise TimeoutError(f"{self.path}: the disk does not answer")
        written.result()

    def _write(self, body: bytes) -> None:
        new = self.path.with_name(f"{self.path.name}.new")
        # Left by a process that was killed; whoever else made it would be the one who may read it.
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(descriptor, "wb") as file:  # noqa: PTH123  # a descriptor, for its mode from the first moment on
                file.write(self._head(body) + b"\n" + body)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self.path)
        except OSError:
            with suppress(OSError):
                new.unlink(missing_ok=True)
            raise
        self._sync_folder()

    def _sync_folder(self) -> None:
        """Make the new name durable (fsync(2): a file's own does not)."""
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _head(self, body: bytes) -> bytes:
        return f"relayd {self._what} 1 {hashlib.sha256(body).hexdigest()}".encode()


def in_thread(work: Callable[[], None], name: str) -> asyncio.Future[None]:
    """Return what becomes of work in a thread that keeps no process from ending, as those of the loop's pool do."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[None] = loop.create_future()

    def settle(error: OSError | None) -> None:
        if error is None:
            outcome.set_result(None)
        else:
            outcome.set_exception(error)
            # Nobody may be left who waits for it.
            outcome.exception()

    def run() -> None:
        error: OSError | None = None
        try:
            work()
        except OSError as broke:
            error = broke
        # The loop may be gone by now.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, error)

    Thread(target=run, name=name, daemon=True).start()
    return outcome
