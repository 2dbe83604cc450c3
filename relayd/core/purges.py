"""
What was removed for good and must not come back: not by a log that is read once more, nor by a journal that is old.

A purge names places, never what stood there.  A place is of one log; when that is made anew the epoch is another one,
and the purges of the old log mean nothing any more.
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from relayd.core.snapshot import Snapshot
from relayd.core.timeline import Entry
from relayd.protocol.cursor import Place

__all__ = ["Purge", "Purges"]

LAST = 0xFFFF + 1
"""An item and a part behind all that there are."""


class Purge(Struct, frozen=True, kw_only=True):
    """One raw event that was removed, or all events of a project up to and with a body."""

    epoch: int
    offset: int
    item: int | None
    """None: all of the project up to here."""
    fingerprint: bytes
    """Of the body at that offset; empty where it is not known."""
    project_id: str | None
    """None: an event that could not be understood."""
    owner: str | None = None
    team: str | None = None
    """Of a project: who may see what comes after it."""

    @property
    def after(self) -> Place:
        """What was removed stands strictly behind this place."""
        return Place(-1, -1, -1, -1) if self.item is None else Place(self.epoch, self.offset, self.item, -1)

    @property
    def before(self) -> Place:
        """What was removed stands strictly before this place."""
        return Place(self.epoch, self.offset, LAST if self.item is None else self.item, LAST)


class Purges:
    """All that are remembered; a later one of the same project takes the place of the one before."""

    def __init__(self, purges: Iterable[Purge] = ()) -> None:
        """Begin with those of a relay that was here before."""
        self._events: dict[tuple[int, int, int], dict[str | None, Purge]] = {}
        """By place, then by project: one raw event may have spoken for several."""
        self._projects: dict[str, Purge] = {}
        self.reach = -1
        """No body of the newest log behind this offset is concerned: one comparison is all that a new one costs."""
        for purge in purges:
            self.add(purge)

    def __len__(self) -> int:
        """Return how many are remembered."""
        return len(self.all())

    def all(self) -> Sequence[Purge]:
        """Return them, projects first."""
        return [*self._projects.values(), *(one for found in self._events.values() for one in found.values())]

    def add(self, purge: Purge) -> None:
        """Remember one; that of a project stands for those of its events."""
        if purge.item is not None:
            self._events.setdefault((purge.epoch, purge.offset, purge.item), {})[purge.project_id] = purge
        elif purge.project_id is not None:
            self._projects[purge.project_id] = purge
            for at in [at for at, found in self._events.items() if found.keys() == {purge.project_id}]:
                if at[:2] <= (purge.epoch, purge.offset):
                    del self._events[at]
        self.reach = max(self.reach, purge.offset)

    def hides(self, place: Place, project_id: str | None, fingerprint: bytes | None = None) -> bool:
        """Tell whether what stands at a place was removed; without a fingerprint the place is of this very log."""
        event = self._events.get(place[:3])
        if event is not None and fingerprint in {None, *(one.fingerprint for one in event.values())}:
            return True
        whole = None if project_id is None else self._projects.get(project_id)
        if whole is None or place[:2] > (whole.epoch, whole.offset):
            return False
        # Another body at the very place: another log, of which this relay was never told.
        at_end = place[:2] == (whole.epoch, whole.offset)
        return not (at_end and whole.fingerprint) or fingerprint in {None, whole.fingerprint}

    def left(self, project_id: str, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Return what may still be shown of a project's entries."""
        if not self._events and not self._projects:
            return entries
        return [entry for entry in entries if not self.hides(entry.place, project_id)]

    def at(self, offset: int, item: int, fingerprint: bytes) -> Sequence[Purge]:
        """Return the purges of one raw event, in any epoch."""
        return [
            one
            for place, found in self._events.items()
            for one in found.values()
            if (*place[1:], one.fingerprint) == (offset, item, fingerprint)
        ]

    def of(self, project_id: str) -> Purge | None:
        """Return the purge of a whole project."""
        return self._projects.get(project_id)

    def state(self, project_id: str) -> Snapshot | None:
        """Return what a project begins with that was removed: who may see it, and nothing else."""
        whole = self._projects.get(project_id)
        if whole is None or (whole.owner is None and whole.team is None):
            return None
        return Snapshot(project_id=project_id, owner=whole.owner, team=whole.team)

    def of_log(self, epoch: int, *, known: bool, end: int | None) -> "Purges":
        """
        Return those that concern the log in this epoch.

        `known`: a journal says which epoch it is; without one all are taken for this log's.  `end`: no more than this
        offset was written, and what comes behind it is new (a log that can't be read again).
        """
        kept = [
            replace(one, epoch=epoch) if not known else one for one in self.all() if not known or one.epoch >= epoch
        ]
        if end is not None:
            kept = [cut for one in kept if (cut := up_to(one, end)) is not None]
        return Purges(kept)

    def behind(self, floor: Place) -> "Purges":
        """Return those that reach behind a place; what stands before it is not in the log any more."""
        return Purges(one for one in self.all() if (one.epoch, one.offset, LAST) > floor[:3])


def up_to(purge: Purge, end: int) -> Purge | None:
    """Return what a purge says of a log that ends at an offset."""
    if purge.offset <= end:
        return purge
    return None if purge.item is not None or end < 0 else replace(purge, offset=end, fingerprint=b"")
