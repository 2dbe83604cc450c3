"""What an API answered, kept for a while.  Time is an argument, in seconds."""

from relayd.core.access import Decision

__all__ = ["Answers", "Key"]

Key = tuple[bytes, str]
"""The digest of a token, and a project: the token itself is not kept."""


class Answers:
    """Yes and no, each for its time; beyond the bound those that nobody asked for longest give way."""

    def __init__(self, *, granted: float, denied: float, most: int) -> None:
        """Keep at most so many, for so many seconds."""
        self._seconds = {Decision.GRANTED: granted, Decision.DENIED: denied}
        self._most = most
        self._kept: dict[Key, tuple[Decision, float]] = {}

    def __len__(self) -> int:
        """Return how many are kept."""
        return len(self._kept)

    def get(self, key: Key, now: float) -> Decision | None:
        """Return what was answered, None where that is not known or too old."""
        kept = self._kept.pop(key, None)
        if kept is None or kept[1] <= now:
            return None
        # Back at the end: the first is the one that was not asked for longest.
        self._kept[key] = kept
        return kept[0]

    def put(self, key: Key, decision: Decision, now: float) -> None:
        """Keep a yes or a no in place of what was answered before."""
        self._kept.pop(key, None)
        self._kept[key] = (decision, now + self._seconds[decision])
        if len(self._kept) > self._most:
            del self._kept[next(iter(self._kept))]
