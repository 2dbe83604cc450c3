"""A clock that stands still until a test moves it."""


class HandClock:
    """A `ports.Clock`; both times are what the test sets."""

    def __init__(self, monotonic: float = 1_000.0, now: float = 1_700_000_000.0) -> None:
        self.time = monotonic
        self.wall = now

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.time

    def spent(self) -> float:
        return self.time
