"""The window in which a repeated event is recognised: a pure function of the log, equal on all relays."""

from collections.abc import Iterable
from hashlib import blake2b

__all__ = ["WINDOW", "RepeatWindow", "repeat_key"]

WINDOW = 200_000
"""How many message ids are remembered; a repeat that comes later is a new event."""


def repeat_key(message_id: str) -> int:
    """Return 63 bits that stand for a message id (63, so that they fit a signed column)."""
    return int.from_bytes(blake2b(message_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()) >> 1


class RepeatWindow:
    """The newest keys, oldest first out."""

    __slots__ = ("_keys", "_size")

    def __init__(self, size: int = WINDOW) -> None:
        """Begin empty."""
        # A dict keeps insertion order: the first key is the oldest.
        self._keys: dict[int, None] = {}
        self._size = size

    def __contains__(self, key: object) -> bool:
        """Tell whether the key was seen within the window."""
        return key in self._keys

    def __len__(self) -> int:
        """Return how many keys are remembered."""
        return len(self._keys)

    def remember(self, keys: Iterable[int]) -> None:
        """Add keys that are not yet in it; a key seen again keeps its old place."""
        for key in keys:
            self._keys[key] = None
            if len(self._keys) > self._size:
                del self._keys[next(iter(self._keys))]

    def clear(self) -> None:
        """Forget all: the log is another one."""
        self._keys.clear()
