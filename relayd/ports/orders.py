"""What operators order: who has to end, which tokens hold no more, and how other relays hear of it."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from msgspec import Struct

from relayd.core.revocations import Revocation
from relayd.ports.viewers import Holder

__all__ = ["Fellows", "Keeping", "Obeying", "Whom"]


class Whom(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whose connections are meant; exactly one of the three is said."""

    connection_id: str | None = None
    user: str | None = None
    project_id: str | None = None
    """Everybody who watches it, be it among others."""


class Keeping(Protocol):
    """Where revocations outlive the process."""

    async def write(self, revocations: Sequence[Revocation]) -> None:
        """Keep these in place of all before, durably; raises OSError, and then those before are still kept."""
        ...


class Obeying(Protocol):
    """One relay, as others see it."""

    def standing(self) -> Sequence[Revocation]:
        """Return all orders about tokens that it knows of, what was taken back included."""
        ...

    def heard(self, revocations: Sequence[Revocation]) -> None:
        """Take in orders about tokens."""
        ...

    def end_here(self, whom: Whom, sentence: str) -> None:
        """End connections of its own."""
        ...


@runtime_checkable
class Fellows(Protocol):
    """A presence over which relays hear each other's orders, whenever it can."""

    def follow(self, relay: Obeying) -> None:
        """Speak for a relay, from before `run` on."""
        ...

    async def spread(self, revocations: Sequence[Revocation]) -> bool:
        """Tell all others; False when they can't be told now, and are as soon as they can."""
        ...

    async def end(self, whom: Whom, sentence: str) -> int | None:
        """End connections on other relays, and return how many places that frees; None when they can't be told."""
        ...

    async def elsewhere(self, whom: Whom) -> Sequence[Holder]:
        """Return the places of a user, or those of a project alone, on other relays; none while they can't be asked."""
        ...
