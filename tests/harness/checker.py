"""
Did every viewer see everything, once, in order, or was it told what it missed?

The total-queue checker: it knows what was published and confirmed, and what each viewer saw, and compares.  It is pure;
journeys and fault tests feed it.

Keys name events; a publisher counts in them per project, as `(project, number)`.  A gap that a viewer was told covers
what is missing between the last event before it and the first event after it, and allows the tail after it to show
again what was seen before.  A key that was published without a confirm may be seen or not.
"""

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

__all__ = ["GAP", "Gap", "Key", "Report", "check", "check_all"]

Key = Hashable


class Gap(Enum):
    """What a viewer sees where its past is not whole."""

    GAP = "gap"


GAP: Final = Gap.GAP

SHOWN = 5
"""So many keys of a kind are shown in a sentence."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What became of one log in the eyes of one viewer."""

    lost: Sequence[Key]
    """Confirmed, not seen, and no gap was told for it."""
    declared: Sequence[Key]
    """Confirmed, not seen, and the viewer was told."""
    repeated: Sequence[Key]
    reordered: Sequence[Key]
    """Seen after an event that was published behind it."""
    unexpected: Sequence[Key]
    """Seen and never published."""
    recovered: Sequence[Key]
    """Published without a confirm, and seen: that is allowed."""
    gaps: int

    @property
    def verdict(self) -> Literal["whole", "declared", "broken"]:
        """`broken` breaks the promise; `declared` keeps it by telling; `whole` is all of it."""
        if self.lost or self.repeated or self.reordered or self.unexpected:
            return "broken"
        return "declared" if self.gaps else "whole"

    def __str__(self) -> str:
        """Return a sentence for a failing test."""
        kinds = ("lost", "repeated", "reordered", "unexpected", "declared", "recovered")
        said = [f"{len(keys)} {kind} {list(keys)[:SHOWN]}" for kind in kinds if (keys := getattr(self, kind))]
        return f"{self.verdict}: {', '.join([*said, f'{self.gaps} gaps'])}"


def check(
    published: Sequence[Key], seen: Iterable[Key | Gap], *, unconfirmed: Collection[Key] = (), begins: int = 0
) -> Report:
    """
    Return what one viewer saw of one ordered log.

    `published` in order, confirmed or not; `unconfirmed` those of them without a confirm; `begins` the index of the
    first event that the viewer was to see: the ones before it are its tail and may be seen or not.
    """
    ranks = {key: rank for rank, key in enumerate(published)}
    assert len(ranks) == len(published), "the publisher used a key twice"
    story = _Story(ranks, begins)
    for one in seen:
        if isinstance(one, Gap):
            story.gap()
        else:
            story.see(one)
    story.end()
    maybe = set(unconfirmed)
    missing = [key for key in published[begins:] if key not in story.seen and key not in maybe]
    return Report(
        lost=[key for key in missing if ranks[key] not in story.covered],
        declared=[key for key in missing if ranks[key] in story.covered],
        repeated=story.repeated,
        reordered=story.reordered,
        unexpected=story.unexpected,
        recovered=[key for key in published if key in maybe and key in story.seen],
        gaps=story.gaps,
    )


def check_all(
    published: Mapping[str, Sequence[Key]],
    seen: Mapping[str, Mapping[str, Iterable[Key | Gap]]],
    *,
    unconfirmed: Collection[Key] = (),
) -> dict[str, Report]:
    """
    Return a report for each viewer and project, under `viewer/project`.

    `published` by project; `seen` by viewer, and within it by project: a project that was published and is not named
    there was not looked at by that viewer.
    """
    return {
        f"{viewer}/{project}": check(published.get(project, ()), keys, unconfirmed=unconfirmed)
        for viewer, projects in seen.items()
        for project, keys in projects.items()
    }


class _Story:
    """One viewer's way through the log; `highest` is the rank it has reached."""

    def __init__(self, ranks: Mapping[Key, int], begins: int) -> None:
        self.ranks = ranks
        self.highest = begins - 1
        self.begins = begins
        self.seen: set[Key] = set()
        self.since_gap: set[Key] = set()
        self.covered: set[int] = set()
        self.repeated: list[Key] = []
        self.reordered: list[Key] = []
        self.unexpected: list[Key] = []
        self.gaps = 0
        self.reached: int | None = None
        """The highest rank before a gap whose first event has not come yet."""
        self.last = -1

    def gap(self) -> None:
        """The viewer was told that something is missing."""
        self.gaps += 1
        # Two gaps in a row cover from before the first one.
        self.reached = self.highest if self.reached is None else min(self.reached, self.highest)
        self.since_gap = set()
        self.last = -1

    def see(self, key: Key) -> None:
        """The viewer was shown an event."""
        rank = self.ranks.get(key)
        if rank is None:
            self.unexpected.append(key)
            return
        if key in self.since_gap:
            self.repeated.append(key)
            return
        if self.reached is not None:
            self.covered.update(range(self.reached + 1, rank))
            self.reached = None
        if rank < self.last:
            self.reordered.append(key)
        self.last = max(self.last, rank)
        self.highest = max(self.highest, rank)
        self.since_gap.add(key)
        self.seen.add(key)

    def end(self) -> None:
        """Nothing more comes: a gap at the very end covers what is behind it."""
        if self.reached is not None:
            self.covered.update(range(self.reached + 1, len(self.ranks)))
