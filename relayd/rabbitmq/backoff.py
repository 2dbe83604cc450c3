"""Pauses between attempts to connect: they double up to a limit, and are drawn so that relays don't come together."""

import random

__all__ = ["Backoff"]

FIRST = 0.1
"""Seconds."""


class Backoff:
    """Doubles from a tenth of a second to a limit; a pause is between half and all of it."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.ceiling = min(FIRST, limit)

    def pause(self) -> float:
        """Return the next pause in seconds."""
        pause = random.uniform(self.ceiling / 2, self.ceiling)  # noqa: S311 - spreads load, hides nothing
        self.ceiling = min(2 * self.ceiling, self.limit)
        return pause

    def reset(self) -> None:
        """Begin again with a short pause: the last attempt worked."""
        self.ceiling = min(FIRST, self.limit)
