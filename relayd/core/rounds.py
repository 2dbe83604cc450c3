"""
Everybody's turn once in an interval, spread over it.  Time is an argument, in seconds.

A thousand who came at once must not have their turn at once for ever after: who comes stands where the fewest do.
"""

from typing import Generic, TypeVar

__all__ = ["Rounds"]

T = TypeVar("T")


class Rounds(Generic[T]):
    """A wheel of slots; with everybody stands since when it is known that all is well."""

    SLOTS = 240
    PAUSE = 1.0
    """What is longer than this, or two slots, between two turns was a pause of our own; nothing is made up for."""

    __slots__ = ("_next", "_owed", "_slots", "_turned", "_where")

    def __init__(self) -> None:
        """Begin with nobody."""
        self._slots: list[dict[T, float]] = [{} for _ in range(self.SLOTS)]
        self._where: dict[T, dict[T, float]] = {}
        self._next = 0
        self._owed = 0.0
        """Part of the next slot whose time has passed."""
        self._turned: float | None = None

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._where)

    def enter(self, one: T, now: float) -> None:
        """Take somebody in with whom all is well now; its turn comes within an interval."""
        slot = min(self._slots, key=len)
        slot[one] = now
        self._where[one] = slot

    def leave(self, one: T) -> None:
        """Let somebody go, as often as called."""
        slot = self._where.pop(one, None)
        if slot is not None:
            del slot[one]

    def confirm(self, one: T, now: float) -> None:
        """Note that all is well with somebody, if it is here still."""
        if one in self._where:
            self._where[one][one] = now

    def unconfirmed(self, one: T, now: float) -> float | None:
        """Return for how many seconds it is not known that all is well with somebody; None when it has left."""
        slot = self._where.get(one)
        return None if slot is None else now - slot[one]

    def turn(self, now: float, interval: float) -> list[T]:
        """Return whose turn has come since this was last asked."""
        passed = 0.0 if self._turned is None else now - self._turned
        self._turned = now
        self._owed += min(passed, max(self.PAUSE, 2 * interval / self.SLOTS)) * self.SLOTS / interval
        slots = min(int(self._owed), self.SLOTS)
        self._owed %= 1
        due: list[T] = []
        for _ in range(slots):
            due += self._slots[self._next]
            self._next = (self._next + 1) % self.SLOTS
        return due
