"""Whether somebody who gives no answers is asked.  Time is an argument, in seconds."""

__all__ = ["Circuit"]


class Circuit:
    """
    Opens when nothing was answered several times in a row; then one question in a pause is let through.

    Without it, all who come and all who are in would wait for somebody who is down, and storm it when it comes back.
    """

    FAILURES = 5
    FIRST, LONGEST = 1.0, 30.0
    """Seconds of a pause; it doubles each time."""

    __slots__ = ("_failures", "_pause", "_probing", "_until")

    def __init__(self) -> None:
        """Begin closed: everything is let through."""
        self._failures = 0
        self._pause = 0.0
        """0 while it is closed."""
        self._until = 0.0
        self._probing = False

    @property
    def open(self) -> bool:
        """Whether questions are held back."""
        return self._pause > 0

    def admits(self, now: float) -> bool:
        """Return whether to ask now; whoever was told so says what came of it, or the next one is after a pause."""
        if not self.open:
            return True
        if now < self._until:
            return False
        self._until = now + self._pause
        self._probing = True
        return True

    def answered(self) -> bool:
        """Note an answer, whatever it was; return whether that ends a time without any."""
        was_open = self.open
        self._failures, self._pause, self._probing = 0, 0.0, False
        return was_open

    def failed(self, now: float) -> None:
        """Note that nothing was answered; what was under way when it opened says nothing new."""
        self._failures += 1
        if self.open and self._probing:
            self._rest(now, 2 * self._pause)
        elif not self.open and self._failures >= self.FAILURES:
            self._rest(now, self.FIRST)

    def _rest(self, now: float, pause: float) -> None:
        self._pause = min(pause, self.LONGEST)
        self._until = now + self._pause
        self._probing = False
