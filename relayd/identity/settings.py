"""What can be set for the built-in authorizers."""

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from relayd.core.addresses import is_loopback
from relayd.files.guarded import read_guarded

__all__ = ["PLACE", "ClaimsSettings", "HttpSettings", "OwnershipSettings"]

PLACE = "{project_id}"
"""Stands in an address where the project's name goes."""

EXAMPLE = f"https://api.example/projects/{PLACE}/access"

SECRET_BYTES = 32
"""Least bytes of a secret for HMAC-SHA256: as many as its hash has (RFC 2104 3)."""


class ClaimsSettings(BaseModel):
    """The token itself says who may see what."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    admin_roles: tuple[str, ...] = Field(
        default=("admin",), description="Roles in a token that see all projects; empty: none does."
    )
    scopes: tuple[str, ...] = Field(
        default=(),
        description='Scopes in a token (`scope` or `scp`) that open a project, like "swarm:{project_id}:read", with '
        "its name where `{project_id}` stands; one without it opens all.",
    )


class OwnershipSettings(BaseModel):
    """The log says who a project belongs to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    teams: bool = Field(default=True, description="The owner's team may see a project as the owner does.")


class HttpSettings(BaseModel):
    """
    The product's own API says who may see what: it is asked with the viewer's own token.

    200 and 204 are a yes, 401, 403 and 404 a no; anything else is no answer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(
        description=f"Where it is asked with GET and `Authorization: Bearer …`, like {EXAMPLE}; the project's name "
        f"goes where `{PLACE}` stands. Redirects are not followed, proxies of the environment not used."
    )
    insecure: bool = Field(
        default=False,
        description="Ask over http, too, where it is not on loopback: whoever is on the way reads viewers' tokens and "
        "grants what he likes.",
    )
    ca_file: str = Field(
        default="",
        description="PEM file of the authorities that may vouch for `url`, in place of the system's.",
    )
    secret: SecretStr = Field(
        default=SecretStr(""),
        description="Questions are signed with it (`X-Relayd-Signature`), so that the API knows whose they are; at "
        "least 32 bytes. Empty, and no file: they are not.",
    )
    secret_file: str = Field(default="", description="File that holds it, readable by its owner only.")
    timeout_seconds: float = Field(
        default=2, gt=0, le=30, description="Longest wait for an answer, waiting for a turn included."
    )
    granted_seconds: float = Field(
        default=10,
        ge=0,
        le=3_600,
        description="How long a yes holds for those who come with the same token; who is in is asked for anew.",
    )
    denied_seconds: float = Field(
        default=5, ge=0, le=3_600, description="How long a no holds, so that who keeps coming costs little."
    )
    answers: int = Field(
        default=10_000,
        ge=1,
        le=10_000_000,
        description="Answers kept; beyond it those that nobody asked for longest are forgotten.",
    )
    at_once: int = Field(
        default=32, ge=1, le=1_000, description="Questions that are under way at a time; the others wait for a turn."
    )

    @field_validator("url")
    @classmethod
    def _is_address(cls, text: str) -> str:
        """Refuse what is no address, or none of a project."""
        try:
            parts = urlsplit(text)
            whole = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            raise ValueError(f"is no address; give it like {EXAMPLE}") from None
        # A password would stand in logs, and what is behind a # is never sent.
        if not whole or parts.username is not None or parts.fragment or not text.isascii() or not text.isprintable():
            raise ValueError(f"must be an address like {EXAMPLE}, without user or fragment")
        asked = f"{parts.path}?{parts.query}"
        if PLACE not in asked or " " in text or {"{", "}"} & set(text.replace(PLACE, "")) or "{" in parts.netloc:
            raise ValueError(f"must say behind the host where the project's name goes, like {EXAMPLE}")
        return text

    @field_validator("secret_file")
    @classmethod
    def _is_kept(cls, path: str) -> str:
        """Refuse a file that can't be read, or that others can read."""
        if path:
            _read(path)
        return path

    @model_validator(mode="after")
    def _hold_together(self) -> "HttpSettings":
        """Refuse what gives tokens away, and secrets that are too many or too short."""
        parts = urlsplit(self.url)
        if parts.scheme != "https" and not self.insecure and not is_loopback(parts.hostname or ""):
            raise ValueError(
                "url: must begin with https://: over http anybody on the way reads viewers' tokens and grants what he "
                "likes; where the way is yours alone, set insecure = true"
            )
        if self.secret.get_secret_value() and self.secret_file:
            raise ValueError("has both `secret` and `secret_file`; remove one")
        if (given := len(self.signing_secret())) and given < SECRET_BYTES:
            raise ValueError(
                f"secret: must have at least {SECRET_BYTES} bytes; make one with `openssl rand -base64 {SECRET_BYTES}`"
            )
        return self

    def signing_secret(self) -> bytes:
        """Return what questions are signed with, nothing where they are not; raises ValueError."""
        return _read(self.secret_file) if self.secret_file else self.secret.get_secret_value().encode()


def _read(path: str) -> bytes:
    """Return what stands in a file that only its owner can read; raises ValueError."""
    try:
        secret, fault = read_guarded(Path(path), secret=True)
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"can't be read: {error}") from error
    if fault:
        raise ValueError(fault)
    if not secret:
        raise ValueError(f"{path} is empty; put a secret of {SECRET_BYTES} bytes there")
    return secret.encode()
