"""How far back the log can be vouched for: floors, checkpoints and what can be said of a cursor."""

from collections import deque
from typing import Literal

from msgspec import Struct

from relayd.protocol.cursor import Place

__all__ = ["BELOW_ALL", "Floor", "Marks", "Verdict"]

BELOW_ALL = Place(-1, -1, -1, -1)
"""Stands before every event of every log."""


class Floor(Struct, frozen=True):
    """The place of the last event that was dropped; a cursor below it can't be served whole."""

    place: Place
    fingerprint: bytes = b""
    """Empty where the body at that place was never seen (a hole)."""


class Verdict(Struct, frozen=True):
    """
    What can be said of a cursor.

    `whole`: everything after it is here.  `gap`: it is not, for the named cause.  `ahead`: the log has not come
    so far.  `ask`: only the journal may know the body at that offset.
    """

    kind: Literal["whole", "gap", "ahead", "ask"]
    cause: str = ""
    place: Place | None = None
    """Of a cursor that is whole, in the log that was there when it was judged: that log may be made anew any time."""


class Marks:
    """Fingerprints of the newest bodies by offset, oldest first out; older ones the journal knows."""

    __slots__ = ("_marks", "_order", "_size")

    def __init__(self, size: int) -> None:
        """Begin empty."""
        self._marks: dict[int, bytes] = {}
        # The dict's own order would do, but finding its first key passes over all that were deleted before.
        self._order: deque[int] = deque()
        self._size = size

    def __len__(self) -> int:
        """Return how many are remembered."""
        return len(self._marks)

    def put(self, offset: int, fingerprint: bytes) -> None:
        """Remember the body at an offset."""
        if offset not in self._marks:
            self._order.append(offset)
        self._marks[offset] = fingerprint
        if len(self._marks) > self._size:
            del self._marks[self._order.popleft()]

    def get(self, offset: int) -> bytes | None:
        """Return the fingerprint at an offset, None when it is not (or no longer) remembered."""
        return self._marks.get(offset)

    def since(self, offset: int) -> list[tuple[int, bytes]]:
        """Return the bodies behind an offset that are remembered, oldest first."""
        found: list[tuple[int, bytes]] = []
        for known in reversed(self._order):
            if known <= offset:
                break
            found.append((known, self._marks[known]))
        return found[::-1]

    def clear(self) -> None:
        """Forget all: the log is another one."""
        self._marks.clear()
        self._order.clear()
