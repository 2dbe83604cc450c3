"""
Who watches a project, in groups that share every byte.

Viewers with the same selection and the same encoding form a group: one index into the timeline, one pace, one
payload.  A member has no position of its own while it is in a group.  Generic over an opaque member: what a
member is, and how bytes reach it, is not known here.
"""

from collections.abc import Hashable, Iterator
from typing import Any, Generic, NamedTuple, TypeVar

from relayd.core.pacing import TokenBucket
from relayd.protocol.commands import Selection
from relayd.protocol.cursor import Place

__all__ = ["SHARED_SELECTIONS", "Channel", "Group", "Key", "Member", "Passed", "moved"]

SHARED_SELECTIONS = 32
"""So many keys of a channel are shared; a viewer with one more is served on its own."""

Member = TypeVar("Member", bound=Hashable)

Key = tuple[Selection, Any]
"""A selection and an encoding; what an encoding is, is not known here, only that equal ones share bytes."""


class Passed(NamedTuple):
    """The last event a viewer has passed: everything up to it was written, or was not wanted."""

    place: Place
    cursor: str


class Group(Generic[Member]):
    """Members that have all read up to the same index."""

    __slots__ = ("bucket", "index", "key", "members", "passed", "waiting")

    def __init__(self, key: Key, index: int, passed: Passed, bucket: TokenBucket) -> None:
        """Begin without members."""
        self.key = key
        self.index = index
        """Of the next entry in the project's timeline."""
        self.passed = passed
        self.bucket = bucket
        # A dict, not a set: members are served in the order they came.
        self.members: dict[Member, None] = {}
        self.waiting = False
        """It is in the fan-out's queue until its pace allows the next frame."""


class Channel(Generic[Member]):
    """The groups of one project, the members that are served on their own, and those that are catching up."""

    __slots__ = ("_group_of", "_groups", "alone", "behind")

    def __init__(self) -> None:
        """Begin empty."""
        self._groups: dict[Key, list[Group[Member]]] = {}
        self._group_of: dict[Member, Group[Member]] = {}
        self.alone: dict[Member, None] = {}
        self.behind: dict[Member, None] = {}

    def __iter__(self) -> Iterator[Group[Member]]:
        """Iterate over a copy of all groups, because serving one may remove it."""
        return iter([group for groups in self._groups.values() for group in groups])

    def everybody(self) -> Iterator[Member]:
        """Iterate over a copy of all members, wherever they stand."""
        return iter([*self._group_of, *self.alone, *self.behind])

    def __len__(self) -> int:
        """Return how many watch, wherever they stand."""
        return len(self._group_of) + len(self.alone) + len(self.behind)

    def __bool__(self) -> bool:
        """Tell whether anybody watches."""
        return bool(self._groups or self.alone or self.behind)

    def group_of(self, member: Member) -> Group[Member] | None:
        """Return the group a member is in."""
        return self._group_of.get(member)

    def shares(self, key: Key) -> bool:
        """Tell whether a viewer with this key can have a group."""
        return key in self._groups or len(self._groups) < SHARED_SELECTIONS

    def target(self, key: Key, index: int, end: int) -> int:
        """
        Return the index up to which a viewer at `index` must read before it can join.

        That is where the nearest group at or ahead of it stands.  If all are behind it (their pace holds them
        back), it is the end of the timeline: there it starts a group of its own, and the groups merge when they meet.
        """
        return min((group.index for group in self._groups.get(key, ()) if group.index >= index), default=end)

    def join(self, member: Member, key: Key, index: int, passed: Passed, bucket: TokenBucket) -> Group[Member]:
        """Add a member that has read up to `index`; the rest is used if it is the first of its group."""
        groups = self._groups.setdefault(key, [])
        group = next((group for group in groups if group.index == index), None)
        if group is None:
            group = Group(key, index, passed, bucket)
            groups.append(group)
        group.members[member] = None
        self._group_of[member] = group
        self.behind.pop(member, None)
        return group

    def join_alone(self, member: Member) -> None:
        """Add a member that is served on its own."""
        self.behind.pop(member, None)
        self.alone[member] = None

    def fall(self, member: Member) -> None:
        """Move a member to those that are catching up; a new one begins there."""
        self.leave(member)
        self.behind[member] = None

    def leave(self, member: Member) -> None:
        """Take a member out, wherever it is; an empty group is forgotten."""
        self.alone.pop(member, None)
        self.behind.pop(member, None)
        group = self._group_of.pop(member, None)
        if group is not None:
            del group.members[member]
            if not group.members:
                self._forget(group)

    def meet(self, group: Group[Member]) -> None:
        """Merge a group into its like that stands at the same index; the poorer bucket holds for both."""
        for other in self._groups.get(group.key, ()):
            if other is not group and other.index == group.index:
                other.members.update(group.members)
                self._group_of.update(dict.fromkeys(group.members, other))
                other.bucket.share(group.bucket)
                group.members = {}
                self._forget(group)
                return

    def move_up(self, first: int, count: int) -> None:
        """Follow a timeline from which so many entries were removed, the first of them at that index."""
        for group in self:
            group.index = moved(group.index, first, count)

    def _forget(self, group: Group[Member]) -> None:
        groups = self._groups[group.key]
        groups.remove(group)
        if not groups:
            del self._groups[group.key]


def moved(index: int, first: int, count: int) -> int:
    """Return where a reader stands that stood at an index, once so many entries from `first` on are gone."""
    return index if index <= first else max(first, index - count)
