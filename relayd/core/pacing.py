"""How fast frames may follow one another.  Time is an argument, in seconds of a clock that never goes back."""

from msgspec import Struct

__all__ = ["Governor", "Pace", "TokenBucket"]


class Pace(Struct, frozen=True):
    """So many a second, and how many at once after a quiet time."""

    rate: float
    burst: float


class TokenBucket:
    """What comes after quiet leaves at once, what follows gathers."""

    __slots__ = ("_burst", "_rate", "then", "tokens")

    def __init__(self, pace: Pace, now: float) -> None:
        """Begin full."""
        self._rate = pace.rate
        self._burst = pace.burst
        self.then = now
        """Of the last refill."""
        self.tokens = pace.burst

    def refill(self, now: float, slowdown: float = 1.0) -> float:
        """Add what has come in since and return the tokens there are; a slowdown of 2 halves the rate."""
        self.tokens = min(self._burst, self.tokens + max(0.0, now - self.then) * self._rate / slowdown)
        self.then = now
        return self.tokens

    def take(self, now: float, count: float = 1.0, slowdown: float = 1.0) -> bool:
        """Take tokens and return True, or take none and return False."""
        if self.refill(now, slowdown) < count:
            return False
        self.tokens -= count
        return True

    def share(self, other: "TokenBucket") -> None:
        """Hold for those of another bucket, too: both are brought to the same time and the poorer one counts."""
        then = max(self.then, other.then)
        self.tokens = min(self.refill(then), other.refill(then))

    def due(self, count: float = 1.0, slowdown: float = 1.0) -> float:
        """Return the seconds until `count` tokens will be there, counted from the last refill."""
        return max(0.0, count - self.tokens) * slowdown / self._rate


class Governor:
    """
    One load governor for the process: under overload batches grow instead of queues.

    It compares the CPU time spent flushing, and in all, with the time that passed; a neighbour on the core is no load
    of ours.  While flushing takes more than half, or the process is out of breath, all intervals double, up to five
    (out of breath: ten) times the interval of the pace: in a storm of handshakes fewer and larger frames leave time for
    those at the door.  While flushing takes less than a quarter and there is breath, they shrink again.
    """

    __slots__ = ("_busy", "_since", "_used", "slowdown")

    HIGH, LOW, BREATHLESS = 0.5, 0.25, 0.9
    LIMIT, LIMIT_BREATHLESS = 5.0, 10.0
    WINDOW = 0.5

    def __init__(self, now: float, used: float) -> None:
        """Begin unhurried; `used` are the CPU seconds of the loop's thread so far."""
        self._busy = 0.0
        self._since = now
        self._used = used
        self.slowdown = 1.0

    def spent(self, seconds: float, now: float, used: float) -> None:
        """Note that a flush took so many of the CPU seconds used so far; twice a second the slowdown follows."""
        self._busy += seconds
        passed = now - self._since
        if passed < self.WINDOW:
            return
        load, breathless = self._busy / passed, (used - self._used) / passed > self.BREATHLESS
        if load > self.HIGH or breathless:
            limit = self.LIMIT_BREATHLESS if breathless else self.LIMIT
            self.slowdown = min(max(limit, self.slowdown), self.slowdown * 2)
        elif load < self.LOW:
            self.slowdown = max(1.0, self.slowdown / 2)
        self._busy, self._since, self._used = 0.0, now, used
