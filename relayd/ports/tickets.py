"""Tickets that open once: what seals a token into one, and who knows which have been used."""

from typing import Protocol, runtime_checkable

from msgspec import Struct

__all__ = ["KEPT_SECONDS", "OneUse", "Opened", "Sealed", "Sealer", "SharedOneUse", "TooManyUsed"]

KEPT_SECONDS = 70.0
"""
So long it is known that a ticket was used: twice the longest time for which any relay lets one in, so that one whose
clock is half a minute behind does not let it in again.
"""


class Sealed(Struct, frozen=True, kw_only=True):
    """A ticket."""

    text: str
    expires_at: float
    """Unix seconds."""


class Opened(Struct, frozen=True, kw_only=True):
    """What was in a ticket that is right, whether it was used before or not."""

    name: bytes
    """Told of this ticket and of no other."""
    token: str
    expires_at: float
    """Unix seconds."""


class Sealer(Protocol):
    """Makes tickets out of tokens, and tokens out of tickets."""

    def seal(self, token: str, *, project_id: str | None, origin: str | None, now: float) -> Sealed:
        """Return a ticket for one project, None for many, and for the pages of one origin; raises AuthFailed."""
        ...

    def open(self, text: str, *, project_id: str | None, origin: str | None, now: float) -> Opened:
        """Return what was sealed for just that; raises AuthFailed."""
        ...


class TooManyUsed(Exception):
    """No more can be remembered, so no ticket may be let in."""


class OneUse(Protocol):
    """Knows which tickets have been used."""

    async def use(self, name: bytes, *, now: float) -> bool:
        """Return whether this is its first use; `now` are monotonic seconds; raises TooManyUsed."""
        ...


@runtime_checkable
class SharedOneUse(Protocol):
    """A presence through which relays also know of each other's used tickets."""

    one_use: OneUse
