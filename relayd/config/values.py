"""What single values of the configuration look like."""

from ipaddress import ip_network
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

__all__ = [
    "Algorithm",
    "Names",
    "Network",
    "Origin",
    "PluginName",
    "Port",
    "PublicAlgorithm",
    "SocketPath",
]

UNIX_PATH_BYTES = 107
"""Longest path of a unix socket: `sun_path` holds 108 bytes with the ending zero."""


def _origin(text: str) -> str:
    parts = urlsplit(text)
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or text != f"{parts.scheme}://{parts.netloc}".lower()
    ):
        # Origins are compared as whole strings: one with a path or a capital letter would never match a browser's.
        raise ValueError('must be an origin as browsers send it, "https://name" or "https://name:port" in lower case')
    return text


def _network(text: str) -> str:
    try:
        ip_network(text)
    except ValueError:
        raise ValueError('must be an address or a network, like "127.0.0.1" or "10.0.0.0/8"') from None
    return text


Origin = Annotated[str, AfterValidator(_origin)]
Network = Annotated[str, AfterValidator(_network)]
PluginName = Annotated[str, Field(min_length=1)]
Names = Annotated[tuple[PluginName, ...], Field(min_length=1)]
Port = Annotated[int, Field(ge=0, le=65_535)]
SocketPath = Annotated[str, Field(max_length=UNIX_PATH_BYTES)]
PublicAlgorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
Algorithm = Literal["HS256", "HS384", "HS512", PublicAlgorithm]
