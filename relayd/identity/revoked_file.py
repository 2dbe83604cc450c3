"""
Revocations on disk: a small file beside the journal, which a journal that is moved aside or made anew leaves alone.

Law 1: the file is whole at any moment.  It is written anew beside its old self and takes its place when it is durable.
Law 2: one that can't be read as it was written is an error, never an empty list: that would let everybody in again.
"""

import asyncio
import hashlib
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Thread

import msgspec

from relayd.core.revocations import Revocation

__all__ = ["BadRevocations", "RevokedFile"]

HEAD = b"relayd revocations 1 "
"""What the file is, and its version; behind it the checksum of what follows the line."""

PATIENCE = 10.0
"""Seconds that an order waits for the disk."""


class BadRevocations(Exception):
    """The file can't be read; the message is a sentence with the mend."""


class RevokedFile:
    """The Keeping port."""

    def __init__(self, path: Path, *, patience: float = PATIENCE) -> None:
        """Be at that path."""
        self.path = path
        self._patience = patience
        self._writing: asyncio.Future[None] | None = None

    @classmethod
    def beside(cls, journal: Path) -> "RevokedFile":
        """Return the one that belongs to a journal."""
        return cls(journal.with_name(f"{journal.name}.revocations"))

    def read(self) -> list[Revocation]:
        """Return what was written, nothing where nothing ever was; raises BadRevocations."""
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return []
        except OSError as error:
            sentence = f"{self.path}: the list of revoked tokens can't be read ({error.strerror}); let relayd read it"
            raise BadRevocations(sentence) from error
        head, _, body = text.partition(b"\n")
        if head != headline(body):
            raise self._damaged()
        try:
            return msgspec.json.decode(body, type=list[Revocation])
        except msgspec.MsgspecError as error:
            raise self._damaged() from error

    async def write(self, revocations: Sequence[Revocation]) -> None:
        """Keep these in place of all before, durably; raises OSError."""
        if self._writing is not None and not self._writing.done():
            # A second thread could be done before the first one, whose older list would then take its place.
            raise TimeoutError(f"{self.path}: the disk hangs")
        self._writing = written = in_thread(partial(self._write, msgspec.json.encode(revocations)))
        await asyncio.wait({written}, timeout=self._patience)
        if not written.done():
            raise TimeoutError(f"{self.path}: the disk does not answer")
        written.result()

    def _write(self, body: bytes) -> None:
        new = self.path.with_name(f"{self.path.name}.new")
        # Left by a process that was killed; whoever else made it would be the one who may read it.
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(descriptor, "wb") as file:  # noqa: PTH123  # a descriptor, for its mode from the first moment on
                file.write(headline(body) + b"\n" + body)
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
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _damaged(self) -> BadRevocations:
        return BadRevocations(
            f"{self.path}: the list of revoked tokens is damaged, or another version's, and without it they would be "
            "let in again; put a copy in its place, or move it away, and then revoke again or change the key"
        )


def in_thread(work: Callable[[], None]) -> asyncio.Future[None]:
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

    Thread(target=run, name="revocations", daemon=True).start()
    return outcome


def headline(body: bytes) -> bytes:
    """Return the first line for what follows it."""
    return HEAD + hashlib.sha256(body).hexdigest().encode()
