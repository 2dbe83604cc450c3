"""How the journal in memory removes events: a place stays, as an entry without a payload."""

from collections.abc import Iterator, MutableMapping, MutableSequence, Sequence

from msgspec import Struct
from msgspec.structs import replace

from relayd.core.purges import Purge
from relayd.core.timeline import Entry
from relayd.ports import Doomed, Found, JournalError, ProjectRow, Rejected

__all__ = ["Chunk", "FakePurgeBook", "find", "purge"]


class Chunk(Struct, frozen=True):
    """The entries of one project and commit; retention drops no less."""

    project_id: str
    entries: Sequence[Entry]
    """Those that were removed are here, too, empty: what becomes of the chunk does not change."""

    @property
    def received_at(self) -> float:
        """The newest receive time."""
        return max(one.received_at for one in self.entries)

    @property
    def held(self) -> Iterator[Entry]:
        """The entries that were not removed."""
        return (one for one in self.entries if one.payload)


def find(chunks: Sequence[Chunk], rejected: MutableMapping[int, Rejected], offset: int, item: int) -> Found:
    """Return what came of the raw events with that number in bodies at that offset."""
    return Found(
        entries=[one for chunk in chunks for one in chunk.held if one.place[1:3] == (offset, item)],
        rejected=[one for one in rejected.values() if one.place[1:3] == (offset, item)],
    )


def purge(
    chunks: MutableSequence[Chunk],
    rows: MutableMapping[str, ProjectRow],
    rejected: MutableMapping[int, Rejected],
    doomed: Doomed,
) -> int:
    """Empty the places of what is doomed, in place, and return how many events and rejected ones that were."""
    payloads: list[bytes] = []
    for index, chunk in enumerate(chunks):
        if chunk.project_id == doomed.project_id:
            gone = [one for one in chunk.held if doomed.after < one.place < doomed.before]
            payloads += [one.payload for one in gone]
            left = [replace(one, payload=b"") if one in gone else one for one in chunk.entries]
            chunks[index] = replace(chunk, entries=left)
    if doomed.project_id is not None and doomed.project_id in rows:
        rows[doomed.project_id] = doomed.state(rows[doomed.project_id], payloads)
    numbers = [
        number
        for number, one in rejected.items()
        if doomed.after < one.place < doomed.before and doomed.named in one.body
    ]
    for number in numbers:
        del rejected[number]
    return len(payloads) + len(numbers)


class FakePurgeBook:
    """Notes purges in memory; set `failure` and it can't be written."""

    lasting = True

    def __init__(self, purges: Sequence[Purge] = ()) -> None:
        """Begin with what was noted before."""
        self.purges = purges
        self.failure: JournalError | None = None

    async def read(self, log: str) -> Sequence[Purge]:  # noqa: ARG002  # it is of any log
        """Return what was noted."""
        return self.purges

    async def write(self, log: str, purges: Sequence[Purge]) -> None:  # noqa: ARG002  # as above
        """Note all of these in place of what was noted."""
        if self.failure is not None:
            raise self.failure
        self.purges = list(purges)
