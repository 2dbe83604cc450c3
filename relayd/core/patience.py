"""
What is held against an address: refusals make it wait longer for the next one, and failed logins are counted.

Time is an argument, in seconds.  An IPv6 address stands for its network of 64 bits, all of which one customer has.
"""

from relayd.core.addresses import network_of
from relayd.core.allowance import Allowance
from relayd.core.pacing import Pace

__all__ = ["Patience"]


class Patience:
    """
    Counts refusals by address and slows those who come back too often; counts failed logins beside them.

    A front end that retries every three seconds for ever is no attack, but a thousand of them are a load; answering
    later is what slows a client that does not read the answer.
    """

    FREE = 5
    """So many refusals within the window cost nothing."""
    WINDOW = 60.0
    STEP, LONGEST = 0.25, 4.0
    ADDRESSES = 10_000
    """More addresses than this are not remembered; those refused longest ago are forgotten first."""

    __slots__ = ("_failed", "_refused")

    def __init__(self) -> None:
        """Begin without a memory."""
        self._refused: dict[str, tuple[int, float]] = {}
        self._failed = Allowance(self.ADDRESSES)

    def refused(self, address: str, now: float) -> float:
        """Note a refusal and return the seconds to wait before it is told; doubles from the sixth on."""
        network = network_of(address)
        count, since = self._refused.pop(network, (0, now))
        if now - since > self.WINDOW:
            count = 0
        count += 1
        # Put back at the end: the first is the one refused longest ago.
        self._refused[network] = (count, now)
        if len(self._refused) > self.ADDRESSES:
            del self._refused[next(iter(self._refused))]
        over = count - self.FREE
        # The exponent is bounded, too: 2 to a large count would cost more than the waiting.
        return 0.0 if over <= 0 else min(self.LONGEST, self.STEP * 2 ** min(over - 1, 10))

    def failed(self, address: str, pace: Pace, now: float) -> float:
        """Note a failed login and return 0, or the seconds until one is answered as such again."""
        return self._failed.take(network_of(address), pace, now)

    def admitted(self, address: str) -> None:
        """Forget the refusals of an address; not its failed logins, for behind it may be others than who was let in."""
        if self._refused:
            self._refused.pop(network_of(address), None)
