"""The window in which a repeated event is recognised: a pure function of the log, equal on all relays."""

from collections import deque
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from itertools import islice

__all__ = ["WINDOW", "Foresight", "RepeatWindow", "repeat_key"]

WINDOW = 200_000
"""How many message ids are remembered; a repeat that comes later is a new event."""


def repeat_key(message_id: str) -> int:
    """Return 63 bits that stand for a message id (63, so that they fit a signed column)."""
    return int.from_bytes(blake2b(message_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()) >> 1


class RepeatWindow:
    """The newest keys, oldest first out."""

    __slots__ = ("_keys", "_order", "size")

    def __init__(self, size: int = WINDOW) -> None:
        """Begin empty."""
        self._keys: set[int] = set()
        # Not a dict for both: finding its first key passes over all that were deleted before, 0.5 ms an event.
        self._order: deque[int] = deque()
        self.size = size

    def __contains__(self, key: object) -> bool:
        """Tell whether the key was seen within the window."""
        return key in self._keys

    def __iter__(self) -> Iterator[int]:
        """Iterate over the keys, the oldest first."""
        return iter(self._order)

    def __len__(self) -> int:
        """Return how many keys are remembered."""
        return len(self._keys)

    def remember(self, keys: Iterable[int]) -> None:
        """Add keys that are not yet in it; a key seen again keeps its old place."""
        held, order, size = self._keys, self._order, self.size
        for key in keys:
            if key in held:
                continue
            held.add(key)
            order.append(key)
            if len(order) > size:
                held.remove(order.popleft())

    def restore(self, keys: Iterable[int]) -> None:
        """
        Begin with the keys of a journal, the oldest first; one that stands there several times has its newest place.

        It was pushed out in between, or stands in a whole window that was written behind an outage.
        """
        self.clear()
        newest = dict.fromkeys(reversed(list(keys)))
        self.remember(reversed(list(islice(newest, self.size))))

    def clear(self) -> None:
        """Forget all: the log is another one."""
        self._keys.clear()
        self._order.clear()


class Foresight:
    """
    The window as it will be behind the events of a batch, while the window itself stays as it is.

    It slides with each event: were it only with each batch, relays that cut the log into other batches would take
    other events for repeats.
    """

    __slots__ = ("_gone", "_held", "_new", "_oldest", "_order", "_room")

    def __init__(self, window: RepeatWindow) -> None:
        """Begin where the window stands."""
        # Its own window's keys: for each event that is asked, a call costs more than the answer.
        self._held = window._keys  # noqa: SLF001
        self._oldest = iter(window)
        self._room = window.size - len(window)
        self._gone: set[int] = set()
        self._new: set[int] = set()
        self._order: deque[int] = deque()

    def __contains__(self, key: int) -> bool:
        """Tell whether the key was seen within the window."""
        return key in self._new or (key in self._held and key not in self._gone)

    def remember(self, key: int) -> None:
        """Add a key that is not in it; the oldest gives way."""
        self._new.add(key)
        self._order.append(key)
        self._room -= 1
        if self._room >= 0:
            return
        oldest = next(self._oldest, None)
        if oldest is None:
            # The batch is larger than the window: its own oldest keys give way, too.
            self._new.remove(self._order.popleft())
        else:
            self._gone.add(oldest)
