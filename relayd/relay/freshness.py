"""
How old what a relay knows of its log may be.

A relay whose log is out of reach looks to a viewer like a swarm in which nothing happens; this is what tells them
apart.
"""

from relayd.ports import Clock, Source
from relayd.relay.subscription import WatchedLog

__all__ = ["Freshness"]


class Freshness:
    """The last time at which a relay was level with its log; as exact as it is often asked."""

    def __init__(self, source: Source, log: WatchedLog, clock: Clock) -> None:
        """Begin with a relay that has not been level yet."""
        self._source = source
        self._log = log
        self._clock = clock
        self._level_at: float | None = None
        self._began = clock.monotonic()

    def lag(self) -> float | None:
        """Return 0 while level, else the seconds since it last was; None if it never was: then nobody knows."""
        state, head = self._source.state(), self._log.head
        reached = state.head_offset is None or (head is not None and head.offset >= state.head_offset)
        now = self._clock.monotonic()
        if state.connected and state.caught_up and reached:
            self._level_at = now
        return None if self._level_at is None else now - self._level_at

    def stale(self) -> float:
        """Return the same, counted from the beginning if it never was level."""
        lag = self.lag()
        return self._clock.monotonic() - self._began if lag is None else lag

    def away(self) -> float:
        """Return for how long the log has been out of reach, 0 while it is not, however far behind the relay is."""
        # Asked in any case: whoever only wants to know this keeps the time of the last level exact for all.
        stale = self.stale()
        return 0.0 if self._source.state().connected else stale
