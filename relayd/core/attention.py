"""
How long something was listened for.

Silence counts only while a relay could have heard something: a log out of reach, a backlog and a pause of our own make
nobody silent.  And it is counted by stamps of a clock that can be set, which must not make anybody silent either.

So this is a clock of its own.  It runs while the relay is level with its log, and remembers what the wall clock showed
meanwhile: whatever makes the two differ, silence is what passed here.
"""

__all__ = ["Attention"]


class Attention:
    """Seconds of listening, and where on them a stamp of the wall clock lies."""

    PAUSE = 5.0
    """More than this between two times of being level was no listening; nothing is made up for."""
    TOLERANCE = 1.0
    """Seconds by which the wall clock may drift until it counts as set."""
    PIECES = 16
    """Of the past for which it is known what the wall clock showed; the oldest holds for all before it."""

    __slots__ = ("_level_at", "_pieces", "heard")

    def __init__(self) -> None:
        """Begin without ever having been level."""
        self.heard = 0.0
        """Seconds of listening so far."""
        self._level_at: float | None = None
        """When the relay was level last, by the monotonic clock."""
        self._pieces: list[tuple[float, float]] = []
        """(what the wall clock showed, seconds of listening) where a piece begins in which both run alike."""

    def note(self, now: float, monotonic: float, lag: float | None) -> None:
        """Take note of both clocks, and since when the relay is not level; None: it never was."""
        if lag is None:
            return
        level_at, wall = monotonic - lag, now - lag
        if self._level_at is not None:
            self.heard += min(max(level_at - self._level_at, 0.0), self.PAUSE)
        self._level_at = level_at
        if self._pieces:
            shown, heard = self._pieces[-1]
            if abs((wall - shown) - (self.heard - heard)) <= self.TOLERANCE:
                return
        self._pieces = [*self._pieces, (wall, self.heard)][-self.PIECES :]

    def since(self, stamp: float) -> float | None:
        """Return for how many seconds there was listening since the wall clock showed this; None: there was none."""
        if not self._pieces:
            return None
        ends = self.heard
        for shown, heard in reversed(self._pieces):
            if stamp >= shown:
                # What lies in a hole between two pieces lies at its end.
                return max(self.heard - min(heard + stamp - shown, ends), 0.0)
            ends = heard
        shown, heard = self._pieces[0]
        return self.heard - heard + shown - stamp
