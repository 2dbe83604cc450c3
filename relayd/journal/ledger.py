"""
What the writer thread remembers of the file, so that a commit reads nothing and retention counts nothing anew.

Rule: only the writer's thread touches a ledger, and only after COMMIT; so it never tells more than the file holds.
"""

from collections import deque
from collections.abc import Iterable

from relayd.core.floor import Floor
from relayd.ports import Position

__all__ = ["Ledger"]


class Ledger:
    """Numbers of projects, counts of events, position, floor of all projects and where the window of repeats begins."""

    __slots__ = (
        "_keys",
        "_max_events",
        "_window",
        "_window_size",
        "crowded",
        "events",
        "floor",
        "numbers",
        "position",
        "sealed",
    )

    def __init__(self, *, window: int, max_events: int) -> None:
        """Begin empty; `window` in keys of repeats, `max_events` for each project."""
        self.position: Position | None = None
        self.floor: Floor | None = None
        self.sealed = False
        """The file says that it was closed in order; whoever writes takes that back first."""
        self.numbers: dict[str, int] = {}
        self.events: dict[int, int] = {}
        """By number of project; 0 for one that has only its snapshot left."""
        self.crowded: set[int] = set()
        """Numbers of projects that may have more events than they should."""
        self._max_events = max_events
        self._window: deque[tuple[int, int]] = deque()
        self._window_size = window
        self._keys = 0

    def count(self, number: int, events: int) -> None:
        """Note that a project has so many more events, or fewer if negative."""
        self.events[number] = total = self.events.get(number, 0) + events
        if total > self._max_events and events > 0:
            self.crowded.add(number)

    def forget(self, projects: Iterable[tuple[int, str]]) -> None:
        """Note that these projects, by number and id, are no more."""
        for number, project_id in projects:
            self.events.pop(number, None)
            self.crowded.discard(number)
            self.numbers.pop(project_id, None)

    def remember(self, seq: int, keys: int) -> None:
        """Note a new row of repeats with so many keys."""
        self._window.append((seq, keys))
        self._keys += keys
        while self._keys - self._window[0][1] >= self._window_size and len(self._window) > 1:
            self._keys -= self._window.popleft()[1]

    @property
    def window_begin(self) -> int:
        """Rows of repeats below this one are not needed."""
        return self._window[0][0] if self._window else 0
