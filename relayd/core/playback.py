"""
A recording played again: when each event's turn comes, where to begin, and what becomes of it in another project.

Played time is counted in seconds since the playing began; a recording's own time is what stands in `timestamp`, for
that outlives an import, and `received_at` does not.
"""

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime

from msgspec.structs import replace

from relayd.protocol.cursor import BadCursorError, decode
from relayd.protocol.messages import Event

__all__ = ["Begins", "Playback", "another_name", "beginning", "moved", "speed_of"]

SPEED = re.compile(r"(\d+(?:\.\d+)?)x?")
PERCENT = re.compile(r"(\d+(?:\.\d+)?)%")
MAX_PROJECT_ID = 128

Begins = Callable[[Event], bool]
"""Is asked of each event in order; from the first one for which it is true all are played."""


class Playback:
    """When the events of a recording are played, one after another."""

    def __init__(self, *, speed: float = 1.0, max_pause: float = math.inf) -> None:
        """Take how much faster than recorded (inf: without a pause), and the longest pause in played seconds."""
        self._speed = speed
        self._max_pause = max_pause
        self._latest: float | None = None
        self._due = 0.0

    def due(self, timestamp: float) -> float:
        """Return when the next event is played; one whose producer's clock was behind comes without a pause."""
        if self._latest is None:
            self._latest = timestamp
        ahead = max(0.0, timestamp - self._latest)
        self._latest = max(self._latest, timestamp)
        self._due += min(ahead / self._speed, self._max_pause)
        return self._due


def speed_of(text: str) -> float:
    """Return what `8x`, `0.5` or `max` means; raises ValueError with a sentence."""
    if text == "max":
        return math.inf
    found = SPEED.fullmatch(text)
    if found is None or not (speed := float(found[1])):
        raise ValueError(f"{text!r} is no speed; write how much faster than recorded, like 8x, or max")
    return speed


def beginning(text: str, *, first: float, last: float) -> Begins:
    """
    Return what finds the event to begin with: behind a cursor, from a time on, or a share of the way.

    `first` and `last` are the recording's earliest and latest timestamp.  Raises ValueError with a sentence.
    """
    if (share := PERCENT.fullmatch(text)) is not None and float(share[1]) <= 100:  # noqa: PLR2004  # all of it
        return from_time(first + (last - first) * float(share[1]) / 100)
    try:
        decode(text)
    except BadCursorError:
        return from_time(time_of(text))
    return behind(text)


def from_time(time: float) -> Begins:
    """Return what finds the first event at a time or later."""
    return lambda event: event.timestamp >= time


def behind(cursor: str) -> Begins:
    """Return what finds the event behind the one with a cursor."""
    passed = False

    def begins(event: Event) -> bool:
        nonlocal passed
        begun, passed = passed, event.id == cursor
        return begun

    return begins


def time_of(text: str) -> float:
    """Return a time of ISO 8601 in Unix seconds, UTC where it does not say; raises ValueError with a sentence."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is no place in a recording; give a cursor, a time like 2026-01-31T12:00:00Z, or 40%"
        ) from None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def moved(event: Event, project_id: str, message_id: str, *, timestamp: float | None = None) -> Event:
    """
    Return an event as it is published into another project, under an id of its own.

    Its place and what the relay said are left out; `root_id` and `parent_id` follow where they name the project.
    """
    old = event.project_id
    return replace(
        event,
        project_id=project_id,
        message_id=message_id,
        timestamp=event.timestamp if timestamp is None else timestamp,
        root_id=project_id if event.root_id == old else event.root_id,
        parent_id=project_id if event.parent_id == old else event.parent_id,
        id=None,
        received_at=None,
        dialect=None,
    )


def another_name(project_id: str, now: float) -> str:
    """Return the name of a replay that begins now (Unix seconds)."""
    suffix = datetime.fromtimestamp(now, UTC).strftime("-replay-%m%d-%H%M%S")
    return project_id[: MAX_PROJECT_ID - len(suffix)] + suffix
