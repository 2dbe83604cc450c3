"""How long to wait before coming back: jittered, so that viewers cut off together do not return together."""

from msgspec import Struct

__all__ = ["PATIENCE", "Backoff"]

DOUBLINGS = 16
"""Beyond this the cap has long been reached; without a bound the power grows for ever."""

LONGEST_RETRY_AFTER = 300.0
"""Seconds; a relay that asks for more has a wrong clock or is not a relay."""


class Backoff(Struct, frozen=True, kw_only=True):
    """Waits between `floor` and `cap` seconds; time and chance are arguments, so nothing here sleeps."""

    floor: float = 0.5
    cap: float = 30.0

    def delay(self, attempt: int, *, retry_after: float, chance: float) -> float:
        """
        Return the seconds to wait before the `attempt`-th retry (from 1); `chance` is a random number in [0, 1).

        What the relay asked for (`retry_after`, seconds, 0 for nothing) stands and is only ever stretched, by up to
        a quarter: the relay spreads its closes over a window, coming back earlier would undo that.
        """
        if retry_after > 0:
            return max(self.floor, min(retry_after, LONGEST_RETRY_AFTER) * (1 + chance / 4))
        ceiling = min(self.cap, self.floor * 2.0 ** min(attempt, DOUBLINGS))
        return self.floor + (ceiling - self.floor) * chance


PATIENCE = Backoff()
"""The waits of the wire contract: at least half a second, at most half a minute."""
