"""
Envelopes that many read who come back at once.

Whoever resumes reads up to the same boundaries of a project's timeline, so in a storm nearly all bytes are the same
bytes: they are made once and kept for a moment.
"""

from collections.abc import Hashable

__all__ = ["Copies"]

KEPT_SECONDS = 1.0
KEPT_BYTES = 8 * 1024 * 1024


class Copies:
    """Payloads by what is in them and how they are read, the newest few of the last second."""

    def __init__(self) -> None:
        """Begin empty."""
        self._payloads: dict[Hashable, bytes] = {}
        self._nbytes = 0
        self._since = 0.0

    def get(self, key: Hashable, now: float) -> bytes | None:
        """Return a payload that is younger than a second (of a clock that never goes back)."""
        if now - self._since > KEPT_SECONDS:
            self._clear(now)
        return self._payloads.get(key)

    def put(self, key: Hashable, payload: bytes, now: float) -> None:
        """Keep a payload; when there is no room, all the others go."""
        if self._nbytes + len(payload) > KEPT_BYTES:
            self._clear(now)
        self._payloads[key] = payload
        self._nbytes += len(payload)

    def forget(self) -> None:
        """Let go of all: what is in them may have been removed."""
        self._clear(self._since)

    def _clear(self, now: float) -> None:
        self._payloads.clear()
        self._nbytes = 0
        self._since = now
