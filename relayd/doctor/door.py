"""The door: the name of the host, and its TLS."""

import asyncio
import socket
import ssl
import time
import warnings
from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

from relayd.doctor.finding import Finding, bad, ok, warn

__all__ = ["certificate_of", "days_of", "names_of", "versions_of"]

SECONDS = 5.0
DAY = 86_400
SOON_DAYS, VERY_SOON_DAYS = 21, 7
"""Who renews by machine does it a month before; who has less has a machine that failed."""

OLD = (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1)
CURRENT = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
MEND_VERSIONS = "`ssl_protocols TLSv1.2 TLSv1.3;` (deploy/nginx/relayd.conf)"


def host_of(base: str) -> tuple[str, int]:
    """Return host and port of a base address."""
    parts = urlsplit(base)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


async def names_of(base: str) -> Iterable[Finding]:
    """Say where the name leads."""
    host, port = host_of(base)
    if is_address(host):
        return [ok("DNS", f"{host} is an address")]
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        return [bad("DNS", f"{host}: {error.strerror}", mend="correct the name, or its records")]
    return [ok("DNS", f"{host} is {', '.join(dict.fromkeys(str(one[4][0]) for one in found))}")]


async def versions_of(base: str) -> Iterable[Finding]:
    """Say which versions of TLS are spoken there."""
    host, port = host_of(base)
    if not base.startswith("https:"):
        if is_address(host) and ip_address(host).is_loopback:
            return [ok("TLS", "none, on the loopback")]
        return [bad("TLS", "none: tokens and events travel for all to read", mend="give the address with https://")]
    spoken = [version for version in (*OLD, *CURRENT) if await speaks(host, port, version)]
    said = ", ".join(version.name.replace("_", ".") for version in spoken)
    if not set(spoken) & set(CURRENT):
        return [bad("TLS", said or "nobody speaks it there", mend=MEND_VERSIONS)]
    if set(spoken) & set(OLD):
        return [bad("TLS", f"{said}: the old ones can be broken", mend=MEND_VERSIONS)]
    return [ok("TLS", said)]


async def speaks(host: str, port: int, version: ssl.TLSVersion) -> bool:
    """Return whether a handshake of that version alone comes about."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # Ours would refuse old versions before theirs can.
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    try:
        async with asyncio.timeout(SECONDS):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except OSError:
        return False
    writer.transport.abort()
    return True


async def certificate_of(base: str, trusted: ssl.SSLContext) -> Iterable[Finding]:
    """Say whether the certificate is trusted, and for how long."""
    if not base.startswith("https:"):
        return []
    host, port = host_of(base)
    try:
        async with asyncio.timeout(SECONDS):
            _, writer = await asyncio.open_connection(host, port, ssl=trusted, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        mend = "renew it with its whole chain (fullchain.pem), for this name; --ca-file trusts an authority of your own"
        return [bad("certificate", error.verify_message, mend=mend)]
    except OSError as error:
        return [bad("certificate", f"no handshake: {error}", mend="see whether the proxy runs and listens there")]
    ends = str(writer.get_extra_info("peercert")["notAfter"])
    writer.transport.abort()
    return [days_of(ssl.cert_time_to_seconds(ends), now=time.time())]


def days_of(ends: float, *, now: float) -> Finding:
    """Judge a certificate that ends at that Unix time."""
    days = (ends - now) / DAY
    found = f"trusted, {days:.0f} days left"
    if days < VERY_SOON_DAYS:
        return bad("certificate", found, mend="renew it now, and see why that was not done by itself")
    if days < SOON_DAYS:
        return warn("certificate", found, mend="renew it, and see why that was not done by itself")
    return ok("certificate", found)


def is_address(host: str) -> bool:
    """Return whether a host is an address and no name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
