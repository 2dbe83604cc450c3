"""
Tickets: a token in a sealed envelope, so that what stands in an address can be read by nobody.

Law 1: a ticket says nothing of its own.  What is in it is a token, to be verified again when it is opened; the envelope
only says for how long, for which project and for whose pages.
Law 2: each ticket has a key of its own, made of the relay's and of 16 random bytes that stand before it.  However many
are sealed with a key that many relays share, no two are sealed alike.
Law 3: a ticket has one spelling.  Whatever is changed in it ends as AuthFailed with a reason of the closed set
TICKET_REASONS.
"""

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from relayd.identity.jwt import MAX_TOKEN
from relayd.ports import AuthFailed, Opened, Sealed

__all__ = ["LONGEST_SECONDS", "TICKET_REASONS", "TicketSealer"]

TICKET_REASONS = frozenset({"ticket_malformed", "ticket_seal", "ticket_expired", "ticket_foreign"})
"""All that `AuthFailed.reason` can be when a ticket is opened; its token has reasons of its own."""

LONGEST_SECONDS = 30.0
"""Longest life of a ticket."""

LEEWAY_SECONDS = 5.0
"""So much the clock of the relay that made it may be ahead of ours."""

MAX_TICKET = 8_192
"""Longest ticket in characters, more than a request line has room for."""

MARK = "rt1."
"""What each begins with, so that whoever writes a log can tell one from a text that opens nothing."""

SALT_BYTES = 16
PURPOSE = b"relayd ticket 1:"
"""Set apart from whatever else the same secret may be used for, and from what another version seals."""

ONLY_NONCE = bytes(12)
"""Always the same one, because no key seals twice (law 2)."""


class Letter(Struct, frozen=True, array_like=True):
    """What lies in the envelope."""

    expires_at: float
    project_id: str | None
    origin: str | None
    token: str


class TicketSealer:
    """The Sealer port: AES-256-GCM."""

    def __init__(self, key: bytes, *, seconds: float = LONGEST_SECONDS) -> None:
        """Seal with a secret of at least 32 bytes; a ticket opens for so many seconds."""
        self._key = key
        self._seconds = seconds

    def seal(self, token: str, *, project_id: str | None, origin: str | None, now: float) -> Sealed:
        """Return a ticket, made at `now` (Unix seconds); raises AuthFailed for what could be no token."""
        if len(token) > MAX_TOKEN or not token.isascii():
            raise AuthFailed("malformed")
        letter = Letter(now + self._seconds, project_id, origin, token)
        salt = secrets.token_bytes(SALT_BYTES)
        sealed = self._cipher(salt).encrypt(ONLY_NONCE, msgspec.msgpack.encode(letter), None)
        return Sealed(text=spelt(salt + sealed), expires_at=letter.expires_at)

    def open(self, text: str, *, project_id: str | None, origin: str | None, now: float) -> Opened:
        """Return the token of a ticket that is good at `now` for that project and origin; raises AuthFailed."""
        salt, letter = self._read(text)
        if not now < letter.expires_at <= now + LONGEST_SECONDS + LEEWAY_SECONDS:
            raise AuthFailed("ticket_expired")
        if (letter.project_id, letter.origin) != (project_id, origin):
            raise AuthFailed("ticket_foreign")
        return Opened(name=salt, token=letter.token, expires_at=letter.expires_at)

    def _read(self, text: str) -> tuple[bytes, Letter]:
        whole = unspelt(text)
        salt, sealed = whole[:SALT_BYTES], whole[SALT_BYTES:]
        try:
            return salt, msgspec.msgpack.decode(self._cipher(salt).decrypt(ONLY_NONCE, sealed, None), type=Letter)
        except InvalidTag as error:
            raise AuthFailed("ticket_seal") from error

    def _cipher(self, salt: bytes) -> AESGCM:
        return AESGCM(hmac.digest(self._key, PURPOSE + salt, "sha256"))


def spelt(data: bytes) -> str:
    """Return base64url without padding, behind the mark."""
    return MARK + urlsafe_b64encode(data).rstrip(b"=").decode()


def unspelt(text: str) -> bytes:
    """Return what is spelt so; raises AuthFailed for what is not, also where a kind reader could make sense of it."""
    if len(text) > MAX_TICKET:
        raise AuthFailed("ticket_malformed")
    try:
        digits = text.removeprefix(MARK)
        data = urlsafe_b64decode(digits + "=" * (-len(digits) % 4))
    except ValueError as error:
        raise AuthFailed("ticket_malformed") from error
    if spelt(data) != text:
        raise AuthFailed("ticket_malformed")
    return data
