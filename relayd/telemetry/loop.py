"""Measures how late the event loop runs what is due: the first sign of something that blocks it."""

import asyncio
from collections.abc import Callable

from relayd.ports import Clock

__all__ = ["LoopLag"]

INTERVAL = 0.25
"""Seconds between two samples: blocks longer than this are seen surely, shorter ones by chance."""


class LoopLag:
    """Sleeps, and tells by how much it overslept; `observe` gets seconds."""

    def __init__(self, clock: Clock, observe: Callable[[float], None], *, interval: float = INTERVAL) -> None:
        self._clock = clock
        self._observe = observe
        self._interval = interval
        self._due: float | None = None
        self._last = 0.0

    async def run(self) -> None:
        """Sample for ever."""
        try:
            while True:
                self._due = self._clock.monotonic() + self._interval
                await asyncio.sleep(self._interval)
                self._last = max(0.0, self._clock.monotonic() - self._due)
                self._observe(self._last)
        finally:
            # Stopped on purpose: it must not seem later and later.
            self._due, self._last = None, 0.0

    def lag(self) -> float:
        """Return seconds: the last sample's lateness, or the present one's where that is already worse."""
        overdue = 0.0 if self._due is None else self._clock.monotonic() - self._due
        return max(self._last, overdue, 0.0)
