"""What waits to be published: bounded, in order, and what was dropped is counted."""

from collections import Counter, deque
from collections.abc import Mapping
from typing import Literal

__all__ = ["Buffer", "BufferFull", "WhenFull"]

WhenFull = Literal["block", "drop_oldest"]
"""What happens to an event for which there is no room: it waits, or the oldest one gives way."""


class BufferFull(Exception):
    """There is no room, and who publishes can't wait; the message says what to do."""


class Buffer:
    """Encoded events, oldest first."""

    def __init__(self, most: int, *, when_full: WhenFull) -> None:
        """Hold at most so many events."""
        self.most = most
        self.when_full = when_full
        self._events: deque[tuple[str, bytes]] = deque()
        self._dropped: Counter[str] = Counter()

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._events)

    @property
    def full(self) -> bool:
        """There is no room, and nothing gives way."""
        return self.when_full == "block" and len(self._events) >= self.most

    def put(self, project_id: str, event: bytes) -> None:
        """Add an event of a project; raises BufferFull where nothing gives way."""
        if self.full:
            mend = "await `publish`, which waits for room, or let the oldest give way: when_full='drop_oldest'"
            raise BufferFull(f"{self.most} events wait for the broker; {mend}")
        self._events.append((project_id, event))
        while len(self._events) > self.most:
            self._dropped[self._events.popleft()[0]] += 1

    def take(self, *, events: int, nbytes: int) -> list[bytes]:
        """Return the oldest events, at least one and at most so many or so long together, and let go of them."""
        taken: list[bytes] = []
        while self._events and len(taken) < events:
            nbytes -= len(self._events[0][1])
            if taken and nbytes < 0:
                break
            taken.append(self._events.popleft()[1])
        return taken

    def take_dropped(self) -> Mapping[str, int]:
        """Return how many gave way since this was last asked, by project."""
        dropped, self._dropped = self._dropped, Counter()
        return dropped
