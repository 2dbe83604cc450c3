"""Revocations on disk: a small file beside the journal, which stays where the journal is moved aside or lost."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from relayd.core.revocations import Revocation
from relayd.files.durable import Damaged, DurableFile

__all__ = ["BadRevocations", "RevokedFile"]


class BadRevocations(Exception):
    """The file can't be read; the message is a sentence with the mend: with no list everybody would be in again."""


class RevokedFile:
    """The Keeping port."""

    def __init__(self, path: Path) -> None:
        """Be at that path."""
        self._file = DurableFile(path, "revocations")

    @classmethod
    def beside(cls, journal: Path) -> "RevokedFile":
        """Return the one that belongs to a journal."""
        return cls(journal.with_name(f"{journal.name}.revocations"))

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._file.path

    def read(self) -> list[Revocation]:
        """Return what was written, nothing where nothing ever was; raises BadRevocations."""
        try:
            body = self._file.read()
            return [] if body is None else msgspec.json.decode(body, type=list[Revocation])
        except OSError as error:
            sentence = f"{self.path}: the list of revoked tokens can't be read ({error.strerror}); let relayd read it"
            raise BadRevocations(sentence) from error
        except (Damaged, msgspec.MsgspecError) as error:
            raise BadRevocations(
                f"{self.path}: the list of revoked tokens is damaged, or another version's, and without it they would "
                "be let in again; put a copy in its place, or move it away, and then revoke again or change the key"
            ) from error

    async def write(self, revocations: Sequence[Revocation]) -> None:
        """Keep these in place of all before, durably; raises OSError."""
        await self._file.write(msgspec.json.encode(revocations))
