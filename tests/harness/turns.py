"""Several relays on one stream, and ways to them: in turn, or through the proxy that stands before them."""

from collections.abc import Sequence
from math import ceil

from tests.harness.nginx import PrivateNginx
from tests.harness.settled import Addresses

__all__ = ["InTurn", "Through", "ways_through"]

PER_ADDRESS = 10
"""So many viewers come from one address: the proxy bounds connections and handshakes of each."""


class InTurn(Addresses):
    """Relays of which each request goes to the next: whoever comes back is never where it was."""

    def __init__(self, relays: Sequence[Addresses], *, first: int = 0) -> None:
        """Begin with one of them."""
        self._relays = relays
        self._next = first
        self.url = relays[first % len(relays)].url

    def base(self) -> str:
        """Return the next one's address."""
        relay = self._relays[self._next % len(self._relays)]
        self._next += 1
        return relay.base()


class Through(Addresses):
    """The way through a proxy, for viewers who come from one address of this machine."""

    def __init__(self, nginx: PrivateNginx, comes_from: str) -> None:
        """Trust the proxy's certificate."""
        self.url = nginx.https
        self.tls = nginx.tls
        self.comes_from = comes_from


def ways_through(nginx: PrivateNginx, viewers: int) -> list[Through]:
    """Return a way for each of so many viewers; neighbours in the list come from different addresses."""
    addresses = ceil(viewers / PER_ADDRESS)
    assert addresses <= 250
    return [Through(nginx, f"127.0.1.{1 + number % addresses}") for number in range(viewers)]
