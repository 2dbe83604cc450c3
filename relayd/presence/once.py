"""
Which tickets have been used, in the memory of this process.

Law: nothing here awaits between looking and noting.  Twenty handshakes with one ticket are twenty turns of the loop,
and the second finds it used.
"""

from relayd.ports import KEPT_SECONDS, TooManyUsed

__all__ = ["MemoryOneUse"]

MOST = 100_000
"""Tickets that are remembered; each takes about 150 bytes."""

AT_ONCE = 100
"""So many are forgotten in one step; forgetting all would keep everybody waiting."""


class MemoryOneUse:
    """The OneUse port for a relay that is alone."""

    def __init__(self, *, most: int = MOST) -> None:
        """Remember none."""
        self._most = most
        # By the time until which each is kept, because all are kept for as long.
        self._used: dict[bytes, float] = {}

    async def use(self, name: bytes, *, now: float) -> bool:
        """Return whether this is its first use; raises TooManyUsed rather than forget one that may come again."""
        self._forget(now)
        if name in self._used:
            return False
        if len(self._used) >= self._most:
            raise TooManyUsed
        self._used[name] = now + KEPT_SECONDS
        return True

    def _forget(self, now: float) -> None:
        for _ in range(min(AT_ONCE, len(self._used))):
            oldest = next(iter(self._used))
            if self._used[oldest] > now:
                break
            del self._used[oldest]
