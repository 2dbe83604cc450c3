"""
Rejected events in groups: what came in which dialect, calls itself what, and why nobody understood it.

Law: the groups are bounded, whoever publishes; what is beyond them is counted, and said to be.
"""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from relayd.core.redaction import HIDDEN
from relayd.dialects.delivery import Reason
from relayd.dialects.guessing import type_of
from relayd.dialects.suggestion import suggest
from relayd.ports import Rejected

__all__ = ["Group", "Groups"]

MOST = 500
"""So many groups are told apart."""
SAMPLE_BYTES = 2_048

MENDED_BY_A_RULE = frozenset({Reason.UNKNOWN_TYPE.value, Reason.BAD_PROJECT.value, Reason.BAD_FIELD.value})
"""Of what was rejected for another reason no rule makes a message."""


class Group(Struct, kw_only=True):
    """Events that were rejected alike, with the newest of them as a sample: as it is kept, without its secrets."""

    dialect: str
    reason: str
    type: str
    """As it is written; empty where it says none."""
    count: int
    first_seen: float
    last_seen: float
    number: int
    """The sample's, by which it can be shown and replayed."""
    detail: str
    sample: str
    rule: str = ""
    """For `[dialects.rules]`, where one would help."""


class Groups:
    """Takes rejected events, the newest first."""

    def __init__(self) -> None:
        """Begin with none."""
        self._groups: dict[tuple[str, str, str], Group] = {}
        self._samples: dict[tuple[str, str, str], Rejected] = {}
        self.looked_at = 0

    def add(self, number: int, item: Rejected) -> None:
        """Count an event; the first of its kind is the sample."""
        self.looked_at += 1
        key = (str(item.headers.get("dialect", "")), item.reason, type_of(read(item), item.headers).text)
        if (group := self._groups.get(key)) is not None:
            group.count += 1
            group.first_seen = min(group.first_seen, item.received_at)
            group.last_seen = max(group.last_seen, item.received_at)
        elif len(self._groups) < MOST:
            self._samples[key] = item
            self._groups[key] = Group(
                dialect=key[0],
                reason=key[1],
                type=key[2],
                count=1,
                first_seen=item.received_at,
                last_seen=item.received_at,
                number=number,
                detail=item.detail,
                sample=sample_of(item),
            )

    def largest(self, limit: int) -> tuple[Sequence[Group], int]:
        """Return so many groups, the largest first, each with its rule, and how many events are in none of them."""
        ranked = sorted(self._groups.items(), key=lambda pair: -pair[1].count)
        for key, group in ranked[:limit]:
            if group.reason in MENDED_BY_A_RULE:
                item = self._samples[key]
                group.rule = suggest(read(item), item.headers, hidden=HIDDEN)
        told = [group for _, group in ranked[:limit]]
        return told, self.looked_at - sum(group.count for group in told)


def read(item: Rejected) -> object:
    """Return the JSON that an event is, None if it is none."""
    try:
        return msgspec.json.decode(item.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def sample_of(item: Rejected) -> str:
    """Return the beginning of an event as text, with a mark where more of it was there."""
    cut = item.truncated or len(item.body) > SAMPLE_BYTES
    return item.body[:SAMPLE_BYTES].decode(errors="replace") + ("…" if cut else "")
