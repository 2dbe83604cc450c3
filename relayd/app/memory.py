"""
Whether there is memory for new viewers: beyond a bound nobody is let in until there is some to spare again.

Law: a relay never ends a viewer for want of memory.  Those who are there cost little; what a relay could not bear are
many who come at once with a past to be read, and it says so at the door, where a peer may take them.
"""

import os
from collections.abc import Callable
from pathlib import Path

from relayd.ports import Clock

__all__ = ["Headroom", "resident"]

MIB = 1024 * 1024
EVERY = 1.0
"""Seconds between two looks: it is asked at every handshake."""

ENOUGH = 0.95
"""Of the bound, below which the doors open again; else they would flap with each buffer that comes and goes."""

STATM, PAGE = Path("/proc/self/statm"), os.sysconf("SC_PAGE_SIZE")
RESIDENT = 1
"""Field of `statm` (proc(5)), in pages."""


class Headroom:
    """Looks how much memory the process has, once a second at most; `limit` in MiB, 0 for no bound."""

    def __init__(self, limit: int, clock: Clock, *, used: Callable[[], int] | None = None) -> None:
        """Begin with enough; `used` returns bytes."""
        self.limit = limit
        self._clock = clock
        self._used = resident if used is None else used
        self._looked = float("-inf")
        self._short = False

    def short(self) -> bool:
        """Tell whether new viewers would be too much."""
        if not self.limit:
            return False
        now = self._clock.monotonic()
        if now - self._looked >= EVERY:
            self._looked = now
            self._short = self._used() > self.limit * MIB * (ENOUGH if self._short else 1)
        return self._short

    def trouble(self) -> str | None:
        """Return a sentence for the operator while it is short."""
        if not self.short():
            return None
        return (
            f"more than server.max_memory_mib = {self.limit} MiB are in use, so nobody new is let in until it is below "
            f"{ENOUGH:.0%} of that; raise it, or lower memory.timeline_mib or memory.projects"
        )

    def gauge(self) -> float | None:
        """Return 1 while it is short, else 0; None without a bound."""
        return float(self.short()) if self.limit else None


def resident() -> int:
    """Return the bytes of this process that are in memory."""
    return int(STATM.read_bytes().split()[RESIDENT]) * PAGE
