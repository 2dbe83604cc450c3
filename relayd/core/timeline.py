"""
The recent events of one project in memory, encoded once; older ones are read from the journal.

An entry has an index that never changes: the number of entries recorded before it.  Readers keep an index, so
reading what is new is a slice, and dropping old entries moves nobody.  Only an event that is removed for good moves
those behind it, and their readers are told.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from msgspec import Struct

from relayd.protocol.cursor import Place

__all__ = ["Entry", "Timeline"]


class Entry(Struct, frozen=True, gc=False):
    """One message of the log, encoded, with what selections look at."""

    place: Place
    cursor: str
    payload: bytes
    """The message as JSON, `id` and `received_at` included; it holds no line feed."""
    type: str
    level: int
    """Rank of the log level; -1 for what is no log line."""
    agent: str | None
    received_at: float
    """Relay's clock, Unix seconds."""


def place_of(entry: Entry) -> Place:
    """Return what entries are sorted by."""
    return entry.place


class Timeline:
    """
    Entries of a project in the log's order, without holes from `bottom` on.

    `bottom` is the place of the newest entry that is *not* held: everything after it is here.  None means that
    everything the project ever had is here.
    """

    __slots__ = ("_entries", "base", "bottom", "nbytes")

    def __init__(self, entries: Sequence[Entry] = (), *, bottom: Place | None = None) -> None:
        """Begin with what the journal remembers."""
        self._entries = list(entries)
        self.base = 0
        self.bottom = bottom
        self.nbytes = sum(len(entry.payload) for entry in entries)

    @property
    def end(self) -> int:
        """Index of the next entry."""
        return self.base + len(self._entries)

    def __len__(self) -> int:
        """Return how many entries are in memory."""
        return len(self._entries)

    def record(self, entries: Sequence[Entry]) -> None:
        """Append entries in the log's order; their places are after all that are here."""
        self._entries += entries
        self.nbytes += sum([len(entry.payload) for entry in entries])

    def index_after(self, place: Place) -> int | None:
        """Return the index of the first entry after a place, None when memory does not reach back to it."""
        if self.bottom is not None and place < self.bottom:
            return None
        return self.base + bisect_right(self._entries, place, key=place_of)

    def since(self, place: Place) -> list[Entry]:
        """Return what is held after a place, whether or not there was more."""
        return self._entries[bisect_right(self._entries, place, key=place_of) :]

    def slice(self, start: int, stop: int) -> list[Entry]:
        """Return the entries with indices from `start` up to, not including, `stop`; `start` is not below `base`."""
        return self._entries[start - self.base : stop - self.base]

    def begin_above(self, place: Place) -> None:
        """Take note that there is more than is held, up to the oldest entry, or up to a place if none is held."""
        if self.bottom is None:
            first = self._entries[0].place if self._entries else None
            self.bottom = place if first is None else first._replace(part=first.part - 1)

    def droppable(self, count: int, settled: Place) -> int:
        """Return how many of the `count` oldest entries stand at or below a settled place."""
        return min(count, bisect_right(self._entries, settled, key=place_of))

    def oldest(self, nbytes: int) -> int:
        """Return how many of the oldest entries hold so many bytes together; all of them if they hold less."""
        for count, entry in enumerate(self._entries):
            if nbytes <= 0:
                return count
            nbytes -= len(entry.payload)
        return len(self._entries)

    def drop(self, count: int) -> Entry | None:
        """Let go of the `count` oldest entries and return the newest of them."""
        gone = self._entries[: max(0, count)]
        if not gone:
            return None
        del self._entries[:count]
        self.base += len(gone)
        self.bottom = gone[-1].place
        self.nbytes -= sum(len(entry.payload) for entry in gone)
        return gone[-1]

    def between(self, after: Place, before: Place) -> list[Entry]:
        """Return what is held strictly between two places."""
        first = bisect_right(self._entries, after, key=place_of)
        return self._entries[first : bisect_left(self._entries, before, key=place_of)]

    def remove(self, after: Place, before: Place) -> tuple[int, list[Entry]]:
        """
        Let go of what stands strictly between two places, for good, and return it with the index of its first.

        What stands behind it moves up: whoever keeps an index must be told.
        """
        gone = self.between(after, before)
        first = bisect_right(self._entries, after, key=place_of)
        del self._entries[first : first + len(gone)]
        self.nbytes -= sum(len(entry.payload) for entry in gone)
        return self.base + first, gone
