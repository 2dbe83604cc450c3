"""
Where a viewer comes from, behind proxies (the header that they all write: X-Forwarded-For).

Law: an entry is believed only if whoever wrote it is trusted.  Each proxy appends the peer that it saw, so the list is
read from its end, and the first stranger in it is the viewer; what stands before it that stranger may have made up.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from aiohttp import web
from aiohttp.typedefs import Handler

__all__ = ["Proxies"]

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

HEADER = "X-Forwarded-For"
UNIX = "unix"
"""How a peer on a unix socket is called while nobody tells of a viewer behind it."""


class Proxies:
    """Those whose word about a viewer's address is taken; a peer on a unix socket always is: its folder is guarded."""

    def __init__(self, trusted: Iterable[str]) -> None:
        """Trust addresses and networks; raises ValueError for anything else."""
        self._trusted: tuple[Network, ...] = ()
        self.trust(trusted)

    def trust(self, trusted: Iterable[str]) -> None:
        """Trust these from now on, and nobody else; raises ValueError for what is no address and no network."""
        self._trusted = tuple(ip_network(one) for one in trusted)

    def viewer(self, peer: str, forwarded: Iterable[str]) -> str:
        """Return the viewer's address; `peer` is empty for a unix socket, `forwarded` are the header's lines."""
        nearest = read(peer)
        if nearest is None and peer:
            return peer
        hops = [hop for line in forwarded for hop in line.split(",")]
        while hops and (nearest is None or self._trusts(nearest)):
            hop = read(hops.pop())
            # What is no address ("unknown", a name, an attack on the log) is not passed on; nor is what stands before.
            if hop is None:
                break
            nearest = hop
        return UNIX if nearest is None else str(nearest)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let `request.remote` name the viewer for all that comes behind."""
        peer = request.remote or ""
        viewer = self.viewer(peer, request.headers.getall(HEADER, ()))
        return await handler(request if viewer == peer else request.clone(remote=viewer))

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


def read(text: str) -> Address | None:
    """Return an address, whatever port stands behind it; None for anything else."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    # A listener for both families sees IPv4 peers as IPv6 ones; a list of trusted ones names them as they are.
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
