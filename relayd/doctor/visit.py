"""Whom a doctor visits from outside, and as whom."""

import base64
import ssl
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from relayd.client.address import Address
from relayd.client.visitor import Visitor
from relayd.protocol.endpoints import PROJECT, SUBPROTOCOL

__all__ = ["SECONDS", "Visit", "claims_of", "project_of", "trusting"]

SECONDS = 8.0
"""Longest wait for an answer, or for its next part."""

SOMETHING = "relayd-doctor"


class Visit(Struct, frozen=True, kw_only=True):
    """A base address, a project, and the token that opens it, if there is one."""

    base: str
    project: str
    token: str | None
    trusted: ssl.SSLContext
    nonce: str
    """What no other visit asks for."""
    seconds: float = SECONDS

    def visitor(self) -> Visitor:
        """Return somebody who asks there."""
        return Visitor(self.base, seconds=self.seconds, tls=self.trusted)

    def path(self, what: str) -> str:
        """Return the path of something of the project."""
        return PROJECT.format(project_id=self.project) + what

    @property
    def socket(self) -> str:
        """The path of the project's WebSocket."""
        return Address.parse(self.base).socket(self.project).removeprefix(self.base)

    @property
    def bearer(self) -> Mapping[str, str]:
        """The headers that show the token."""
        return {} if self.token is None else {"Authorization": f"Bearer {self.token}"}

    @property
    def protocols(self) -> tuple[str, ...]:
        """The sub-protocols that show it."""
        return (SUBPROTOCOL,) if self.token is None else (SUBPROTOCOL, f"bearer.{self.token}")

    def echoed(self, said: bytes) -> bool:
        """Return whether the token stands in what came back."""
        return self.token is not None and self.token.encode() in said


def project_of(token: str | None) -> str:
    """Return the first project that a token names, or one that need not be there; whoever gives a token checks it."""
    if token is None:
        return SOMETHING
    named = claims_of(token).get("projects")
    projects = [str(one) for one in named if one != "*"] if isinstance(named, list) else []
    return projects[0] if projects else SOMETHING


def claims_of(token: str) -> Mapping[str, Any]:
    """Return what a token says of itself, nothing if it can't be read; whoever gives a token checks it."""
    with suppress(ValueError, IndexError, msgspec.DecodeError):
        part = token.split(".")[1]
        return msgspec.json.decode(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)), type=dict[str, Any])
    return {}


def trusting(ca_file: Path | None) -> ssl.SSLContext:
    """Return a context that trusts the system's authorities and those of a file; raises ValueError."""
    context = ssl.create_default_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:
            raise ValueError(f"--ca-file {ca_file} can't be used: {error}") from error
    return context
