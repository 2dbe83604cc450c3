"""What an address on the internet stands for."""

from ipaddress import AddressValueError, IPv6Address, ip_address

__all__ = ["is_loopback", "network_of"]

NETWORK_BITS = 64


def is_loopback(host: str) -> bool:
    """Tell whether nobody but this machine can be there."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def network_of(address: str) -> str:
    """Return what stands for an address: an IPv6 one's network; anything else, also what is no address, itself."""
    if ":" not in address:
        return address
    try:
        bits = int(IPv6Address(address)) >> NETWORK_BITS
    except AddressValueError:
        return address
    return f"{bits:x}::/{NETWORK_BITS}"
