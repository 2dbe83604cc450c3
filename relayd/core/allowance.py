"""
How often each of many may ask.  Time is an argument, in seconds of a clock that never goes back.

Law: in any t seconds a name that is remembered gets no more than `rate * t + burst`, and after quiet it has its burst
again.  It is a token bucket for each name; kept is only when the bucket will be full, so that one that is full need not
be kept.
"""

from relayd.core.pacing import Pace

__all__ = ["Allowance"]

AT_ONCE = 2
"""So many names are forgotten for one that comes: memory shrinks again, and nobody waits for it."""


class Allowance:
    """A pace for each name; of more names than are remembered, the one that asked longest ago is forgotten first."""

    NAMES = 10_000

    __slots__ = ("_full_at", "_names")

    def __init__(self, names: int = NAMES) -> None:
        """Begin with everybody's bucket full."""
        self._names = names
        self._full_at: dict[str, float] = {}

    def __len__(self) -> int:
        """Return how many names are remembered."""
        return len(self._full_at)

    def take(self, name: str, pace: Pace, now: float) -> float:
        """Take one and return 0, or take none and return the seconds after which there is one."""
        full_at = now + self._until_full(name, pace, now)
        wait = max(0.0, full_at - now - (pace.burst - 1) / pace.rate)
        # At the end, whether it got one or not: whoever keeps asking is not the one to be forgotten.
        self._full_at.pop(name, None)
        self._full_at[name] = full_at + (0 if wait else 1 / pace.rate)
        self._forget(now)
        return wait

    def spent(self, name: str, pace: Pace, now: float) -> float:
        """Return how many of its burst a name has taken that have not come back yet."""
        return self._until_full(name, pace, now) * pace.rate

    def _until_full(self, name: str, pace: Pace, now: float) -> float:
        # Never more than an empty bucket takes: under a pace that was made faster since it is not held back by the old.
        return min(max(0.0, self._full_at.get(name, now) - now), pace.burst / pace.rate)

    def _forget(self, now: float) -> None:
        for _ in range(AT_ONCE):
            oldest = next(iter(self._full_at))
            if len(self._full_at) <= self._names and self._full_at[oldest] > now:
                return
            del self._full_at[oldest]
