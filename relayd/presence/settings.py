"""The table `[presence.redis]`: which Redis the relays share, and how long it is waited for."""

from typing import Annotated
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

__all__ = ["RedisSettings"]

HOW = "redis://user:password@host:port/db, rediss://… for TLS, or unix:///path?db=0"


class RedisSettings(BaseModel):
    """Which Redis the relays share, and how long it is waited for."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    """Where it is: `redis://user:password@host:port/db`, `rediss://…` for TLS, or `unix:///path?db=0`; a secret, for it
    may hold a password. One server, no Redis Cluster."""
    prefix: Annotated[str, Field(max_length=100)] = "relayd:"
    """What every key and channel begins with; relays with the same one count together."""
    lease_seconds: Annotated[float, Field(ge=1, le=3_600)] = 30.0
    """How long the places of a relay that died stay taken; a living one renews them three times in that time."""
    patience_seconds: Annotated[float, Field(gt=0, le=10)] = 0.25
    """Longest wait of a handshake for Redis; after it this relay counts alone, and asks again in the background."""

    @field_validator("url")
    @classmethod
    def _is_redis(cls, value: SecretStr) -> SecretStr:
        """Refuse what is no URL of a Redis, without repeating the password."""
        try:
            parts = urlsplit(value.get_secret_value())
            port, query = parts.port, parse_qs(parts.query, strict_parsing=bool(parts.query))
        except ValueError as error:
            raise ValueError(f"is no URL: write {HOW}") from error
        there = parts.path if parts.scheme == "unix" else parts.hostname
        if parts.scheme not in {"redis", "rediss", "unix"} or not there or port == 0:
            raise ValueError(f"is no URL of a Redis: write {HOW}")
        database = database_of(value.get_secret_value())
        if not (database.isascii() and database.isdigit()):
            raise ValueError(f"names no number of a database: write {HOW}")
        # The library takes its time-outs from here, too, and would prefer them to ours.
        if not all(name == "db" or name.startswith("ssl_") for name in query):
            raise ValueError("has parameters that are not known; only db and ssl_… may stand behind the ?")
        return value

    @property
    def address(self) -> str:
        """Host and port, or the socket's path, for sentences; never the password."""
        parts = urlsplit(self.url.get_secret_value())
        return unquote(parts.path) if parts.scheme == "unix" else f"{parts.hostname}:{parts.port or 6379}"

    @property
    def database(self) -> int:
        """The number of the database."""
        return int(database_of(self.url.get_secret_value()))


def database_of(url: str) -> str:
    """Return the database that a URL names, as it is written there."""
    parts = urlsplit(url)
    by_path = "" if parts.scheme == "unix" else parts.path[1:]
    return parse_qs(parts.query).get("db", [by_path or "0"])[0]
