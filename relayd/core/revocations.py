"""
Which tokens hold no more, although they have not expired.

Law 1: of all that was ordered about a user or a token, the newest stands; so relays that were told the same orders, in
whatever sequence and however often, hold the same list.
Law 2: what was taken back is remembered as such for as long as the revocation would have held, or a relay that was away
would bring it back.
Law 3: an entry is in force until it is dropped, and it is dropped by nobody's wish but its time.  Time is an argument,
in Unix seconds.
"""

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from relayd.core.access import Viewer

__all__ = ["Full", "Kind", "Revocation", "Revocations"]

Kind = Literal["user", "token"]

MOST = 10_000
"""Entries beyond which no order is taken here; what other relays took is taken in all the same."""

TICK = 0.001
"""Seconds by which an order is later than the one before it, whatever the clock says."""


class Full(Exception):
    """The list takes no more orders."""


class Revocation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One order about the tokens of a user, or about one token."""

    kind: Kind
    name: str
    """The user, or the token's `jti`."""
    at: float
    """When it was ordered, Unix seconds: a user's tokens that were issued later are good."""
    until: float
    """When the last token that it is about has expired, Unix seconds."""
    taken_back: bool = False

    @property
    def subject(self) -> tuple[Kind, str]:
        """Whom or what it is about."""
        return self.kind, self.name

    def supersedes(self, other: "Revocation") -> bool:
        """Tell whether it stands where both were ordered; of two at the same moment the stricter one does."""
        return (self.at, not self.taken_back, self.until) > (other.at, not other.taken_back, other.until)


class Revocations:
    """The list of one relay."""

    def __init__(self, *, most: int = MOST) -> None:
        """Begin empty."""
        self._most = most
        self._entries: dict[tuple[Kind, str], Revocation] = {}
        self._generation = 0

    @property
    def generation(self) -> int:
        """A number that grows with everything that is revoked or taken back."""
        return self._generation

    def __len__(self) -> int:
        """Return how many are in force."""
        return sum(not entry.taken_back for entry in self._entries.values())

    def __iter__(self) -> Iterator[Revocation]:
        """Iterate over a copy of all entries, those that were taken back included."""
        return iter(list(self._entries.values()))

    def find(self, kind: Kind, name: str) -> Revocation | None:
        """Return what is in force about a user or a token."""
        entry = self._entries.get((kind, name))
        return None if entry is None or entry.taken_back else entry

    def revokes(self, viewer: Viewer) -> bool:
        """Tell whether a viewer's token holds no more; one that does not say when it was issued is old."""
        if viewer.token_id is not None and self.find("token", viewer.token_id) is not None:
            return True
        entry = self.find("user", viewer.user)
        return entry is not None and (viewer.issued_at is None or viewer.issued_at <= entry.at)

    def order(self, kind: Kind, name: str, *, now: float, until: float) -> Revocation:
        """Revoke; what was revoked for longer stays so for longer; raises Full."""
        before = self._entries.get((kind, name))
        if before is None and len(self._entries) >= self._most:
            raise Full
        longer = max(until, before.until) if before is not None else until
        return self._put(Revocation(kind=kind, name=name, at=later(now, before), until=longer))

    def take_back(self, kind: Kind, name: str, *, now: float) -> Revocation | None:
        """Let those tokens in again; None if they were not revoked."""
        before = self.find(kind, name)
        if before is None:
            return None
        return self._put(Revocation(kind=kind, name=name, at=later(now, before), until=before.until, taken_back=True))

    def merge(self, heard: Revocation) -> bool:
        """Take in what was ordered elsewhere, or before; tell whether it was news."""
        mine = self._entries.get(heard.subject)
        if mine is not None and not heard.supersedes(mine):
            return False
        self._put(heard)
        return True

    def expire(self, now: float) -> int:
        """Drop those whose tokens have all expired, and return how many that were."""
        over = [subject for subject, entry in self._entries.items() if entry.until <= now]
        for subject in over:
            del self._entries[subject]
        return len(over)

    def _put(self, entry: Revocation) -> Revocation:
        self._entries[entry.subject] = entry
        self._generation += 1
        return entry


def later(now: float, before: Revocation | None) -> float:
    """Return a time behind the order before: one that was taken on a relay whose clock is ahead must not win."""
    return now if before is None else max(now, before.at + TICK)
