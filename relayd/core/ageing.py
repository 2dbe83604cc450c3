"""
How old things are, by a clock that can be set.

What is dropped for its age never comes back.  So time goes on here no faster than it passes: a clock that is set
forward makes nothing older, one that is set back makes everything younger.
"""

__all__ = ["Ageing"]


class Ageing:
    """The wall clock, without its leaps into the future."""

    __slots__ = ("_began",)

    def __init__(self, now: float, monotonic: float) -> None:
        """Begin when the wall clock (Unix seconds) is right, and the other one anything."""
        self._began = now - monotonic

    def now(self, now: float, monotonic: float) -> float:
        """Return Unix seconds that nothing is older by than it is."""
        return min(now, self._began + monotonic)
