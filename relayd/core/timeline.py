"""The recent events of one project in memory, encoded once; older ones are read from the journal."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import islice
from collections import deque

from msgspec import Struct

from relayd.protocol.cursor import Place

__all__ = ["Entry", "Timeline"]


class Entry(Struct, frozen=True, gc=False):
    """One message of the log, encoded, with what selections look at."""

    place: Place
    cursor: str
    payload: bytes
    """The message as JSON, `id` and `received_at` included; it holds no line feed."""
    type: str
    level: int
    """Rank of the log level; -1 for what is no log line."""
    agent: str | None
    received_at: float
    """Relay's clock, Unix seconds."""
