"""One viewer's interest in one project: where it stands, and how it leaves the live ones."""

from relayd.core.access import ProjectFacts, Question
from relayd.core.channel import Passed
from relayd.core.floor import BELOW_ALL
from relayd.core.project import Project
from relayd.protocol.commands import EVERYTHING
from relayd.protocol.disconnect import Disconnect
from relayd.relay.subscription import Subscription, Watched
from relayd.testing.viewers import FakeEncoding
from tests.relay.stage import Relay


class NobodyAsks:
    def question(self, project: ProjectFacts, *, anew: bool = False) -> Question:
        raise AssertionError(project)


class Follower:
    """Remembers what it is told."""

    encoding = FakeEncoding()

    def __init__(self) -> None:
        self.grant = NobodyAsks()
        self.behind: list[Subscription] = []
        self.pushed: list[bytes] = []

    def push(self, payload: bytes) -> bool:
        self.pushed.append(payload)
        return True

    def fell_behind(self, subscription: Subscription) -> None:
        self.behind.append(subscription)

    def stir(self, subscription: Subscription) -> None:
        raise AssertionError(subscription)

    def lose(self, subscription: Subscription, disconnect: Disconnect, sentence: str) -> None:
        raise AssertionError(subscription)


def test_it_begins_having_passed_nothing() -> None:
    """No cursor is told before its opening."""
    project: Watched = Project("p")
    subscription = Subscription(Follower(), project, EVERYTHING)
    assert Passed(BELOW_ALL, "") == subscription.passed
    assert (EVERYTHING, FakeEncoding()) == subscription.key
    assert not subscription.live


def test_bytes_go_to_its_follower() -> None:
    """It has no socket of its own."""
    follower = Follower()
    assert Subscription(follower, Project("p"), EVERYTHING).push(b"a")
    assert [b"a"] == follower.pushed


async def test_it_is_live_in_a_group_and_alone(relay: Relay) -> None:
    """Not while it catches up; leaving a group it keeps the group's index."""
    project = relay.log.open("p")
    (entry,) = relay.says("a")
    follower = Follower()
    subscription = Subscription(follower, project, EVERYTHING)
    project.channel.fall(subscription)
    assert not subscription.live
    passed = Passed(entry.place, entry.cursor)
    project.channel.join(subscription, subscription.key, 1, passed, relay.fanout.bucket(FakeEncoding()))
    assert subscription.live
    assert relay.log.head_cursor() == subscription.cursor(relay.log)
    subscription.fall_behind(passed, "lagged")
    assert not subscription.live
    assert (1, passed, "lagged") == (subscription.index, subscription.passed, subscription.gap)
    assert [subscription] == follower.behind
    assert entry.cursor == subscription.cursor(relay.log)
    project.channel.join_alone(subscription)
    assert subscription.live
    assert relay.log.head_cursor() == subscription.cursor(relay.log)
    subscription.index = 0
    assert entry.cursor == subscription.cursor(relay.log)
    subscription.fall_behind(passed)
    assert (0, "") == (subscription.index, subscription.gap)
