"""The clocks of this machine."""

import time

__all__ = ["SystemClock"]


class SystemClock:
    """The Clock port."""

    def now(self) -> float:
        """Return Unix seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()

    def spent(self) -> float:
        """Return the seconds of CPU that this thread has used."""
        return time.thread_time()
