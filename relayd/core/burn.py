"""How fast something is used: sums a minute over the last five of them, in memory, by a clock that never goes back."""

from msgspec import Struct

__all__ = ["Burn", "Rate"]

MINUTE = 60.0
MINUTES = 5


class Rate(Struct, frozen=True):
    """So much a minute; costs in the unit in which they were added."""

    tokens: float
    cost: float


class Burn:
    """
    A ring of minutes.

    It begins with a report whose own numbers don't count: nobody knows since when they were used.
    """

    __slots__ = ("_began", "_minutes")

    def __init__(self, now: float) -> None:
        """Begin at a monotonic time in seconds."""
        self._began = now
        self._minutes: dict[int, tuple[int, int]] = {}

    def __len__(self) -> int:
        """Return how many minutes are held."""
        return len(self._minutes)

    def add(self, now: float, *, tokens: int, cost: int) -> None:
        """Take in what was used by now since the last time."""
        minute = self._minute(now)
        before = self._minutes.get(minute, (0, 0))
        self._minutes[minute] = (before[0] + tokens, before[1] + cost)
        for old in [one for one in self._minutes if one < minute - MINUTES]:
            del self._minutes[old]

    def rate(self, now: float) -> Rate | None:
        """Return how much is used a minute, None before there was one."""
        if now - self._began < MINUTE:
            return None
        first = max(0, self._minute(now) - MINUTES)
        minutes = (now - self._began) / MINUTE - first
        recent = [used for minute, used in self._minutes.items() if minute >= first]
        return Rate(sum(tokens for tokens, _ in recent) / minutes, sum(cost for _, cost in recent) / minutes)

    def _minute(self, now: float) -> int:
        return int((now - self._began) // MINUTE)
