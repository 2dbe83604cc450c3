"""The tables of keys: single ones, those that an issuer publishes, and the one that tickets are sealed with."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from relayd.config.table import Table
from relayd.config.values import Algorithm, PublicAlgorithm
from relayd.core.addresses import is_loopback

__all__ = ["Jwks", "Key", "Tickets"]


def _address(text: str) -> str:
    try:
        parts = urlsplit(text)
        whole = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise ValueError("is no address; give it like https://id.example/.well-known/jwks.json") from None
    if not text:
        return text
    # A password would stand in logs, and what is behind a # is never sent.
    if not whole or parts.username is not None or parts.fragment or not text.isprintable() or " " in text:
        raise ValueError("must be an address like https://id.example/.well-known/jwks.json, without user or fragment")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        raise ValueError("must begin with https://; over http, anybody on the way could put keys of theirs in")
    return text


def _one_family(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        raise ValueError("must not be empty")
    if len({name[:2] for name in names}) > 1:
        raise ValueError('must be of one family: RS…, PS…, ES… or EdDSA, like ["RS256", "RS512"]')
    return names


Address = Annotated[str, AfterValidator(_address)]
Family = Annotated[tuple[PublicAlgorithm, ...], AfterValidator(_one_family)]


class Key(Table):
    """One key that tokens may be signed with, bound to one algorithm so that a token can't choose how it is checked."""

    id: str = Field(
        default="", max_length=128, description="The `kid` of tokens signed with it; empty for tokens that name none."
    )
    algorithm: Algorithm = Field(description="The one algorithm that this key is used with.")
    key: SecretStr = Field(
        default=SecretStr(""),
        description="The secret (HS…: at least 32, 48 or 64 bytes, as its hash) or the public key in PEM.",
    )
    file: str = Field(default="", description="File that holds the key; a secret must be readable by its owner only.")


class Jwks(Table):
    """Keys as a JWK set: those that an issuer publishes, read again and again, or those in a file."""

    url: Address = Field(
        default="",
        description="Where the issuer publishes its keys, like https://id.example/.well-known/jwks.json; http only on "
        "loopback. Redirects are not followed, proxies of the environment not used. Empty: nobody is asked.",
    )
    file: str = Field(
        default="", description="File that holds a JWK or a JWK set, in place of `url`; read at start and on SIGHUP."
    )
    document: str = Field(default="", description="The same as text, in place of `url` and `file`.")
    algorithms: Family = Field(
        default=("RS256",),
        description="What these keys are used with: RS…, PS…, ES… or EdDSA, one family only. A key that names no `alg` "
        "is bound to the first one that fits; keys that fit none are left out.",
    )
    refresh_seconds: float = Field(
        default=300,
        ge=1,
        le=3_600,
        description="Longest pause between two readings of `url`: so long a key may be taken back before that is "
        "noticed. A token with an unknown `kid` brings the next one forward, at most once in 30 s.",
    )
    max_stale_seconds: float = Field(
        default=86_400,
        ge=1,
        le=604_800,
        description="How long keys hold while `url` can't be read. After that they are given up: whoever can keep the "
        "relay from reading must not keep a stolen key good for ever.",
    )
    timeout_seconds: float = Field(
        default=5,
        gt=0,
        le=30,
        description="Longest wait for an answer; so long the start waits for the first one, too.",
    )
    ca_file: str = Field(
        default="",
        description="PEM file of the authorities that may vouch for `url`, in place of the system's.",
    )

    @property
    def given(self) -> list[str]:
        """The settings that say where the keys are; one at most is right."""
        return [name for name in ("url", "file", "document") if getattr(self, name)]


class Tickets(Table):
    """Tickets: a token in a sealed envelope, which may stand in an address because it opens one connection, once."""

    key: SecretStr = Field(
        default=SecretStr(""),
        description="The secret that they are sealed with, at least 32 bytes, the same for all relays behind one "
        "address. Empty: each process makes one up, and no other one can open its tickets.",
    )
    file: str = Field(
        default="", description="File that holds the secret, in place of `key`; readable by its owner only."
    )
    lifetime_seconds: float = Field(
        default=30, gt=0, le=30, description="How long a ticket may be used; a page needs it at once."
    )
