"""
Places per user and viewers per project, in the memory of this process.

Law: nothing here awaits between looking and taking.  Six handshakes at once are six turns of the loop, and the sixth
sees five places taken.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from relayd.ports import Holder, NoPlace
from relayd.protocol.disconnect import Disconnect

__all__ = ["Evict", "MemoryHold", "MemoryPresence"]

Evict = Callable[[Disconnect], None]


class MemoryHold:
    """A place; whoever has it keeps the place until `release`, which may be long after its connection ended."""

    __slots__ = ("_presence", "evict", "holder")

    def __init__(self, presence: "MemoryPresence", holder: Holder, evict: Evict) -> None:
        """Belong to a presence."""
        self._presence = presence
        self.holder = holder
        self.evict = evict

    def release(self) -> None:
        """Give it back; what was given back already, or has passed to another, frees nothing."""
        self._presence.discard(self)


Holds = dict[MemoryHold, None]
"""A set that remembers who came first."""


class MemoryPresence:
    """The Presence port for a relay that is alone."""

    def __init__(self, limit: int = 5) -> None:
        """Let every user hold `limit` places."""
        self.limit = limit
        self._by_user: dict[str, Holds] = {}
        self._by_project: dict[str, Holds] = {}
        self._by_transport: Counter[str] = Counter()

    async def take(self, holder: Holder, *, evict: Evict) -> MemoryHold:
        """Take a place, that of an older holder of the same session if there is one; raises NoPlace."""
        places = self._by_user.get(holder.user, {})
        older = _same_session(places, holder.session)
        if older is not None:
            # Given back before its owner hears of it: should the callback fail, no place is lost for ever.
            self.discard(older)
            older.evict(Disconnect.REPLACED)
        elif len(places) >= self.limit:
            raise NoPlace([hold.holder for hold in places])
        hold = MemoryHold(self, holder, evict)
        self._by_user.setdefault(holder.user, {})[hold] = None
        if holder.project_id is not None:
            self._by_project.setdefault(holder.project_id, {})[hold] = None
        self._by_transport[holder.transport] += 1
        return hold

    def discard(self, hold: MemoryHold) -> None:
        """Free the hold's place if it still has one."""
        holder = hold.holder
        if hold not in self._by_user.get(holder.user, {}):
            return
        _drop(self._by_user, holder.user, hold)
        if holder.project_id is not None:
            _drop(self._by_project, holder.project_id, hold)
        self._by_transport[holder.transport] -= 1

    async def of_user(self, user: str) -> Sequence[Holder]:
        """Return the places a user holds, the oldest first."""
        return [hold.holder for hold in self._by_user.get(user, {})]

    async def of_project(self, project_id: str) -> Sequence[Holder]:
        """Return who watches a project, the oldest first."""
        return [hold.holder for hold in self._by_project.get(project_id, {})]

    async def evict(self, connection_id: str, *, user: str) -> bool:
        """End a connection of that user, which then gives its place back; False when there is none."""
        for hold in self._by_user.get(user, {}):
            if hold.holder.connection_id == connection_id:
                hold.evict(Disconnect.NORMAL)
                return True
        return False

    def counts(self) -> Mapping[str, int]:
        """Return the number of places by transport; a transport that once had some stays, at 0."""
        return dict(self._by_transport)


def _same_session(places: Holds, session: str | None) -> MemoryHold | None:
    """Return the place of that session; a holder without a session is nobody's successor."""
    return next((hold for hold in places if session is not None and hold.holder.session == session), None)


def _drop(index: dict[str, Holds], key: str, hold: MemoryHold) -> None:
    """Take it out, and the key with its last one: keys come from strangers and must not stay for ever."""
    del index[key][hold]
    if not index[key]:
        del index[key]
