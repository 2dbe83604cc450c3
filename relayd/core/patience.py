"""How long somebody who keeps being refused waits for the next refusal.  Time is an argument, in seconds."""

__all__ = ["Patience"]


class Patience:
    """
    Counts refusals by address and slows those who come back too often.

    A front end that retries every three seconds for ever is no attack, but a thousand of them are a load; answering
    later is what slows a client that does not read the answer.
    """

    FREE = 5
    """So many refusals within the window cost nothing."""
    WINDOW = 60.0
    STEP, LONGEST = 0.25, 4.0
    ADDRESSES = 10_000
    """More addresses than this are not remembered; those refused longest ago are forgotten first."""

    __slots__ = ("_refused",)

    def __init__(self) -> None:
        """Begin without a memory."""
        self._refused: dict[str, tuple[int, float]] = {}

    def refused(self, address: str, now: float) -> float:
        """Note a refusal and return the seconds to wait before it is told; doubles from the sixth on."""
        count, since = self._refused.pop(address, (0, now))
        if now - since > self.WINDOW:
            count = 0
        count += 1
        # Put back at the end: the first is the one refused longest ago.
        self._refused[address] = (count, now)
        if len(self._refused) > self.ADDRESSES:
            del self._refused[next(iter(self._refused))]
        over = count - self.FREE
        # The exponent is bounded, too: 2 to a large count would cost more than the waiting.
        return 0.0 if over <= 0 else min(self.LONGEST, self.STEP * 2 ** min(over - 1, 10))

    def admitted(self, address: str) -> None:
        """Forget what was held against an address."""
        self._refused.pop(address, None)
