import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from relayd.core.channel import SHARED_SELECTIONS, Channel, Group, Key, Passed, moved
from relayd.core.pacing import Pace, TokenBucket
from relayd.protocol.commands import EVERYTHING, Selection
from tests.core.words import place

PACE = Pace(rate=100, burst=10)
ALL: Key = (EVERYTHING, "socket")
ERRORS: Key = (Selection(level="error"), "socket")


def bucket() -> TokenBucket:
    """Return a full bucket."""
    return TokenBucket(PACE, 0.0)


def passed(index: int) -> Passed:
    """Return what has been passed in front of an index."""
    return Passed(place(index - 1), f"cursor {index - 1}")


def join(channel: Channel[str], member: str, index: int, key: Key = ALL) -> Group[str]:
    """Let a member join at an index."""
    return channel.join(member, key, index, passed(index), bucket())


def test_nobody_watches_a_new_channel() -> None:
    """So its project can be unloaded."""
    channel: Channel[str] = Channel()
    assert not channel
    assert [] == list(channel)
    assert None is channel.group_of("ada")


@pytest.mark.parametrize(("index", "after"), [(0, 0), (2, 2), (3, 2), (4, 2), (5, 2), (6, 3), (9, 6)])
def test_a_reader_moves_up_with_what_it_reads_next(index: int, after: int) -> None:
    """Three are removed, the first of them at 2: whoever stood among them reads on behind them."""
    assert after == moved(index, 2, 3)


def test_groups_follow_a_timeline_that_lost_entries() -> None:
    """Each of them, and who stands before what was removed stays."""
    channel: Channel[str] = Channel()
    groups = [join(channel, "ada", 1), join(channel, "ben", 9), join(channel, "cem", 5, ERRORS)]
    channel.move_up(2, 3)
    assert [1, 6, 2] == [group.index for group in groups]


def test_equal_wishes_at_the_same_index_share_a_group() -> None:
    """In the order they came; the first brings position and pace."""
    channel: Channel[str] = Channel()
    group = join(channel, "ada", 3)
    assert group is channel.join("ben", ALL, 3, Passed(place(0), "other"), bucket())
    assert ["ada", "ben"] == list(group.members)
    assert (3, passed(3)) == (group.index, group.passed)
    assert [group] == list(channel)


@pytest.mark.parametrize("key", [ERRORS, (EVERYTHING, "stream")])
def test_other_wishes_or_encodings_share_nothing(key: Key) -> None:
    """Their bytes differ."""
    channel: Channel[str] = Channel()
    assert join(channel, "ada", 3) is not join(channel, "ben", 3, key)
    assert 2 == len(list(channel))


@pytest.mark.parametrize(("index", "target"), [(0, 2), (2, 2), (3, 5), (5, 5), (6, 9)])
def test_whoever_catches_up_reads_to_the_nearest_group_ahead(index: int, target: int) -> None:
    """To the end when all groups are behind it: there it begins one of its own."""
    channel: Channel[str] = Channel()
    join(channel, "ada", 5)
    join(channel, "ben", 2)
    join(channel, "cleo", 7, ERRORS)
    assert target == channel.target(ALL, index, 9)


def test_alone_in_a_channel_one_reads_to_the_end() -> None:
    """There is no group to meet."""
    assert 9 == Channel[str]().target(ALL, 4, 9)


def test_everybody_is_counted_wherever_they_stand() -> None:
    """In groups, alone and behind, each once."""
    channel: Channel[str] = Channel()
    assert 0 == len(channel)
    join(channel, "ada", 3)
    join(channel, "ben", 3)
    join(channel, "cleo", 7, ERRORS)
    channel.join_alone("dora")
    channel.fall("eve")
    assert 5 == len(channel)
    channel.fall("ada")
    channel.leave("cleo")
    assert 4 == len(channel)


def test_somebody_behind_watches_too() -> None:
    """A project that somebody is about to join must not be unloaded."""
    channel: Channel[str] = Channel()
    channel.fall("ada")
    assert channel
    assert ["ada"] == list(channel.behind)
    channel.leave("ada")
    assert not channel


def test_whoever_falls_leaves_its_group() -> None:
    """The others stay."""
    channel: Channel[str] = Channel()
    group = join(channel, "ada", 3)
    join(channel, "ben", 3)
    channel.fall("ada")
    assert ["ben"] == list(group.members)
    assert (None, group) == (channel.group_of("ada"), channel.group_of("ben"))
    assert ["ada"] == list(channel.behind)


def test_whoever_has_caught_up_is_not_behind_any_more() -> None:
    """In a group or alone."""
    channel: Channel[str] = Channel()
    channel.fall("ada")
    channel.fall("ben")
    join(channel, "ada", 3)
    channel.join_alone("ben")
    assert {} == channel.behind
    assert ["ben"] == list(channel.alone)
    channel.fall("ben")
    assert ({}, ["ben"]) == (channel.alone, list(channel.behind))


def test_one_who_is_served_alone_watches_and_leaves() -> None:
    """As everybody else."""
    channel: Channel[str] = Channel()
    channel.join_alone("ada")
    assert channel
    channel.leave("ada")
    assert not channel


def test_an_empty_group_is_forgotten() -> None:
    """Its key has room for another one."""
    channel: Channel[str] = Channel()
    join(channel, "ada", 3)
    channel.leave("ada")
    channel.leave("ada")
    assert [] == list(channel)
    assert not channel


def test_one_of_two_groups_of_a_key_is_forgotten() -> None:
    """The other one stays."""
    channel: Channel[str] = Channel()
    join(channel, "ada", 3)
    other = join(channel, "ben", 4)
    channel.leave("ada")
    assert [other] == list(channel)


def test_so_many_selections_are_shared() -> None:
    """One more is served on its own, one of those that are there is not."""
    channel: Channel[str] = Channel()
    keys: list[Key] = [(Selection(q=str(number)), "socket") for number in range(SHARED_SELECTIONS + 1)]
    for number, key in enumerate(keys[:-1]):
        assert channel.shares(key)
        join(channel, f"viewer {number}", 0, key)
    assert not channel.shares(keys[-1])
    assert channel.shares(keys[0])
    channel.leave("viewer 3")
    assert channel.shares(keys[-1])


def test_groups_that_meet_become_one() -> None:
    """The one that came is gone, its members are in the one that was there."""
    channel: Channel[str] = Channel()
    there, came = join(channel, "ada", 5), join(channel, "ben", 3)
    came.index = 5
    channel.meet(came)
    assert [there] == list(channel)
    assert ["ada", "ben"] == list(there.members)
    assert there is channel.group_of("ben")
    assert {} == came.members


def test_who_has_met_can_leave() -> None:
    """Nothing remembers the group that is gone."""
    channel: Channel[str] = Channel()
    join(channel, "ada", 5)
    came = join(channel, "ben", 3)
    came.index = 5
    channel.meet(came)
    channel.leave("ben")
    channel.leave("ada")
    assert not channel


def test_groups_apart_do_not_merge() -> None:
    """Nor does a group with itself, nor with one of another key."""
    channel: Channel[str] = Channel()
    groups = [join(channel, "ada", 5), join(channel, "ben", 3), join(channel, "cleo", 5, ERRORS)]
    for group in groups:
        channel.meet(group)
    assert groups == list(channel)


def test_the_poorer_bucket_holds_for_both() -> None:
    """Whoever has just had its burst gets no second one by meeting others."""
    channel: Channel[str] = Channel()
    there, came = join(channel, "ada", 5), join(channel, "ben", 3)
    came.bucket.take(1.0, 10)
    came.index = 5
    channel.meet(came)
    assert not there.bucket.take(1.0)


class Watching(RuleBasedStateMachine):
    """
    A timeline that grows, groups that are served at their own pace, members that come, fall and go.

    Each member's own book says what it was sent; nothing may be missing in it or be there twice.
    """

    members = st.integers(0, 7)

    def __init__(self) -> None:
        super().__init__()
        self.channel: Channel[int] = Channel()
        self.end = 0
        self.read: dict[int, int] = {}
        """By member: index of the next entry it has not been sent."""
        self.keys: dict[int, Key] = {}

    @rule(count=st.integers(1, 3))
    def record(self, count: int) -> None:
        """The project says something."""
        self.end += count

    @rule(member=members, key=st.sampled_from([ALL, ERRORS]))
    def come(self, member: int, key: Key) -> None:
        """Somebody comes, anywhere in the past."""
        if member not in self.read:
            self.read[member], self.keys[member] = member * self.end // 8, key
            self.channel.fall(member)

    @precondition(lambda self: bool(self.channel.behind))
    @rule(data=st.data(), most=st.integers(1, 4))
    def catch_up(self, data: st.DataObject, most: int) -> None:
        """One who is behind reads a slice, as far as it may, and joins when it is there."""
        member = data.draw(st.sampled_from(sorted(self.channel.behind)))
        index, key = self.read[member], self.keys[member]
        target = self.channel.target(key, index, self.end)
        assert index <= target <= self.end
        self.read[member] = index = min(target, index + most)
        if index == self.channel.target(key, index, self.end):
            assert index == join_at(self.channel, member, key, index).index

    @precondition(lambda self: bool(list(self.channel)))
    @rule(data=st.data(), most=st.integers(0, 3), full=st.sets(members))
    def serve(self, data: st.DataObject, most: int, full: set[int]) -> None:
        """A group is served as far as its pace allows; whose buffer is full falls with what it has passed."""
        group = data.draw(st.sampled_from(list(self.channel)))
        stop = min(self.end, group.index + most)
        for member in list(group.members):
            assert group.index == self.read[member]
            if member in full and stop > group.index:
                self.channel.fall(member)
            else:
                self.read[member] = stop
        group.index = stop
        group.passed = passed(stop)
        if group.members and stop == self.end:
            self.channel.meet(group)

    @rule(member=members)
    def fall(self, member: int) -> None:
        """One changes its wish and catches up again."""
        if member in self.read:
            self.channel.fall(member)

    @rule(member=members)
    def go(self, member: int) -> None:
        """One goes, wherever it is."""
        self.channel.leave(member)
        self.read.pop(member, None)

    @invariant()
    def nobody_is_lost_or_twice(self) -> None:
        """Each member is in one place."""
        inside = [member for group in self.channel for member in group.members]
        assert sorted(self.read) == sorted([*inside, *self.channel.behind, *self.channel.alone])
        assert bool(self.read) == bool(self.channel)

    @invariant()
    def a_group_stands_where_its_members_stand(self) -> None:
        """A member's position is its group's, and its group is the one it is in."""
        for group in self.channel:
            assert group.members
            assert passed(group.index) == group.passed
            for member in group.members:
                assert group is self.channel.group_of(member)
                assert (self.read[member], self.keys[member]) == (group.index, group.key)


def join_at(channel: Channel[int], member: int, key: Key, index: int) -> Group[int]:
    """Let a member of the machine join."""
    return channel.join(member, key, index, passed(index), bucket())


Watching.TestCase.settings = settings(deadline=None, max_examples=80, stateful_step_count=40)
test_whoever_watches_gets_everything_once = Watching.TestCase
